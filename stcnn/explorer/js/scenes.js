// A scene with the spectrum and the motion of natural ones: natural_motion of stcnn/stimuli/noise.py.

import { Generator } from "./numpy_random.js";

const MOTION_STEP_S = 1e-3;
const TURN = 2 * Math.PI;
const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Cosines and sines of `turns`. */
const circle = (turns) => ({ re: turns.map((each) => Math.cos(TURN * each)), im: turns.map((each) => Math.sin(TURN * each)) });

/** A course {courseS, draw} of a stimulus. */
export function naturalMotion(screen, args) {
  const { duration_s, velocity_deg_s = 60, velocity_tau_s = 0.2, contrast = 0.3, finest_deg = 2, seed = 0 } = args;
  const random = new Generator(seed);
  const scene = new Scene(screen, finest_deg, random);
  const way = walked(Math.floor(duration_s / MOTION_STEP_S) + 2, velocity_deg_s, velocity_tau_s, random);
  return {
    courseS: duration_s,
    draw(timeS, cover, light) {
      cover.fill(1);
      const [azimuth, elevation] = way.map((axis) => between(axis, timeS / MOTION_STEP_S));
      scene.at(azimuth, elevation, light);
      for (let i = 0; i < light.length; i++) light[i] = Math.min(1, Math.max(0, screen.background * (1 + contrast * light[i])));
    },
  };
}

const between = (values, place) => {
  const low = Math.min(Math.floor(place), values.length - 2);
  return values[low] + (place - low) * (values[low + 1] - values[low]);
};

/** Azimuth and elevation at every step: velocities are two Ornstein-Uhlenbeck processes. */
function walked(nSteps, velocity, tauS, random) {
  const decay = Math.exp(-MOTION_STEP_S / tauS), fresh = Math.sqrt(1 - decay ** 2);
  const drawn = random.normal(2 * nSteps);
  return [0, 1].map((axis) => {
    const way = new Float64Array(nSteps);
    let before = drawn[axis];
    for (let i = 1; i < nSteps; i++) {
      const now = drawn[2 * i + axis] * fresh + decay * before;
      way[i] = way[i - 1] + ((velocity * now + velocity * before) / 2) * MOTION_STEP_S;
      before = now;
    }
    return way;
  });
}

/** A random periodic picture of mean 0 and variance 1 with power 1/f^2, averaged over the pixels. */
class Scene {
  constructor(screen, finest, random) {
    const [rows, columns] = screen.shapePx;
    const period = 2 * Math.max(rows, columns) * screen.degPerPx;
    const highest = Math.max(1, Math.floor(period / finest));
    this.yWaves = Float64Array.from({ length: 2 * highest + 1 }, (_, i) => (i - highest) / period);
    this.xWaves = Float64Array.from({ length: highest + 1 }, (_, i) => i / period);
    this.drawWaves(1 / finest, screen.degPerPx, random);
    const yDeg = Float64Array.from({ length: rows }, (_, i) => (rows / 2 - i - 0.5) * screen.degPerPx);
    const xDeg = Float64Array.from({ length: columns }, (_, i) => (i + 0.5 - columns / 2) * screen.degPerPx);
    this.rows = Array.from(yDeg, (y) => circle(this.yWaves.map((each) => each * y)));
    this.columns = Array.from(this.xWaves, (each) => circle(xDeg.map((x) => each * x)));
  }

  /** Amplitudes 1/f with random phases, by x then y, in half of the plane: the other half is their conjugate. */
  drawWaves(finest, perPx, random) {
    const [ny, nx] = [this.yWaves.length, this.xWaves.length];
    const phases = random.random(ny * nx);
    let power = 0;
    const shape = { length: nx };
    this.waves = Array.from(shape, () => ({ re: new Float64Array(ny), im: new Float64Array(ny) }));
    this.waves.forEach(({ re, im }, x) => {
      for (let y = 0; y < ny; y++) {
        const fy = this.yWaves[y], fx = this.xWaves[x], frequency = Math.hypot(fy, fx);
        if (!(fx > 0 || fy > 0) || frequency > finest + 1e-12) continue;
        power += frequency ** -2;
        const amplitude = (sinc(fy * perPx) * sinc(fx * perPx)) / frequency, turn = TURN * phases[y * nx + x];
        re[y] = amplitude * Math.cos(turn);
        im[y] = amplitude * Math.sin(turn);
      }
    });
    this.amplitude = Math.sqrt(2 / power);
  }

  /** The picture moved rightward and upward by degrees, into `out` (Y X). */
  at(azimuth, elevation, out) {
    const yMoved = circle(this.yWaves.map((each) => -each * elevation)), xMoved = circle(this.xWaves.map((each) => -each * azimuth));
    const ny = this.yWaves.length, width = this.columns[0].re.length;
    const re = new Float64Array(ny), im = new Float64Array(ny);
    out.fill(0);
    const sums = new Float64Array(out.length);
    this.waves.forEach((wave, x) => {
      let first = ny, stop = 0;
      for (let y = 0; y < ny; y++) {
        if (wave.re[y] === 0 && wave.im[y] === 0) continue;
        first = Math.min(first, y);
        stop = y + 1;
        const turnRe = yMoved.re[y] * xMoved.re[x] - yMoved.im[y] * xMoved.im[x], turnIm = yMoved.re[y] * xMoved.im[x] + yMoved.im[y] * xMoved.re[x];
        re[y] = wave.re[y] * turnRe - wave.im[y] * turnIm;
        im[y] = wave.re[y] * turnIm + wave.im[y] * turnRe;
      }
      const across = this.columns[x];
      this.rows.forEach((row, r) => {
        let sumRe = 0, sumIm = 0;
        for (let y = first; y < stop; y++) {
          sumRe += row.re[y] * re[y] - row.im[y] * im[y];
          sumIm += row.re[y] * im[y] + row.im[y] * re[y];
        }
        for (let c = 0, i = r * width; c < width; c++, i++) sums[i] += sumRe * across.re[c] - sumIm * across.im[c];
      });
    });
    for (let i = 0; i < out.length; i++) out[i] = this.amplitude * sums[i];
  }
}
