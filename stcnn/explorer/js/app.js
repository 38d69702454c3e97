// The page: what was chosen, what is computed of it, and what is shown.

import { Answer, answered, mapsOf, shifted } from "./clips.js";
import { choice, element, numbers, slider, titleOf } from "./controls.js";
import { Ensemble } from "./network.js";
import { Camera, Dot } from "./live.js";
import { framesOf } from "./movies.js";
import { filmed, framesOfFile } from "./own_pictures.js";
import { unpacked } from "./packed.js";
import { paintCurves, paintGrey, paintMaps, short } from "./painting.js";
import { StimulusFault, stimulus } from "./stimuli.js";
import { spaced, tuningCurve } from "./tuning.js";
import { linkTo, viewIn } from "./view_link.js";

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F"];
const TITLES = { voltage: "voltage", calcium: "dF/F" };
const LIVE_S = 5;
const LIVE_STEP_MS = 12;
const OWN = { drawing: "Draw with the pointer", file: "A picture or movie of yours", webcam: "A camera of this machine" };
const isLive = (kind) => kind === "drawing" || kind === "webcam";
const TUNED = 9;
const TUNED_FIRST = ["edge_speed_deg_s", "r_over_v_s", "size_deg", "height_deg", "direction_deg", "period_deg", "frequency_hz", "speed_deg_s"];
const AFTER_S = 0.7; // grey after a stimulus, in which calcium decays

const data = unpacked(JSON.parse(document.getElementById("data").textContent));
const models = data.models.map(({ members }) => new Ensemble(members));
const byId = (id) => document.getElementById(id);

const view = {
  model: 0, second: -1, kind: "looming_disc", args: {}, protocol: "", named: "", recording: -1,
  maps: "layer1", edits: { tau: {}, gain: {}, silent: {} }, frame: null, tuned: "",
};
let state = { answer: null, before: null, other: null, frames: [], own: null, curve: [] };
let job = 0;
let playing = null;
let live = null;
let camera = null;

const model = () => models[view.model];
const told = () => model().told;
const screen = () => ({ shapePx: told().movie_px, degPerPx: told().deg_per_px, rateHz: told().rate_hz, background: told().background });
const isEdited = () => Object.values(view.edits).some((each) => Object.keys(each).length);
const editsNow = () => (isEdited() ? view.edits : {});
const recording = () => data.models[view.model].recordings[view.recording] ?? null;
const colourOf = (n) => COLOURS[n % COLOURS.length];

// ---------------------------------------------------------------- what is shown to the network

function startingArgs(kind) {
  const args = { timing: {} };
  for (const control of data.stimuli[kind].controls) {
    if (control.absent) continue;
    if (control.group === "Timing") args.timing[control.name] = control.name === "after_s" ? AFTER_S : control.start;
    else args[control.name] = control.start;
  }
  return args;
}

function parameters() {
  if (view.named) return data.protocols[view.protocol][view.named];
  return { kind: view.kind, ...view.args };
}

/** The stimulus now, with grey behind it; throws a sentence. */
async function shownNow() {
  if (recording()) return shifted(await shownWith(recording()), recording().shift_px, told().movie_px, told().background);
  if (view.kind === "file" && !view.named) {
    if (!state.own) throw new StimulusFault("Choose a file, or drop one anywhere on the page.");
    return filmed(state.own, screen(), AFTER_S);
  }
  return stimulus(screen(), view.named ? withGreyAfter(parameters()) : parameters());
}

/** What was shown in a recording: drawn anew, or the movie that the page carries. */
async function shownWith({ parameters: shown, movie: name }) {
  if (name === undefined) return stimulus(screen(), withGreyAfter(shown));
  const movie = data.models[view.model].movies[name];
  return filmed(await framesOf(movie, told().background), screen(), AFTER_S, movie.onset_s);
}

function withGreyAfter(shown) {
  if (shown.parts) return shown;
  return { ...shown, timing: { ...shown.timing, after_s: Math.max(AFTER_S, shown.timing?.after_s ?? 0) } };
}

// ---------------------------------------------------------------- computing

