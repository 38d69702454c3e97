// Pictures and movies of the user's own, as stimuli: read here, sent nowhere.

const LONGEST_S = 6;

/** Grey values 0..1 (Y X) of anything a canvas can draw, fitted into the picture, on the background around it. */
export function greyDrawn(canvas, source, [width, height], [rows, columns], background) {
  if (canvas.width !== columns || canvas.height !== rows) Object.assign(canvas, { width: columns, height: rows });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const level = Math.round(background * 255);
  context.fillStyle = `rgb(${level} ${level} ${level})`;
  context.fillRect(0, 0, columns, rows);
  const scale = Math.min(columns / width, rows / height);
  const [w, h] = [width * scale, height * scale];
  context.drawImage(source, (columns - w) / 2, (rows - h) / 2, w, h);
  const { data } = context.getImageData(0, 0, columns, rows);
  return Float32Array.from({ length: rows * columns }, (_, i) => (0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]) / 255);
}

const once = (target, good, bad = "error") =>
  new Promise((done, fail) => {
    target.addEventListener(good, done, { once: true });
    target.addEventListener(bad, () => fail(new Error("unreadable")), { once: true });
  });

/** Frames of a dropped file; a picture stands for a second. Throws where the browser cannot read it. */
export async function framesOfFile(file, screen) {
  const address = URL.createObjectURL(file);
  try {
    return file.type.startsWith("video/") ? await framesOfVideo(address, screen) : await framesOfPicture(address, screen);
  } finally {
    URL.revokeObjectURL(address);
  }
}

async function framesOfPicture(address, screen) {
  const picture = new Image();
  const loaded = once(picture, "load");
  picture.src = address;
  await loaded;
  const size = [picture.naturalWidth, picture.naturalHeight];
  const frame = greyDrawn(document.createElement("canvas"), picture, size, screen.shapePx, screen.background);
  return new Array(Math.round(screen.rateHz)).fill(frame);
}

/** Waits until a video shows a new picture: "seeked" may come while it still shows the one before. */
const presented = (video) =>
  new Promise((done) => {
    const timer = setTimeout(done, 1000); // of browsers that do not tell, or not of a picture that stays
    video.requestVideoFrameCallback?.(() => {
      clearTimeout(timer);
      done();
    });
  });

async function framesOfVideo(address, screen) {
  const video = document.createElement("video");
  video.muted = true;
  const loaded = once(video, "loadeddata");
  video.src = address;
  await loaded;
  const frames = [], canvas = document.createElement("canvas");
  for (let i = 0; i < Math.min(video.duration, LONGEST_S) * screen.rateHz; i++) {
    const sought = once(video, "seeked"), shown = presented(video);
    video.currentTime = Math.min(video.duration, (i + 0.5) / screen.rateHz);
    await sought;
    await shown;
    frames.push(greyDrawn(canvas, video, [video.videoWidth, video.videoHeight], screen.shapePx, screen.background));
  }
  return frames;
}

/** Frames as a stimulus, grey behind them. */
export function filmed(frames, screen, afterS, onsetS = 0) {
  return {
    nFrames: frames.length + Math.round(screen.rateHz * afterS),
    onsetS,
    frame: (i, out) => (i < frames.length ? out.set(frames[i]) : out.fill(screen.background)),
  };
}
