"use strict";
// The trace explorer: a neuron or all neurons of a cell type, one stimulus, values under the pointer or the arrow keys.
(() => {
  const data = JSON.parse(document.getElementById("traces").textContent);
  const [typeBox, neuronBox, stimulusBox] = ["cell-type", "neuron", "stimulus"].map((id) => document.getElementById(id));
  const plot = document.getElementById("plot"), values = document.getElementById("values");
  const ALL = "";
  const unique = (list) => [...new Set(list)];
  const dff = (x) => (x / 1000).toFixed(3);
  let view = null, cursor = null;

  const element = (name, attributes, parent) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return parent.appendChild(made);
  };

  const fill = (box, options, wanted) => {
    box.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    box.value = options.some(([value]) => value === wanted) ? wanted : options[0][0];
  };

  const heldOutOnly = document.getElementById("held-out");
  const everyOfType = () => data.recordings.filter((r) => r.type === typeBox.value);
  const ofType = () => {
    const every = everyOfType(), heldOut = every.filter((r) => r.heldOut);
    heldOutOnly.disabled = !heldOut.length;
    return heldOutOnly.checked && heldOut.length ? heldOut : every;
  };

  const fillNeurons = (wanted) => {
    const neurons = unique(ofType().map((r) => r.neuron));
    fill(neuronBox, [[ALL, `all ${neurons.length} neurons`], ...neurons.map((n) => [n, n])], wanted);
  };

  const fillStimuli = (wanted) => {
    const mine = ofType().filter((r) => neuronBox.value === ALL || r.neuron === neuronBox.value);
    const heldOut = (name) => mine.filter((r) => r.stimulus === name && r.heldOut).length;
    const mark = (name) => (neuronBox.value === ALL
      ? (heldOut(name) ? ` (${heldOut(name)} held out)` : "") : (heldOut(name) ? " (held out)" : ""));
    const byName = (a, b) => a.localeCompare(b, undefined, { numeric: true });
    fill(stimulusBox, unique(mine.map((r) => r.stimulus)).sort(byName).map((name) => [name, name + mark(name)]), wanted);
  };

  const mean = (rows) => rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);

  const chosen = (stimulus) => {
    const rows = ofType().filter((r) => r.stimulus === stimulus
      && (neuronBox.value === ALL || r.neuron === neuronBox.value));
    const times = data.times[rows[0].time];
    const aligned = rows.filter((r) => r.time === rows[0].time);  // others have their own clock
    const measured = mean(aligned.map((r) => r.measured)), predicted = mean(aligned.map((r) => r.predicted));
    const n = aligned.length;
    const half = measured.map((m, i) => (n < 2 ? 0
      : (data.t95[n - 2] ?? 1.96) * Math.sqrt(aligned.reduce((sum, r) => sum + (r.measured[i] - m) ** 2, 0) / (n - 1) / n)));
    return { rows: aligned, times, measured, predicted, half };
  };

  const niceStep = (span) => {
    const raw = span / 5, power = 10 ** Math.floor(Math.log10(raw));
    return [1, 2, 5, 10].map((m) => m * power).find((step) => step >= raw);
  };

  const draw = () => {
    const { rows, times, measured, predicted, half } = chosen(stimulusBox.value);
    const width = plot.clientWidth || 600, height = plot.clientHeight || 288;
    const box = { left: 56, right: width - 12, top: 12, bottom: height - 40 };
    const every = rows.flatMap((r) => r.measured).concat(predicted);
    let low = Math.min(...every), high = Math.max(...every);
    const margin = (high - low || 1) * 0.05;
    low -= margin; high += margin;
    const x = (t) => box.left + (t - times[0]) / (times[times.length - 1] - times[0] || 1) * (box.right - box.left);
    const y = (v) => box.bottom - (v - low) / (high - low) * (box.bottom - box.top);
    const line = (series) => "M" + series.map((v, i) => `${x(times[i]).toFixed(1)},${y(v).toFixed(1)}`).join("L");
    document.documentElement.style.setProperty("--chosen", data.colours[typeBox.value]);
    plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    plot.replaceChildren();
    for (const [from, to, along] of [[low, high, false], [times[0], times[times.length - 1], true]]) {
      const step = niceStep(to - from);
      for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) {
        const text = String(+(tick / 1000).toPrecision(6));
        if (along) element("text", { x: x(tick), y: box.bottom + 16, "text-anchor": "middle" }, plot).textContent = text;
        else {
          element("line", { class: "grid", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }, plot);
          element("text", { x: box.left - 6, y: y(tick) + 4, "text-anchor": "end" }, plot).textContent = text;
        }
      }
    }
    element("text", { x: (box.left + box.right) / 2, y: height - 6, "text-anchor": "middle" }, plot).textContent = "time from stimulus onset (s)";
    const label = element("text", { x: 12, y: (box.top + box.bottom) / 2, "text-anchor": "middle" }, plot);
    label.setAttribute("transform", `rotate(-90 12 ${(box.top + box.bottom) / 2})`);
    label.textContent = "dF/F";
    if (times[0] < 0) element("line", { class: "axis", x1: x(0), x2: x(0), y1: box.top, y2: box.bottom, "stroke-dasharray": "2 3" }, plot);
    if (rows.length > 1) {
      rows.forEach((r) => element("path", { class: "thin", d: line(r.measured) }, plot));
      const edge = measured.map((m, i) => m + half[i]), under = measured.map((m, i) => m - half[i]);
      const back = under.map((v, i) => `${x(times[i]).toFixed(1)},${y(v).toFixed(1)}`).reverse().join("L");
      element("path", { class: "band", d: `${line(edge)}L${back}Z` }, plot);
    }
    element("path", { class: "measured", d: line(measured) }, plot);
    element("path", { class: "predicted", d: line(predicted), stroke: data.colours[typeBox.value] }, plot);
    view = { times, measured, predicted, x, box, marker: element("line", { class: "axis", visibility: "hidden", y1: box.top, y2: box.bottom }, plot) };
    cursor = null;
    const what = rows.length > 1 ? `mean of ${rows.length} neurons` : `neuron ${rows[0].neuron}, ${rows[0].heldOut ? "held out" : "trained on"}`;
    plot.setAttribute("aria-label", `Measured and predicted dF/F of ${typeBox.value}, ${what}, ${stimulusBox.value}. `
      + `Measured peak ${dff(Math.max(...measured))}, predicted peak ${dff(Math.max(...predicted))}. Arrow keys read values.`);
    values.textContent = `${typeBox.value}, ${stimulusBox.value}: ${what}. Peak measured ${dff(Math.max(...measured))}, predicted ${dff(Math.max(...predicted))}.`;
  };

  // The small plots: every stimulus of the chosen neurons, on one scale, in the table of the stimuli where there is one.
  const overview = document.getElementById("overview");
  const drawOverview = () => {
    const stimuli = [...stimulusBox.options].map((option) => option.value);
    const series = new Map(stimuli.map((name) => [name, chosen(name)]));
    const every = [...series.values()].flatMap((s) => s.measured.concat(s.predicted));
    const low = Math.min(...every), high = Math.max(...every);
    const known = ([, names]) => names.some((name) => series.has(name));
    const rows = data.table ? Object.entries(data.table.rows).filter(known) : [["", stimuli]];
    overview.replaceChildren();
    overview.style.setProperty("--columns", data.table ? data.table.columns.length : "auto-fill");
    overview.classList.toggle("table", Boolean(data.table));
    if (data.table) ["", ...data.table.columns].forEach((text) => head(text));
    rows.forEach(([label, names]) => {
      if (data.table) head(label);
      names.forEach((name) => (series.has(name) ? small(name, series.get(name), low, high) : overview.append(document.createElement("span"))));
    });
  };
  const head = (text) => {
    const made = document.createElement("span");
    made.className = "head";
    made.textContent = text;
    overview.append(made);
  };
  const small = (name, { rows, times, measured, predicted }, low, high) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(name === stimulusBox.value));
    button.setAttribute("aria-label", `${name}: peak measured ${dff(Math.max(...measured))}, predicted ${dff(Math.max(...predicted))}`);
    button.title = name;
    if (data.pictures[name]) {
      const shown = document.createElement("img");
      shown.src = data.pictures[name];
      shown.alt = "";
      button.append(shown);
    }
    const picture = element("svg", { viewBox: "0 0 80 44", preserveAspectRatio: "none", "aria-hidden": "true" }, button);
    const x = (t) => 80 * (t - times[0]) / (times[times.length - 1] - times[0] || 1);
    const y = (v) => 42 - 40 * (v - low) / (high - low || 1);
    const every = Math.max(1, Math.floor(times.length / 60));
    const line = (values) => "M" + values.filter((_, i) => i % every === 0).map((v, i) => `${x(times[i * every]).toFixed(1)},${y(v).toFixed(1)}`).join("L");
    element("line", { class: "grid", x1: 0, x2: 80, y1: y(0), y2: y(0) }, picture);
    element("path", { class: "measured", d: line(measured) }, picture);
    element("path", { class: "predicted", d: line(predicted), stroke: data.colours[typeBox.value] }, picture);
    if (!data.table) button.append(name);
    if (rows.some((r) => r.heldOut)) button.classList.add("held-out");
    button.addEventListener("click", () => { stimulusBox.value = name; draw(); mark(); });
    overview.append(button);
  };
  const mark = () => overview.querySelectorAll("button").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.title === stimulusBox.value)));

  const point = (index) => {
    cursor = Math.min(Math.max(index, 0), view.times.length - 1);
    const at = view.x(view.times[cursor]);
    for (const end of ["x1", "x2"]) view.marker.setAttribute(end, at);
    view.marker.setAttribute("visibility", "visible");
    values.textContent = `${(view.times[cursor] / 1000).toFixed(2)} s: measured ${dff(view.measured[cursor])}, predicted ${dff(view.predicted[cursor])}`;
  };

  plot.addEventListener("pointermove", (event) => {
    const at = event.clientX - plot.getBoundingClientRect().left;
    const distance = view.times.map((t) => Math.abs(view.x(t) - at));
    point(distance.indexOf(Math.min(...distance)));
  });
  plot.addEventListener("pointerleave", () => { if (document.activeElement !== plot) draw(); });
  plot.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    point((cursor ?? 0) + steps[event.key]);
  });

  const show = (type, neuron, stimulus) => {
    typeBox.value = type;
    fillNeurons(neuron);
    fillStimuli(stimulus);
    draw();
    drawOverview();
  };
  const step = (by) => {
    const n = stimulusBox.options.length;
    stimulusBox.selectedIndex = (stimulusBox.selectedIndex + by + n) % n;
    draw();
    mark();
  };
  fill(typeBox, Object.keys(data.colours).map((name) => [name, name]));
  typeBox.addEventListener("change", () => show(typeBox.value, ALL, stimulusBox.value));
  neuronBox.addEventListener("change", () => { fillStimuli(stimulusBox.value); draw(); drawOverview(); });
  stimulusBox.addEventListener("change", () => { draw(); mark(); });
  heldOutOnly.addEventListener("change", () => show(typeBox.value, neuronBox.value, stimulusBox.value));
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  document.querySelectorAll("[data-neuron]").forEach((link) => link.addEventListener("click", () => {
    const held = data.recordings.find((r) => r.type === link.dataset.type && r.neuron === link.dataset.neuron && r.heldOut);
    show(link.dataset.type, link.dataset.neuron, held && held.stimulus);
  }));
  addEventListener("resize", draw);
  addEventListener("beforeprint", draw);

  // Tables sort by the column whose heading is pressed.
  document.querySelectorAll("table.sortable").forEach((table) => table.querySelectorAll("th button").forEach((button) => {
    button.addEventListener("click", () => {
      const head = button.closest("th"), column = head.cellIndex, body = table.tBodies[0];
      const falling = head.getAttribute("aria-sort") === "ascending";
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const compare = (a, b) => key(a).localeCompare(key(b), undefined, { numeric: true }) || 0;
      const number = (a, b) => parseFloat(key(a)) - parseFloat(key(b));
      const rows = [...body.rows].sort(head.classList.contains("number") ? number : compare);
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      body.replaceChildren(...(falling ? rows.reverse() : rows));
    });
  }));

  heldOutOnly.checked = data.recordings.some((r) => r.heldOut);
  const strongest = data.recordings.filter((r) => r.heldOut && r.type === typeBox.value)
    .reduce((best, r) => (!best || Math.max(...r.measured) > Math.max(...best.measured) ? r : best), null);
  show(typeBox.value, ALL, strongest ? strongest.stimulus : undefined);
  document.documentElement.dataset.ready = "yes";
})();
