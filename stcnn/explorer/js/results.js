// What the page shows of an answer: pictures, maps, traces, the table, the tuning curve.

import { mapsOf } from "./clips.js";
import { element, titleOf } from "./controls.js";
import { paintCurves, paintGrey, paintMaps, short } from "./painting.js";
import { TITLES, byId, colourOf, data, model, recording, session, told, tunable, view } from "./session.js";

/** Paint all of it, except the tuning curve, which comes later. */
export function paint() {
  paintPictures();
  paintTraces();
  paintTable();
}

/** Paint stimulus, eye and maps at the frame that was chosen. */
export function paintPictures() {
  const { answer, frames } = session.state;
  if (!answer || !frames.length) return;
  const i = session.live ? 0 : Math.min(view.frame, frames.length - 1);
  paintGrey(byId("stimulus"), frames[i], told().movie_px);
  const kept = session.live ? null : answer.maps;
  const now = session.live ? mapsOf(model().first) : null;
  const [eye, chosen] = ["eye", view.maps].map((name) => {
    const found = kept ? { ...kept[name], values: kept[name].frames[i] } : now[name];
    return { ...found, largest: kept ? answer.largest[name] : Math.max(...found.values.map(Math.abs)) };
  });
  paintMaps(byId("eye"), eye.values, eye.shape, 1, eye.largest, eye.columns);
  paintMaps(byId("maps"), chosen.values, chosen.shape, chosen.channels, chosen.largest, chosen.columns);
  const timeS = session.live ? session.live.count / told().rate_hz : answer.timeS[i];
  byId("now").textContent = `${timeS.toFixed(2)} s`;
  byId("scale").textContent = `red above zero, blue below; largest ${short(chosen.largest)}`;
  byId("maps").setAttribute("aria-label", `Maps of ${mapTitle(view.maps)} at ${timeS.toFixed(2)} s: ${chosen.channels} of ${chosen.shape.join(" by ")} places`);
}

/** What a map is called in the page. */
export const mapTitle = (name) => (name === "eye" ? "the eye" : name.replace("layer", "hidden layer "));

/** Paint voltage and dF/F of every cell type, with what they are compared with. */
export function paintTraces() {
  const { answer, before, other } = session.state;
  if (!answer) return;
  const cursor = session.live ? null : answer.timeS[Math.min(view.frame ?? 0, answer.nFrames - 1)];
  const overlaid = recording();
  const until = (trace) => trace.subarray(0, answer.done);
  answer.types.forEach((type, n) => {
    for (const kind of ["voltage", "calcium"]) {
      const canvas = byId(`${kind}${n}`);
      if (!canvas) continue;
      let mine = until(answer[kind][n]);
      const lines = [];
      const measured = kind === "calcium" && overlaid && overlaid.cell_type === type ? overlaid : null;
      if (measured) {
        mine = mine.map((value) => measured.offset + measured.gain * value);
        lines.push({ x: measured.time_s, y: measured.measured, colour: "ink", width: 1.2 });
      }
      if (before) lines.push({ x: before.timeS, y: before[kind][n], colour: colourOf(n), width: 1.2, dash: [2, 3] });
      const there = other ? other.types.indexOf(type) : -1;
      if (there >= 0) lines.push({ x: other.timeS, y: other[kind][there], colour: colourOf(n), width: 1.6, dash: [7, 4] });
      lines.push({ x: until(answer.timeS), y: mine, colour: colourOf(n), width: 2.2 });
      const last = n === answer.types.length - 1;
      paintCurves(canvas, lines, { height: last ? 128 : 112, xLabel: last ? "time (s)" : "", cursor, xRange: [answer.timeS[0], answer.timeS[answer.nFrames - 1]] });
      const ends = `from ${short(Math.min(...mine))} to ${short(Math.max(...mine))}`;
      canvas.setAttribute("aria-label", `${TITLES[kind]} of ${type} over time, ${ends}`);
    }
  });
}

function paintTable() {
  const { answer, before, other } = session.state;
  const overlaid = recording();
  const columns = ["cell type", ...(overlaid ? ["correlation with recording", "noise ceiling"] : []), "largest voltage", "largest dF/F", "at"];
  if (before) columns.push("dF/F unchanged");
  if (other) columns.push(`dF/F ${data.models[view.second].name}`);
  const rows = answer.types.map((type, n) => {
    const calcium = answer.calcium[n], peak = Math.max(...calcium);
    const cells = [short(Math.max(...answer.voltage[n])), short(peak), `${answer.timeS[calcium.indexOf(peak)].toFixed(2)} s`];
    if (before) cells.push(short(Math.max(...before.calcium[n])));
    if (other) {
      const there = other.types.indexOf(type);
      cells.push(there < 0 ? "–" : short(Math.max(...other.calcium[there])));
    }
    if (overlaid) {
      const mine = overlaid.cell_type === type;
      cells.unshift(mine ? correlation(answer, n, overlaid).toFixed(2) : "", mine ? overlaid.ceiling?.toFixed(2) ?? "unknown" : "");
    }
    return element("tr", {}, element("th", { scope: "row" }, type), ...cells.map((cell) => element("td", {}, cell)));
  });
  byId("peaks").replaceChildren(
    element("caption", {}, "Responses to this stimulus"),
    element("thead", {}, element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...rows),
  );
}

/** Correlation with a recording after onset, at its own times. */
function correlation(answer, n, { time_s: times, measured }) {
  const pairs = [];
  times.forEach((timeS, i) => {
    const place = (timeS - answer.timeS[0]) * answer.rateHz, low = Math.floor(place);
    if (timeS < 0 || low < 0 || low + 1 >= answer.nFrames) return;
    const trace = answer.calcium[n];
    pairs.push([trace[low] + (place - low) * (trace[low + 1] - trace[low]), measured[i]]);
  });
  const mean = (axis) => pairs.reduce((sum, pair) => sum + pair[axis], 0) / pairs.length;
  const [a, b] = [mean(0), mean(1)];
  const sum = (f) => pairs.reduce((total, [x, y]) => total + f(x - a, y - b), 0);
  return sum((x, y) => x * y) / Math.sqrt(sum((x) => x * x) * sum((_, y) => y * y));
}

/** Paint the tuning curve, as far as it is computed. */
export function paintCurve() {
  const section = byId("tuning");
  section.hidden = !tunable().length;
  if (section.hidden) return;
  const { curve } = session.state;
  const lines = told().cell_types.map((_, n) => ({ x: curve.map(({ value }) => value), y: curve.map(({ peaks }) => peaks[n]), colour: colourOf(n), marks: true }));
  const current = view.args[view.tuned];
  paintCurves(byId("curve"), lines, { height: 210, xLabel: view.tuned ? titleOf(view.tuned) : "", cursor: curve.length && typeof current === "number" ? current : null });
  const said = told().cell_types.map((type, n) => {
    const best = curve.reduce((most, point) => (most && most.peaks[n] >= point.peaks[n] ? most : point), null);
    return best ? `${type} answers most at ${short(best.value)}` : "";
  });
  byId("curve").setAttribute("aria-label", `Largest dF/F against ${titleOf(view.tuned || "nothing")}. ${said.join(", ")}`);
}
