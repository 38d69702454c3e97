// Controls of what is shown: kinds with their arguments, protocols, recordings, the user's own; and of the tuning to it.

import { compute } from "./answering.js";
import { choice, element, numbers, slider, titleOf } from "./controls.js";
import { framesOfFile } from "./own_pictures.js";
import { OWN, byId, data, recording, say, screen, session, startingArgs, tunable, view } from "./session.js";

const TUNED_FIRST = ["edge_speed_deg_s", "r_over_v_s", "size_deg", "height_deg", "direction_deg", "period_deg", "frequency_hz", "speed_deg_s"];

/** Build the choice of the stimulus and the controls of its arguments. */
export function buildStimulus() {
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

/** Take a file of the user as the stimulus. */
export async function take(file) {
  say(`Reading ${file.name} …`);
  try {
    session.state.own = await framesOfFile(file, screen());
  } catch {
    return say(`${file.name} is no picture or movie that this browser can read. Try PNG, JPEG, GIF, WebM or MP4.`, true);
  }
  Object.assign(view, { kind: "file", named: "", protocol: "", recording: -1, frame: null });
  buildStimulus();
  buildTuning();
  compute();
}

/** Build the choice of the argument to which the tuning is shown. */
export function buildTuning() {
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
