// The page: models, clock, keys, and its start.

import { compute } from "./answering.js";
import { choice } from "./controls.js";
import { buildEdits, buildTraces } from "./network_controls.js";
import { paint, paintCurve, paintPictures, paintTraces } from "./results.js";
import { byId, data, models, remember, restored, say, session, told, view } from "./session.js";
import { buildStimulus, buildTuning, take } from "./stimulus_controls.js";
import { stimulus } from "./stimuli.js";

let playing = null;

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

function play(going) {
  clearInterval(playing);
  playing = null;
  byId("play").textContent = going ? "Pause" : "Play";
  if (!going) return;
  playing = setInterval(() => {
    if (!session.state.answer || session.live) return;
    seek((view.frame + 1) % session.state.answer.nFrames);
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
  const follow = (event) => session.live?.source.follow(event, canvas.getBoundingClientRect());
  canvas.addEventListener("pointermove", follow);
  canvas.addEventListener("pointerdown", follow);
  canvas.addEventListener("pointerleave", () => session.live?.source.hide());
  canvas.addEventListener("keydown", (event) => session.live?.source.step(event.key) && event.preventDefault());
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
    resized = setTimeout(() => session.state.answer && (paint(), paintCurve()), 100);
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
globalThis.explorer = { models, stimulus, view, state: () => session.state, compute };
compute();