async function compute() {
  const mine = ++job;
  const cancelled = () => mine !== job;
  stopLive();
  remember();
  const asksLive = isLive(view.kind) && !recording() && !view.named;
  if (!(asksLive && view.kind === "webcam")) closeCamera();
  let shown;
  try {
    if (asksLive) return await startLive(cancelled);
    shown = await shownNow();
  } catch (error) {
    if (!(error instanceof StimulusFault)) throw error;
    return say(error.message, true);
  }
  if (cancelled()) return;
  const started = performance.now();
  const frames = [];
  const progress = (answer) => {
    state = { ...state, answer, frames };
    paintTraces();
  };
  const answer = await answered(model(), editsNow(), shown, { keepMaps: true, frames, cancelled, progress });
  if (!answer) return;
  const ms = performance.now() - started;
  const unedited = isEdited() ? await answered(model(), {}, shown, { cancelled }) : null;
  if (cancelled()) return;
  const second = view.second >= 0 ? await answered(models[view.second], {}, shown, { cancelled }) : null;
  if (cancelled()) return;
  state = { ...state, answer, frames, before: unedited, other: second };
  if (view.frame === null || view.frame >= answer.nFrames) view.frame = busiest(answer);
  byId("time").max = answer.nFrames - 1;
  byId("time").value = view.frame;
  say(`${answer.nFrames} frames in ${ms.toFixed(0)} ms, ${Math.round((1000 * answer.nFrames) / ms)} frames per second.`);
  paint();
  globalThis.firstAnswerMs ??= performance.now(); // since the page was asked for
  await tune(cancelled);
}

/** The frame at which the cell types together answer most, each counted by its own range. */
function busiest(answer) {
  const ranges = answer.voltage.map((trace) => [Math.min(...trace), Math.max(...trace)]);
  const total = (i) => answer.voltage.reduce((sum, trace, n) => sum + (trace[i] - ranges[n][0]) / (ranges[n][1] - ranges[n][0] || 1), 0);
  let best = 0;
  for (let i = 1; i < answer.nFrames; i++) if (total(i) > total(best)) best = i;
  return best;
}

async function tune(cancelled) {
  const control = tunable().find(({ name }) => name === view.tuned);
  state.curve = [];
  if (!control) return paintCurve();
  const count = control.step === 1 && control.high - control.low < TUNED ? control.high - control.low + 1 : TUNED;
  const values = spaced(control.low, control.high, count);
  for await (const point of tuningCurve(model(), editsNow(), screen(), parameters(), control.name, values, cancelled)) {
    state.curve.push(point);
    paintCurve();
  }
  if (!cancelled()) paintCurve();
}

const tunable = () => (view.named || recording() || OWN[view.kind] ? [] : data.stimuli[view.kind].controls.filter((each) => each.type === "slider" && each.name in view.args));

// ---------------------------------------------------------------- live: the pointer draws, or a camera sees

async function startLive(cancelled) {
  if (view.kind === "webcam" && !camera) {
    say("Asking the browser for a camera …");
    const opened = await Camera.opened(screen());
    if (cancelled()) return opened.close();
    camera = opened;
  }
  const source = view.kind === "webcam" ? camera : new Dot(screen(), () => ({ sizeDeg: view.args.size_deg ?? 10, luminance: view.args.luminance ?? 0 }));
  model().edit(editsNow());
  model().start();
  const n = Math.round(LIVE_S * told().rate_hz);
  const size = told().movie_px[0] * told().movie_px[1];
  live = { answer: new Answer(model(), n, 0, false), frame: new Float32Array(size), source, count: 0, clock: performance.now() };
  live.answer.done = n;
  for (const kind of ["voltage", "calcium"]) live.answer[kind].forEach((trace, i) => trace.fill(model()[kind][i]));
  state = { answer: live.answer, before: null, other: null, frames: [live.frame], own: state.own, curve: [] };
  live.timer = setTimeout(advanceLive, LIVE_STEP_MS);
  say(view.kind === "webcam" ? "The network sees what the camera sees; nothing leaves this page." : "Move the pointer over the stimulus, or use the arrow keys there: the network answers as you draw.");
  paintCurve();
}

function stopLive() {
  if (live) clearTimeout(live.timer);
  live = null;
}

function closeCamera() {
  camera?.close();
  camera = null;
}

function advanceLive() {
  if (!live) return;
  const now = performance.now();
  const due = Math.min(8, Math.floor(((now - live.clock) / 1000) * told().rate_hz));
  if (due) live.source.write(live.frame);
  for (let k = 0; k < due; k++) {
    model().step(live.frame);
    for (const kind of ["voltage", "calcium"]) live.answer[kind].forEach((trace, i) => {
      trace.copyWithin(0, 1);
      trace[trace.length - 1] = model()[kind][i];
    });
  }
  if (due) {
    live.clock = due === 8 ? now : live.clock + (1000 * due) / told().rate_hz;
    live.count += due;
    paint();
  }
  live.timer = setTimeout(advanceLive, LIVE_STEP_MS);
}

