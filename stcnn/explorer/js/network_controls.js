// Panels of the traces, the choice of maps, and controls that change the network.

import { compute } from "./answering.js";
import { choice, element, slider } from "./controls.js";
import { short } from "./painting.js";
import { mapTitle, paintPictures } from "./results.js";
import { TITLES, byId, colourOf, model, remember, told, view } from "./session.js";

/** Build a panel for each trace, and the choice of maps. */
export function buildTraces() {
  const panels = told().cell_types.flatMap((type, n) =>
    ["voltage", "calcium"].map((kind) =>
      element("figure", {}, element("figcaption", {}, element("span", { class: "key", style: `background:${colourOf(n)}` }), ` ${type} ${TITLES[kind]}`), element("canvas", { id: `${kind}${n}`, role: "img", "aria-label": `${TITLES[kind]} of ${type}` })),
    ),
  );
  byId("traces").replaceChildren(...panels);
  const names = ["eye", ...told().layers.map((_, i) => `layer${i + 1}`)].map((name) => [name, mapTitle(name)]);
  byId("maps-choice").replaceChildren(
    choice("Maps of", names, view.maps, (value) => {
      view.maps = value;
      remember();
      paintPictures();
    }),
  );
}

/** Build the controls of time constants, gains and silenced channels. */
export function buildEdits() {
  const { edits } = view;
  const set = (kind, name, value, usual) => {
    if (value === usual) delete edits[kind][name];
    else edits[kind][name] = value;
    compute();
  };
  const filters = model().first.filters();
  const groups = ["eye", ...told().layers.map((_, i) => `layer${i + 1}`), "readout", "calcium"].map((name) => {
    const parts = [];
    const taus = (filters[name].told.tau_s ?? []).filter((tauS) => tauS > 1e-9);
    if (taus.length) {
      const ends = [Math.min(...taus), Math.max(...taus)].map((tauS) => short(tauS * 1000));
      const range = ends[0] === ends[1] ? `${ends[0]} ms` : `${ends[0]} to ${ends[1]} ms`;
      parts.push(slider({ name: `tau${name}`, title: `time constants × (${range})`, low: 0.1, high: 10, step: 0.1 }, edits.tau[name] ?? 1, (value) => set("tau", name, value, 1)));
    }
    if (name.startsWith("layer")) {
      parts.push(slider({ name: `gain${name}`, title: "gain ×", low: 0, high: 3, step: 0.05 }, edits.gain[name] ?? 1, (value) => set("gain", name, value, 1)), silencing(name));
    }
    return parts.length ? element("fieldset", {}, element("legend", {}, name === "calcium" ? "indicator" : mapTitle(name).replace("the eye", "eye")), ...parts) : "";
  });
  byId("edits").replaceChildren(...groups);
}

function silencing(name) {
  const layer = model().first.layers[Number(name.slice(5)) - 1];
  const chosen = () => new Set(view.edits.silent[name] ?? []);
  const put = (some) => {
    if (some.size) view.edits.silent[name] = [...some].sort((a, b) => a - b);
    else delete view.edits.silent[name];
    for (const button of buttons) button.setAttribute("aria-pressed", some.has(Number(button.value)));
    compute();
  };
  const toggled = (channel) => {
    const some = chosen();
    if (!some.delete(channel)) some.add(channel);
    put(some);
  };
  const buttons = Array.from({ length: layer.outputs }, (_, c) =>
    element("button", { type: "button", value: c, "aria-pressed": chosen().has(c), "aria-label": `silence channel ${c + 1} of ${mapTitle(name)}`, onclick: () => toggled(c) }, String(c + 1)),
  );
  const all = element("button", { type: "button", onclick: () => put(chosen().size === layer.outputs ? new Set() : new Set(buttons.map((each) => Number(each.value)))) }, "all");
  return element("div", { class: "silence", role: "group", "aria-label": `silence channels of ${mapTitle(name)}` }, element("span", {}, "silence channels"), ...buttons, all);
}
