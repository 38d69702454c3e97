// A clip through a model, in slices of time so that the page stays quick.

const SLICE_MS = 14;

const breath = () =>
  new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(null);
  });

/** Maps by name: what the eye sees, then every layer, as {shape, channels, values}. */
export function mapsOf(network) {
  const found = { eye: { shape: network.told.eye.shape, channels: 1, values: network.eye.maps, columns: network.told.eye } };
  network.layers.forEach((layer, i) => {
    found[`layer${i + 1}`] = { shape: layer.told.shape, channels: layer.outputs, values: layer.maps, columns: layer.told };
  });
  return found;
}

/** An answer: traces of every cell type, and maps of every frame. */
export class Answer {
  constructor(model, nFrames, onsetS, keepMaps) {
    this.types = model.told.cell_types;
    this.rateHz = model.rateHz;
    this.nFrames = nFrames;
    this.done = 0;
    this.timeS = Float64Array.from({ length: nFrames }, (_, i) => i / model.rateHz - onsetS);
    const traces = () => this.types.map(() => new Float64Array(nFrames));
    this.voltage = traces();
    this.calcium = traces();
    this.maps = keepMaps ? {} : null;
    this.largest = {};
  }

  /** Take what a model says after frame i. */
  take(model, i) {
    this.types.forEach((_, n) => {
      this.voltage[n][i] = model.voltage[n];
      this.calcium[n][i] = model.calcium[n];
    });
    if (this.maps) {
      for (const [name, { shape, channels, values, columns }] of Object.entries(mapsOf(model.first ?? model))) {
        this.maps[name] ??= { shape, channels, columns, frames: [] };
        this.maps[name].frames[i] = Float32Array.from(values);
        let largest = this.largest[name] ?? 0;
        for (const value of values) if (Math.abs(value) > largest) largest = Math.abs(value);
        this.largest[name] = largest;
      }
    }
    this.done = i + 1;
  }
}

/**
 * Show a stimulus to a model, which belongs to one clip at a time: who starts another cancels this one first.
 * @param options {keepMaps, frames: array that collects the frames, cancelled: () => bool, progress: () => void}
 * @returns the answer, or null where it was cancelled
 */
export async function answered(model, edits, shown, { keepMaps = false, frames = null, cancelled = () => false, progress = () => {} } = {}) {
  const size = model.told.movie_px[0] * model.told.movie_px[1];
  const answer = new Answer(model, shown.nFrames, shown.onsetS, keepMaps);
  model.edit(edits);
  model.start();
  let since = performance.now();
  const frame = new Float32Array(size);
  for (let i = 0; i < shown.nFrames; i++) {
    shown.frame(i, frame);
    if (frames) frames[i] = frame.slice();
    model.step(frame);
    answer.take(model, i);
    if (performance.now() - since > SLICE_MS) {
      progress(answer);
      await breath();
      if (cancelled()) return null;
      since = performance.now();
    }
  }
  return answer;
}

/** A stimulus whose picture is moved as it was for a neuron: right of positive azimuth it moves left, and down. */
export function shifted(shown, [azimuthPx, elevationPx], [rows, columns], background) {
  if (!azimuthPx && !elevationPx) return shown;
  const whole = new Float32Array(rows * columns);
  return {
    ...shown,
    frame(i, out) {
      shown.frame(i, whole);
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          const fromY = y - elevationPx, fromX = x + azimuthPx;
          const inside = fromY >= 0 && fromY < rows && fromX >= 0 && fromX < columns;
          out[y * columns + x] = inside ? whole[fromY * columns + fromX] : background;
        }
      }
      return out;
    },
  };
}
