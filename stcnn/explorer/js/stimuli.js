// The stimuli of stcnn/stimuli, drawn frame by frame; a test holds every pixel against the Python ones.

import { direction, disc, edgesOf, modulo, rectangle, rounded } from "./coverage.js";
import { central, edge, looming, moving, receding, ring } from "./moving_shapes.js";
import { movingDots, sparseNoise, whiteNoise } from "./noise.js";
import { naturalMotion } from "./scenes.js";
import { fault, requireWhite } from "./stimulus_faults.js";

const INSTANT_S = 1e-9;
const TIMING = { before_s: 0, hold_first_s: 0, hold_last_s: 0, after_s: 0 };

/**
 * A stimulus on a screen {shapePx, degPerPx, rateHz, background}: `nFrames`, `onsetS`, and `frame(i, out)`, which writes
 * luminance (Y X).
 */
export function stimulus(screen, { kind, ...args }) {
  const make = KINDS[kind] ?? fault(`there is no stimulus ${kind}`);
  const layer = make.whole ? make(screen, args) : animate(screen, args, make(screen, args));
  const size = screen.shapePx[0] * screen.shapePx[1];
  const cover = new Float32Array(size), light = new Float32Array(size);
  const ground = Math.fround(screen.background);
  return {
    nFrames: layer.nFrames,
    onsetS: layer.onsetS,
    frame(i, out) {
      layer.draw(i, cover, light);
      for (let k = 0; k < size; k++) out[k] = Math.min(1, Math.max(0, Math.fround(cover[k] * Math.fround(light[k] - ground)) + ground));
      return out;
    },
  };
}

/** Phases of a presentation around a course: stcnn.stimuli.scene.animate. */
function animate(screen, args, { courseS, draw }) {
  const timing = { ...TIMING, ...args.timing };
  const totalS = timing.before_s + timing.hold_first_s + courseS + timing.hold_last_s + timing.after_s;
  const nFrames = Math.max(1, Math.ceil((totalS - INSTANT_S) * screen.rateHz));
  if (!(nFrames <= 20000)) fault(`the stimulus has ${nFrames} frames: shorten it, or correct its speed`);
  const stopS = timing.hold_first_s + courseS;
  let drawn = null; // what cover and light hold
  return {
    nFrames,
    onsetS: timing.before_s,
    draw(i, cover, light) {
      const timeS = i / screen.rateHz - timing.before_s;
      if (!(timeS >= -INSTANT_S && timeS < stopS + timing.hold_last_s - INSTANT_S)) {
        cover.fill(0);
        drawn = null;
        return;
      }
      const at = Math.min(Math.max(rounded(timeS - timing.hold_first_s, 12), 0), courseS);
      if (at !== drawn) draw(at, cover, light);
      drawn = at;
    },
  };
}

/** The whole field, the diameter of a disc, or width and height of a rectangle. */
function patch(screen, args, cover) {
  const { patch_deg = null, azimuth_deg = 0, elevation_deg = 0, direction_deg = 0 } = args;
  if (patch_deg === null) return cover.fill(1);
  if (Array.isArray(patch_deg)) return rectangle(screen, [azimuth_deg, elevation_deg], patch_deg, direction_deg, cover);
  return disc(screen, azimuth_deg, elevation_deg, patch_deg, cover);
}

function still(screen, args, courseS, levelAt) {
  let covered = false;
  const kept = new Float32Array(screen.shapePx[0] * screen.shapePx[1]);
  return {
    courseS,
    draw(timeS, cover, light) {
      if (!covered) patch(screen, args, kept);
      covered = true;
      cover.set(kept);
      light.fill(levelAt(timeS));
    },
  };
}

const stepAt = (timeS, stepS, count) => Math.min(Math.floor(rounded(timeS / stepS, 9)), count - 1);
function wave(cycles, waveform) {
  if (waveform === "sine") return Math.sin(2 * Math.PI * cycles);
  return modulo(rounded(cycles, 9), 1) < 0.5 ? 1 : -1;
}

function drifting(screen, args) {
  const { period_deg, speed_deg_s = null, frequency_hz = null, direction_deg = 0, duration_s = 1, contrast = 1 } = args;
  const { waveform = "square", phase_cycles = 0, aperture_deg = null, azimuth_deg = 0, elevation_deg = 0 } = args;
  if ((speed_deg_s === null) === (frequency_hz === null)) fault("give exactly one of speed_deg_s and frequency_hz");
  const mean = args.mean_luminance ?? screen.background;
  requireWhite(contrast, mean);
  const driftHz = frequency_hz ?? speed_deg_s / period_deg;
  const [cosine, sine] = direction(direction_deg);
  const sides = [cosine, sine].map((each) => Math.abs((each * screen.degPerPx) / period_deg));
  const average = pixelWave(waveform, sides);
  const { x: xs, y: ys } = edgesOf(screen);
  const [rows, columns] = screen.shapePx;
  const place = new Float64Array(rows * columns);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++, i++) {
      const across = (xs[c] + xs[c + 1]) / 2 - azimuth_deg, along = (ys[r] + ys[r + 1]) / 2 - elevation_deg;
      place[i] = (across * cosine + along * sine) / period_deg + phase_cycles;
    }
  }
  const covered = patch(screen, { patch_deg: aperture_deg, azimuth_deg, elevation_deg }, new Float32Array(place.length));
  return {
    courseS: duration_s,
    draw(timeS, cover, light) {
      cover.set(covered);
      const passed = driftHz * timeS;
      for (let i = 0; i < place.length; i++) light[i] = mean * (1 + contrast * average(place[i] - passed));
    },
  };
}