// ---------------------------------------------------------------- painting

function paint() {
  paintPictures();
  paintTraces();
  paintTable();
}

function paintPictures() {
  const { answer, frames } = state;
  if (!answer || !frames.length) return;
  const i = live ? 0 : Math.min(view.frame, frames.length - 1);
  paintGrey(byId("stimulus"), frames[i], told().movie_px);
  const kept = live ? null : answer.maps;
  const now = live ? mapsOf(model().first) : null;
  const [eye, chosen] = ["eye", view.maps].map((name) => {
    const found = kept ? { ...kept[name], values: kept[name].frames[i] } : now[name];
    return { ...found, largest: kept ? answer.largest[name] : Math.max(...found.values.map(Math.abs)) };
  });
  paintMaps(byId("eye"), eye.values, eye.shape, 1, eye.largest, eye.columns);
  paintMaps(byId("maps"), chosen.values, chosen.shape, chosen.channels, chosen.largest, chosen.columns);
  const timeS = live ? live.count / told().rate_hz : answer.timeS[i];
  byId("now").textContent = `${timeS.toFixed(2)} s`;
  byId("scale").textContent = `red above zero, blue below; largest ${short(chosen.largest)}`;
  byId("maps").setAttribute("aria-label", `Maps of ${mapTitle(view.maps)} at ${timeS.toFixed(2)} s: ${chosen.channels} of ${chosen.shape.join(" by ")} places`);
}

const mapTitle = (name) => (name === "eye" ? "the eye" : name.replace("layer", "hidden layer "));

