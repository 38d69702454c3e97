// What was chosen, what was computed of it, and what both say of the model at hand.

import { mapsOf } from "./clips.js";
import { Ensemble } from "./network.js";
import { unpacked } from "./packed.js";
import { linkTo, viewIn } from "./view_link.js";

const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F"];
export const TITLES = { voltage: "voltage", calcium: "dF/F" };
export const OWN = { drawing: "Draw with the pointer", file: "A picture or movie of yours", webcam: "A camera of this machine" };
/** Grey after a stimulus in s, in which calcium decays. */
export const AFTER_S = 0.7;
/** Whether a stimulus is made while one looks. */
export const isLive = (kind) => kind === "drawing" || kind === "webcam";

export const data = unpacked(JSON.parse(document.getElementById("data").textContent));
export const models = data.models.map(({ members }) => new Ensemble(members));
export const byId = (id) => document.getElementById(id);

/** What was chosen; a link holds it. */
export const view = {
  model: 0, second: -1, kind: "looming_disc", args: {}, protocol: "", named: "", recording: -1,
  maps: "layer1", edits: { tau: {}, gain: {}, silent: {} }, frame: null, tuned: "",
};

/** What was computed (an answer, the frames it answers, answers to compare it with, the user's own frames, the tuning curve), and what is live. */
export const session = { state: { answer: null, before: null, other: null, frames: [], own: null, curve: [] }, live: null };

/** The model that is asked. */
export const model = () => models[view.model];
export const told = () => model().told;
export const screen = () => ({ shapePx: told().movie_px, degPerPx: told().deg_per_px, rateHz: told().rate_hz, background: told().background });
export const isEdited = () => Object.values(view.edits).some((each) => Object.keys(each).length);
export const editsNow = () => (isEdited() ? view.edits : {});
export const recording = () => data.models[view.model].recordings[view.recording] ?? null;
export const colourOf = (n) => COLOURS[n % COLOURS.length];

/** Arguments of the stimulus to which the tuning can be shown. */
export const tunable = () => (view.named || recording() || OWN[view.kind] ? [] : data.stimuli[view.kind].controls.filter((each) => each.type === "slider" && each.name in view.args));

/** Parameters of the stimulus, by name or by its controls. */
export function parameters() {
  if (view.named) return data.protocols[view.protocol][view.named];
  return { kind: view.kind, ...view.args };
}

/** Arguments with which a kind of stimulus begins. */
export function startingArgs(kind) {
  const args = { timing: {} };
  for (const control of data.stimuli[kind].controls) {
    if (control.absent) continue;
    if (control.group === "Timing") args.timing[control.name] = control.name === "after_s" ? AFTER_S : control.start;
    else args[control.name] = control.start;
  }
  return args;
}

/** Announce a sentence. */
export function say(sentence, wrong = false) {
  byId("said").textContent = sentence;
  byId("said").classList.toggle("wrong", wrong);
}

/** Put the view into the address. */
export function remember() {
  const kept = { ...view };
  history.replaceState(null, "", linkTo(kept));
}

/** Take the view from the address, as far as it holds one. */
export function restored() {
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
