// What the film of the page needs in it: choosing and sliding by name, a caption, a pointer that is seen.
window.pause = (ms) => new Promise((done) => setTimeout(done, ms));
window.until = async (isTrue) => {
  for (let i = 0; i < 3000 && !isTrue(); i++) await pause(20);
};
const said = document.getElementById("said");

/** Do something and wait until the page has computed what comes of it. */
window.finished = async (act = null) => {
  if (act) {
    said.textContent = "";
    act();
  }
  await until(() => said.textContent.includes("frames in"));
};
window.curveOf = (points) => until(() => document.getElementById("tuning").hidden || explorer.state().curve.length >= points);
window.pick = (label, value) => {
  const list = [...document.querySelectorAll("select")].find((each) => each.labels[0]?.textContent.startsWith(label));
  list.value = value;
  list.dispatchEvent(new Event("change"));
};
window.slide = (name, value) => {
  const number = document.querySelector(`[data-name="${name}"] input[type="number"]`);
  number.value = value;
  number.dispatchEvent(new Event("change"));
};
window.seek = (share) => {
  const bar = document.getElementById("time");
  bar.value = Math.round(share * bar.max);
  bar.dispatchEvent(new Event("input"));
};
window.silence = (channel, layer) => {
  document.querySelector(`[aria-label="silence channel ${channel} of hidden layer ${layer}"]`).click();
};
window.scrolled = (id) => {
  scrollTo(0, document.getElementById(id).getBoundingClientRect().top + scrollY - 20);
};
/** The held-out recording with the highest ceiling. */
window.bestRecorded = () => {
  const all = JSON.parse(document.getElementById("data").textContent).models[0].recordings;
  const held = all.map((each, i) => [each.held_out ? each.ceiling ?? 0 : 0, i]);
  return String(held.reduce((best, each) => (each[0] > best[0] ? each : best))[1]);
};
window.canvasBox = () => {
  const { x, y, width, height } = document.getElementById("stimulus").getBoundingClientRect();
  return [x, y, width, height];
};

const made = (style) => Object.assign(document.createElement("div"), { style });
const bar = made(
  "position:fixed; left:0; right:0; bottom:0; padding:.6rem 1.2rem; z-index:9; background:#10263a; color:#fff;" +
    "font:600 1.15rem system-ui,sans-serif",
);
window.caption = (text) => {
  bar.textContent = text;
  document.body.append(bar);
};
const ring = made(
  "position:fixed; width:22px; height:22px; margin:-11px; z-index:8; border-radius:50%; border:3px solid #d55e00;" +
    "pointer-events:none",
);
window.pointer = (x, y) => {
  Object.assign(ring.style, { left: `${x}px`, top: `${y}px` });
  document.body.append(ring);
};
window.noPointer = () => ring.remove();