function paintTraces() {
  const { answer, before, other } = state;
  if (!answer) return;
  const cursor = live ? null : answer.timeS[Math.min(view.frame ?? 0, answer.nFrames - 1)];
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
  const { answer, before, other } = state;
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

function paintCurve() {
  const section = byId("tuning");
  section.hidden = !tunable().length;
  if (section.hidden) return;
  const { curve } = state;
  const lines = told().cell_types.map((_, n) => ({ x: curve.map(({ value }) => value), y: curve.map(({ peaks }) => peaks[n]), colour: colourOf(n), marks: true }));
  const current = view.args[view.tuned];
  paintCurves(byId("curve"), lines, { height: 210, xLabel: view.tuned ? titleOf(view.tuned) : "", cursor: curve.length && typeof current === "number" ? current : null });
  const said = told().cell_types.map((type, n) => {
    const best = curve.reduce((most, point) => (most && most.peaks[n] >= point.peaks[n] ? most : point), null);
    return best ? `${type} answers most at ${short(best.value)}` : "";
  });
  byId("curve").setAttribute("aria-label", `Largest dF/F against ${titleOf(view.tuned || "nothing")}. ${said.join(", ")}`);
}

function say(sentence, wrong = false) {
  byId("said").textContent = sentence;
  byId("said").classList.toggle("wrong", wrong);
}

// ---------------------------------------------------------------- controls

function buildAll() {
  buildModels();
  buildStimulus();
  buildTraces();
  buildEdits();
  buildTuning();
}

function buildModels() {
  const names = data.models.map(({ name }, i) => [i, name]);
  const chosen = data.models[view.model];
  byId("scores").textContent = chosen.scores;
  const first = choice("Model", names, view.model, (value) => {
    Object.assign(view, { model: Number(value), recording: -1, frame: null, maps: "layer1", edits: { tau: {}, gain: {}, silent: {} } });
    buildAll();
    compute();
  });
  const alike = names.filter(([i]) => i !== view.model && sameScreen(models[i].told, told()));
  const second = choice("Beside it (dashed)", [[-1, "none"], ...alike], view.second, (value) => {
    view.second = Number(value);
    compute();
  });
  byId("models").replaceChildren(...(names.length > 1 ? [first, second] : []));
}

const sameScreen = (a, b) => a.rate_hz === b.rate_hz && String(a.movie_px) === String(b.movie_px) && a.deg_per_px === b.deg_per_px;

function buildStimulus() {
  const kinds = Object.entries(data.stimuli).map(([kind, { title }]) => [kind, title]);
  const select = choice("Stimulus", [["Drawn by formula", kinds], ["Your own", Object.entries(OWN)]], view.kind, (value) => {
    Object.assign(view, { kind: value, args: OWN[value] ? { size_deg: 10, luminance: 0 } : startingArgs(value), named: "", protocol: "", recording: -1, frame: null, tuned: "" });
    buildStimulus();
    buildTuning();
    compute();
  });
  byId("stimulus-choice").replaceChildren(select, ...protocolChoices(), recordingChoice());
  byId("meaning").textContent = meaningNow();
  const controls = view.named || recording() ? [] : OWN[view.kind] ? ownControls() : stimulusControls();
  byId("arguments").replaceChildren(...controls);
  byId("stimulus").tabIndex = view.kind === "drawing" ? 0 : -1;
  byId("stimulus").setAttribute("aria-label", view.kind === "drawing" ? "Stimulus: draw here with the pointer or the arrow keys" : `Stimulus: ${data.stimuli[view.kind]?.title ?? "your own"}`);
}

function meaningNow() {
  const laid = recording();
  if (laid) {
    const moved = laid.shift_px.some(Boolean) ? " Its picture is moved as it was for this neuron." : "";
    return `Shown: ${laid.stimulus}, ${laid.held_out ? "held out of the training" : "part of the training"}.${moved} The response has the gain and offset of ${laid.neuron}.`;
  }
  const meaning = view.named ? "" : data.stimuli[view.kind]?.meaning ?? "";
  return meaning.replace(/\b[a-z]+(_[a-z0-9]+)+\b/g, (name) => titleOf(name).replace(/ \(.*\)/, ""));
}

function protocolChoices() {
  const protocol = choice("Or of a protocol", [["", "none"], ...Object.keys(data.protocols).map((name) => [name, name])], view.protocol, (value) => {
    Object.assign(view, { protocol: value, named: value ? Object.keys(data.protocols[value])[0] : "", recording: -1, frame: null });
    buildStimulus();
    buildTuning();
    compute();
  });
  if (!view.protocol) return [protocol];
  const named = choice("Its stimulus", Object.keys(data.protocols[view.protocol]).map((name) => [name, name]), view.named, (value) => {
    Object.assign(view, { named: value, frame: null });
    compute();
  });
  return [protocol, named];
}

function recordingChoice() {
  const { recordings: all, recordings_in_all: total } = data.models[view.model];
  if (!all.length) return "";
  const grouped = [true, false].map((heldOut) => [
    heldOut ? "held out" : "trained on",
    all.flatMap((each, i) => (each.held_out === heldOut ? [[i, `${each.cell_type} ${each.neuron}: ${each.stimulus}`]] : [])),
  ]);
  const title = `Or a recording laid over${all.length < total ? ` (${all.length} of ${total})` : ""}`;
  return choice(title, [[-1, "none"], ...grouped.filter(([, some]) => some.length)], view.recording, (value) => {
    Object.assign(view, { recording: Number(value), named: "", protocol: "", frame: null });
    buildStimulus();
    buildTuning();
    compute();
  });
}

function stimulusControls() {
  const { controls } = data.stimuli[view.kind];
  const made = (control) => {
    const inTiming = control.group === "Timing";
    const holder = inTiming ? (view.args.timing ??= {}) : view.args;
    const changed = (value) => {
      const wasOpen = !(control.name in holder);
      if (value === null) delete holder[control.name];
      else holder[control.name] = value;
      if (control.instead_of?.length && wasOpen !== (value === null)) exchange(control, value);
      compute();
    };
    if (control.type === "choice") return choice(titleOf(control.name), control.choices.map((each) => [each, each]), holder[control.name], changed);
    if (control.type === "list") return numbers(control.name, holder[control.name] ?? control.start, changed);
    return slider(control, holder[control.name] ?? (control.optional ? null : control.start), changed);
  };
  const timing = element("details", {}, element("summary", {}, "Timing"), ...controls.filter((each) => each.group === "Timing").map(made));
  return [...controls.filter((each) => each.group !== "Timing").map(made), timing];
}

/** Of arguments that exclude each other exactly one is given. */
function exchange({ name, instead_of: others }, value) {
  for (const other of others) delete view.args[other];
  if (value === null) {
    const { start } = data.stimuli[view.kind].controls.find((each) => each.name === others[0]);
    view.args[others[0]] = start;
  }
  buildStimulus();
  buildTuning();
  byId("arguments").querySelector(`[data-name="${name}"] input[type="checkbox"]`)?.focus();
}

function ownControls() {
  if (view.kind === "file") {
    const field = element("input", { type: "file", accept: "image/*,video/*", id: "file", onchange: () => field.files[0] && take(field.files[0]) });
    return [element("div", { class: "choice" }, element("label", { for: "file" }, "File (or drop it anywhere); it stays on this machine"), field)];
  }
  if (view.kind === "webcam") return [element("p", { class: "quiet" }, "The picture is made grey, fitted into the field and shown to the network here; it is neither kept nor sent.")];
  const change = (name) => (value) => (view.args[name] = value);
  return [
    slider({ name: "size_deg", low: 1, high: 60, step: 1 }, view.args.size_deg, change("size_deg")),
    slider({ name: "luminance", low: 0, high: 1, step: 0.05 }, view.args.luminance, change("luminance")),
  ];
}

async function take(file) {
  say(`Reading ${file.name} …`);
  try {
    state.own = await framesOfFile(file, screen());
  } catch {
    return say(`${file.name} is no picture or movie that this browser can read. Try PNG, JPEG, GIF, WebM or MP4.`, true);
  }
  Object.assign(view, { kind: "file", named: "", protocol: "", recording: -1, frame: null });
  buildStimulus();
  buildTuning();
  compute();
}

function buildTraces() {
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

function buildEdits() {
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

function buildTuning() {
  const names = tunable().map(({ name }) => [name, titleOf(name)]);
  const usual = TUNED_FIRST.find((each) => names.some(([name]) => name === each));
  if (!names.some(([name]) => name === view.tuned)) view.tuned = usual ?? names[0]?.[0] ?? "";
  byId("tuning-choice").replaceChildren(
    choice("Against", names, view.tuned, (value) => {
      view.tuned = value;
      compute();
    }),
  );
  byId("tuning").hidden = !names.length;
}

// ---------------------------------------------------------------- link, keys, start

function remember() {
  const kept = { ...view };
  history.replaceState(null, "", linkTo(kept));
}

function restored() {
  const found = viewIn(location.hash);
  view.args = startingArgs(view.kind);
  if (!found) {
    view.args.edge_speed_deg_s = 50;
    return;
  }
  for (const [name, value] of Object.entries(found)) {
    if (name in view && (typeof value === typeof view[name] || view[name] === null)) view[name] = value;
  }
  const edits = view.edits ?? {};
  view.edits = { tau: { ...edits.tau }, gain: { ...edits.gain }, silent: { ...edits.silent } };
  if (!models[view.model]) view.model = 0;
  if (!models[view.second] || view.second === view.model) view.second = -1;
  if (!data.stimuli[view.kind] && !OWN[view.kind]) view.kind = "looming_disc";
  if (!data.protocols[view.protocol]?.[view.named]) Object.assign(view, { protocol: "", named: "" });
  if (!(view.maps in mapsOf(model().first))) view.maps = "eye";
  if (typeof view.args !== "object" || view.args === null) view.args = startingArgs(view.kind);
}

function play(going) {
  clearInterval(playing);
  playing = null;
  byId("play").textContent = going ? "Pause" : "Play";
  if (!going) return;
  playing = setInterval(() => {
    if (!state.answer || live) return;
    seek((view.frame + 1) % state.answer.nFrames);
  }, Math.max(16, 1000 / told().rate_hz));
}

function seek(frame) {
  view.frame = frame;
  byId("time").value = frame;
  paintPictures();
  paintTraces();
}

function listen() {
  byId("time").addEventListener("input", () => {
    play(false);
    seek(Number(byId("time").value));
    remember();
  });
  byId("play").addEventListener("click", () => play(!playing));
  byId("reset").addEventListener("click", () => {
    view.edits = { tau: {}, gain: {}, silent: {} };
    buildEdits();
    compute();
  });
  byId("link").addEventListener("click", async () => {
    remember();
    const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
    say(copied ? "The link is in the clipboard." : "The address of this page is the link: copy it from the browser.");
  });
  const canvas = byId("stimulus");
  const follow = (event) => live?.source.follow(event, canvas.getBoundingClientRect());
  canvas.addEventListener("pointermove", follow);
  canvas.addEventListener("pointerdown", follow);
  canvas.addEventListener("pointerleave", () => live?.source.hide());
  canvas.addEventListener("keydown", (event) => live?.source.step(event.key) && event.preventDefault());
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });
  addEventListener("keydown", (event) => {
    if (event.key === " " && event.target === document.body) {
      event.preventDefault();
      play(!playing);
    }
  });
  let resized = null;
  addEventListener("resize", () => {
    clearTimeout(resized);
    resized = setTimeout(() => state.answer && (paint(), paintCurve()), 100);
  });
  addEventListener("hashchange", () => {
    restored();
    buildAll();
    compute();
  });
}

restored();
buildAll();
listen();
globalThis.explorer = { models, stimulus, view, state: () => state, compute };
compute();
