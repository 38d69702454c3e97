// From what was chosen to an answer: the stimulus, the network as it was trained and as it was changed, the tuning curve.

import { answered, shifted } from "./clips.js";
import { closeCamera, startLive, stopLive } from "./live_session.js";
import { framesOf } from "./movies.js";
import { filmed } from "./own_pictures.js";
import { paint, paintCurve, paintTraces } from "./results.js";
import { AFTER_S, byId, data, editsNow, isEdited, isLive, model, models, parameters, recording, remember, say, screen, session, told, tunable, view } from "./session.js";
import { stimulus } from "./stimuli.js";
import { StimulusFault } from "./stimulus_faults.js";
import { spaced, tuningCurve } from "./tuning.js";

const TUNED = 9;
let job = 0;

/** The stimulus now, with grey behind it; throws a sentence. */
async function shownNow() {
  if (recording()) return shifted(await shownWith(recording()), recording().shift_px, told().movie_px, told().background);
  if (view.kind === "file" && !view.named) {
    if (!session.state.own) throw new StimulusFault("Choose a file, or drop one anywhere on the page.");
    return filmed(session.state.own, screen(), AFTER_S);
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

/** Compute all that the page shows; what is under way for an earlier choice ends. */
export async function compute() {
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
    session.state = { ...session.state, answer, frames };
    paintTraces();
  };
  const answer = await answered(model(), editsNow(), shown, { keepMaps: true, frames, cancelled, progress });
  if (!answer) return;
  const ms = performance.now() - started;
  const unedited = isEdited() ? await answered(model(), {}, shown, { cancelled }) : null;
  if (cancelled()) return;
  const second = view.second >= 0 ? await answered(models[view.second], {}, shown, { cancelled }) : null;
  if (cancelled()) return;
  session.state = { ...session.state, answer, frames, before: unedited, other: second };
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
  session.state.curve = [];
  if (!control) return paintCurve();
  const count = control.step === 1 && control.high - control.low < TUNED ? control.high - control.low + 1 : TUNED;
  const values = spaced(control.low, control.high, count);
  for await (const point of tuningCurve(model(), editsNow(), screen(), parameters(), control.name, values, cancelled)) {
    session.state.curve.push(point);
    paintCurve();
  }
  if (!cancelled()) paintCurve();
}