/** The average of a plane wave over square pixels: stcnn.stimuli.waves.pixel_wave. */
function pixelWave(waveform, sides) {
  if (waveform === "sine") {
    const damping = sides.reduce((product, side) => product * (side === 0 ? 1 : Math.sin(Math.PI * side) / (Math.PI * side)), 1);
    return (cycles) => Math.sin(2 * Math.PI * cycles) * damping;
  }
  const fromMiddle = (cycles) => cycles - Math.floor(cycles) - 0.5;
  const triangle = (cycles) => 0.25 - Math.abs(fromMiddle(cycles));
  const parabola = (cycles) => {
    const middle = fromMiddle(cycles);
    return middle * (0.25 - Math.abs(middle) / 2);
  };
  const long = Math.max(...sides), short = Math.min(...sides);
  if (short < 1e-4) return (cycles) => (triangle(cycles + long / 2) - triangle(cycles - long / 2)) / long;
  const far = (long + short) / 2, near = (long - short) / 2;
  return (cycles) => (parabola(cycles + far) - parabola(cycles + near) - parabola(cycles - near) + parabola(cycles - far)) / (long * short);
}

/** Stimuli one after another, or one in front of another. */
function layersOf(screen, parts) {
  return parts.map(({ kind, ...args }) => {
    const make = KINDS[kind] ?? fault(`there is no stimulus ${kind}`);
    return make.whole ? make(screen, args) : animate(screen, args, make(screen, args));
  });
}

function sequence(screen, { parts }) {
  const layers = layersOf(screen, parts);
  return {
    nFrames: layers.reduce((sum, each) => sum + each.nFrames, 0),
    onsetS: layers[0].onsetS,
    draw(i, cover, light) {
      for (const layer of layers) {
        if (i < layer.nFrames) return layer.draw(i, cover, light);
        i -= layer.nFrames;
      }
    },
  };
}

function overlay(screen, { parts }) {
  const layers = layersOf(screen, parts);
  const size = screen.shapePx[0] * screen.shapePx[1];
  const each = layers.map(() => [new Float32Array(size), new Float32Array(size)]);
  return {
    nFrames: Math.max(...layers.map((layer) => layer.nFrames)),
    onsetS: layers[0].onsetS,
    draw(i, cover, light) {
      cover.fill(0);
      light.fill(0);
      layers.forEach((layer, n) => {
        if (i >= layer.nFrames) return;
        const [part, level] = each[n];
        layer.draw(i, part, level);
        for (let k = 0; k < size; k++) {
          light[k] += part[k] * (level[k] - light[k]);
          cover[k] += part[k] * (1 - cover[k]);
        }
      });
      for (let k = 0; k < size; k++) light[k] = cover[k] > 0 ? light[k] / cover[k] : 0;
    },
  };
}
sequence.whole = true;
overlay.whole = true;

const KINDS = {
  contrast_steps(screen, args) {
    const { contrasts, step_s, frequency_hz, waveform = "square" } = args;
    requireWhite(Math.max(...contrasts), screen.background);
    return still(screen, args, step_s * contrasts.length, (timeS) => screen.background * (1 + contrasts[stepAt(timeS, step_s, contrasts.length)] * wave(timeS * frequency_hz, waveform)));
  },
  dimming_disc: looming(({ screen, size, centre, cover, light, end_deg, luminance }) => {
    disc(screen, ...centre, end_deg, cover);
    light.fill(screen.background + (luminance - screen.background) * (size / end_deg) ** 2);
  }),
  drifting_grating: drifting,
  flash: (screen, args) => still(screen, args, args.duration_s, () => args.luminance),
  flicker(screen, args) {
    const { frequency_hz, duration_s, contrast = 1, waveform = "square", phase_cycles = 0.5 } = args;
    const mean = args.mean_luminance ?? screen.background;
    requireWhite(contrast, mean);
    return still(screen, args, duration_s, (timeS) => mean * (1 + contrast * wave(timeS * frequency_hz + phase_cycles, waveform)));
  },
  looming_disc: looming(({ screen, size, centre, cover }) => disc(screen, ...centre, size, cover)),
  looming_ring: looming(ring),
  luminance_steps(screen, args) {
    const { luminances, step_s } = args;
    return still(screen, args, step_s * luminances.length, (timeS) => luminances[stepAt(timeS, step_s, luminances.length)]);
  },
  moving_bar: (screen, args) =>
    moving(({ width_deg }) => width_deg, (on, { width_deg, direction_deg = 0 }, way, centre, cover) => rectangle(on, centre, [width_deg, way.beyondDeg], direction_deg, cover))(screen, central(args)),
  moving_dots: movingDots,
  moving_edge: (screen, args) => moving(() => 0, edge)(screen, central(args)),
  moving_rectangle: moving(({ width_deg }) => width_deg, (screen, { width_deg, height_deg, direction_deg = 0 }, way, centre, cover) => rectangle(screen, centre, [width_deg, height_deg], direction_deg, cover)),
  moving_spot: moving(({ size_deg }) => size_deg, (screen, { size_deg }, way, [x, y], cover) => disc(screen, x, y, size_deg, cover)),
  natural_motion: naturalMotion,
  overlay,
  receding_disc: receding,
  sequence,
  sparse_noise: sparseNoise,
  white_noise: whiteNoise,
};

/** Names of the stimuli that the page draws. */
export const kinds = () => Object.keys(KINDS);
