// The network answers live, frame by frame, what the pointer draws or a camera sees.

import { Answer } from "./clips.js";
import { Camera, Dot } from "./live.js";
import { paint, paintCurve } from "./results.js";
import { editsNow, model, say, screen, session, told, view } from "./session.js";

const LIVE_S = 5;
const LIVE_STEP_MS = 12;
let camera = null;

/** Begin; throws a sentence where there is no camera. */
export async function startLive(cancelled) {
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
  session.live = { answer: new Answer(model(), n, 0, false), frame: new Float32Array(size), source, count: 0, clock: performance.now() };
  session.live.answer.done = n;
  for (const kind of ["voltage", "calcium"]) session.live.answer[kind].forEach((trace, i) => trace.fill(model()[kind][i]));
  session.state = { answer: session.live.answer, before: null, other: null, frames: [session.live.frame], own: session.state.own, curve: [] };
  session.live.timer = setTimeout(advanceLive, LIVE_STEP_MS);
  say(view.kind === "webcam" ? "The network sees what the camera sees; nothing leaves this page." : "Move the pointer over the stimulus, or use the arrow keys there: the network answers as you draw.");
  paintCurve();
}

/** End it; a camera stays open. */
export function stopLive() {
  if (session.live) clearTimeout(session.live.timer);
  session.live = null;
}

/** Let the camera go. */
export function closeCamera() {
  camera?.close();
  camera = null;
}

function advanceLive() {
  if (!session.live) return;
  const now = performance.now();
  const due = Math.min(8, Math.floor(((now - session.live.clock) / 1000) * told().rate_hz));
  if (due) session.live.source.write(session.live.frame);
  for (let k = 0; k < due; k++) {
    model().step(session.live.frame);
    for (const kind of ["voltage", "calcium"]) session.live.answer[kind].forEach((trace, i) => {
      trace.copyWithin(0, 1);
      trace[trace.length - 1] = model()[kind][i];
    });
  }
  if (due) {
    session.live.clock = due === 8 ? now : session.live.clock + (1000 * due) / told().rate_hz;
    session.live.count += due;
    paint();
  }
  session.live.timer = setTimeout(advanceLive, LIVE_STEP_MS);
}
