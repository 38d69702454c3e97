// Controls made of their descriptions: labels, sliders with their numbers, choices.

let serial = 0;

/** Make an element: tag, attributes, children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.startsWith("aria-")) made.setAttribute(name, String(value));
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

const words = (name) => {
  const units = { deg_s: "°/s", deg2: "/deg²", deg: "°", hz: "Hz", s: "s", cycles: "cycles" };
  const parts = name.split("_");
  for (const length of [2, 1]) {
    const unit = parts.slice(-length).join("_");
    if (parts.length > length && units[unit]) return `${parts.slice(0, -length).join(" ")} (${units[unit]})`;
  }
  return parts.join(" ");
};

/** What an argument is called in the page. */
export const titleOf = words;

/** A slider with its number beside it; `changed(value)` while it moves, null where an optional one is left open. */
export function slider({ name, title = words(name), low, high, step, optional = false, meaning = "" }, value, changed) {
  const id = `control${++serial}`;
  const start = value ?? (low + high) / 2;
  const bar = element("input", { type: "range", id, min: low, max: high, step, value: start, title: meaning });
  const number = element("input", { type: "number", min: low, max: high, step: "any", value: start, "aria-label": `${title}, number` });
  const open = optional ? element("input", { type: "checkbox", id: `${id}use`, "aria-label": `set ${title}` }) : null;
  const tell = () => {
    bar.disabled = number.disabled = open !== null && !open.checked;
    changed(bar.disabled ? null : Number(number.value));
  };
  bar.addEventListener("input", () => {
    number.value = bar.value;
    tell();
  });
  number.addEventListener("change", () => {
    if (number.value === "" || !Number.isFinite(Number(number.value))) number.value = bar.value;
    bar.value = number.value;
    tell();
  });
  if (open) {
    open.checked = value !== null && value !== undefined;
    bar.disabled = number.disabled = !open.checked;
    open.addEventListener("change", tell);
  }
  return element("div", { class: "slider", "data-name": name }, element("label", { for: id, title: meaning }, ...(open ? [open, " "] : []), title), bar, number);
}

/** A choice among names: options is [[value, title]] or, in groups, [[group, [[value, title]]]]. */
export function choice(title, options, value, changed) {
  const id = `control${++serial}`;
  const made = ([each, text]) =>
    Array.isArray(text)
      ? element("optgroup", { label: each }, ...text.map(made))
      : element("option", { value: each, selected: each === value }, text);
  const list = element("select", { id, onchange: () => changed(list.value) }, ...options.map(made));
  return element("div", { class: "choice" }, element("label", { for: id }, title), list);
}

/** A list of numbers, written with commas. */
export function numbers(name, value, changed) {
  const id = `control${++serial}`;
  const field = element("input", { type: "text", id, value: value.join(", "), inputmode: "decimal" });
  field.addEventListener("change", () => {
    const found = field.value.split(",").map((each) => Number(each.trim()));
    if (found.length && found.every((each) => Number.isFinite(each) && each >= 0 && each <= 1)) changed(found);
    field.value = (found.every(Number.isFinite) ? found : value).join(", ");
  });
  return element("div", { class: "choice" }, element("label", { for: id }, `${words(name)} (0 to 1, commas between)`), field);
}
