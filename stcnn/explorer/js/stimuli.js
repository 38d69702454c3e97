// The stimuli of stcnn/stimuli, drawn frame by frame; a test holds every pixel against the Python ones.

import { checks, direction, disc, dots, edgesOf, rectangle, rounded } from "./coverage.js";
import { Generator } from "./numpy_random.js";
import { naturalMotion } from "./scenes.js";

const INSTANT_S = 1e-9;
const TIMING = { before_s: 0, hold_first_s: 0, hold_last_s: 0, after_s: 0 };

/** A fault of the parameters, as a sentence. */
export class StimulusFault extends Error {}

const fault = (sentence) => {
  throw new StimulusFault(sentence);
};

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

/** A straight line through a point, by default long enough for an object to enter and leave the field. */
function path(screen, { direction_deg = 0, azimuth_deg = 0, elevation_deg = 0, start_deg, stop_deg }, widthDeg) {
  const [cosine, sine] = direction(direction_deg);
  const [height, width] = screen.shapePx.map((n) => n * screen.degPerPx);
  const angle = (direction_deg * Math.PI) / 180;
  const extent = width * Math.abs(Math.cos(angle)) + height * Math.abs(Math.sin(angle));
  const middle = -(azimuth_deg * cosine + elevation_deg * sine);
  const reach = (extent + widthDeg) / 2;
  const start = start_deg ?? middle - reach, stop = stop_deg ?? middle + reach;
  if (!(stop > start)) fault("stop_deg must lie beyond start_deg");
  return {
    lengthDeg: stop - start,
    beyondDeg: 2 * (Math.hypot(width, height) + Math.abs(start) + Math.abs(stop)),
    direction: [cosine, sine],
    at: (travelled) => [azimuth_deg + (start + travelled) * cosine, elevation_deg + (start + travelled) * sine],
  };
}

function moving(widthOf, shape) {
  return (screen, args) => {
    const { speed_deg_s = 100, luminance = 0 } = args;
    const way = path(screen, args, widthOf(args));
    return {
      courseS: way.lengthDeg / speed_deg_s,
      draw(timeS, cover, light) {
        shape(screen, args, way, way.at(timeS * speed_deg_s), cover);
        light.fill(luminance);
      },
    };
  };
}

const central = (args) => ({ ...args, azimuth_deg: 0, elevation_deg: 0 });

function edge(screen, args, way, [x, y], cover) {
  const { beyondDeg, direction: [cosine, sine] } = way;
  rectangle(screen, [x - (cosine * beyondDeg) / 2, y - (sine * beyondDeg) / 2], [beyondDeg, beyondDeg], args.direction_deg ?? 0, cover);
}

/** Diameter over time under one of two laws of growth. */
function growth(small, large, { edge_speed_deg_s, r_over_v_s }) {
  const given = [edge_speed_deg_s, r_over_v_s].map((each) => each !== undefined && each !== null);
  if (given[0] === given[1]) fault("give exactly one of edge_speed_deg_s and r_over_v_s");
  if (!(small <= large && large < 360)) fault("the smaller diameter must not exceed the larger one");
  if (given[0]) {
    return {
      courseS: (large - small) / (2 * edge_speed_deg_s),
      at: (timeS) => Math.min(Math.max(small + 2 * edge_speed_deg_s * timeS, small), large),
    };
  }
  if (!(small >= 1e-3 && large < 180)) fault("with r_over_v_s the smaller diameter is above 0 and the larger below 180 degrees");
  const left = (size) => r_over_v_s / Math.tan((size * Math.PI) / 360);
  return {
    courseS: left(small) - left(large),
    at: (timeS) => (2 * Math.atan(r_over_v_s / (left(small) - timeS)) * 180) / Math.PI,
  };
}

function looming(paint) {
  return (screen, args) => {
    const { start_deg = 0, end_deg = 60, azimuth_deg = 0, elevation_deg = 0, luminance = 0 } = args;
    const grown = growth(start_deg, end_deg, args);
    return {
      courseS: grown.courseS,
      draw(timeS, cover, light) {
        light.fill(luminance);
        paint({ screen, args, size: grown.at(timeS), centre: [azimuth_deg, elevation_deg], cover, light, end_deg, luminance });
      },
    };
  };
}

function receding(screen, args) {
  const { start_deg = 60, end_deg = 0, azimuth_deg = 0, elevation_deg = 0, luminance = 0 } = args;
  const grown = growth(end_deg, start_deg, args);
  return {
    courseS: grown.courseS,
    draw(timeS, cover, light) {
      disc(screen, azimuth_deg, elevation_deg, grown.at(grown.courseS - timeS), cover);
      light.fill(luminance);
    },
  };
}

function ring({ screen, args, size, centre, cover }) {
  const hole = disc(screen, ...centre, Math.max(size - 2 * (args.line_deg ?? 3), 0), new Float32Array(cover.length));
  disc(screen, ...centre, size, cover);
  for (let i = 0; i < cover.length; i++) cover[i] -= hole[i];
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
const modulo = (value, by) => ((value % by) + by) % by;

function wave(cycles, waveform) {
  if (waveform === "sine") return Math.sin(2 * Math.PI * cycles);
  return modulo(rounded(cycles, 9), 1) < 0.5 ? 1 : -1;
}

function requireWhite(contrast, mean) {
  if (mean * (1 + contrast) > 1 + 1e-9) fault(`contrast ${contrast} around luminance ${mean} exceeds white: lower one of them`);
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

function whiteNoise(screen, args) {
  const { check_deg, update_hz, duration_s, seed = 0, distribution = "binary", contrast = 1 } = args;
  const isBinary = distribution === "binary";
  if (isBinary) requireWhite(contrast, screen.background);
  const { rows, columns } = checkLattice(screen, check_deg);
  const pictures = Math.ceil(rounded(duration_s * update_hz, 9));
  const size = rows.count * columns.count;
  const random = new Generator(seed);
  const drawn = isBinary ? random.integers(2, pictures * size).map((bit) => bit * 2 - 1) : random.normal(pictures * size);
  const level = (value) => screen.background * (1 + contrast * value);
  const shownAt = (value) => (isBinary ? level(value) : Math.min(1, Math.max(0, level(value))));
  return {
    courseS: duration_s,
    draw(timeS, cover, light) {
      const shown = Math.min(Math.floor(rounded(timeS * update_hz, 9)), pictures - 1);
      const levels = drawn.slice(shown * size, (shown + 1) * size).map(shownAt);
      cover.fill(1);
      spread(levels, rows, columns, light);
    },
  };
}

function checkLattice(screen, size) {
  const { x, y } = edgesOf(screen);
  return { rows: checks(y.map((each) => -each), size), columns: checks(x, size) };
}

/** Checks (rows columns) on the pixels, by area, into `out`. */
function spread(levels, rows, columns, out) {
  const half = rows.pixels.map((row) =>
    Float64Array.from({ length: columns.count }, (_, k) => row.reduce((sum, part, r) => (part ? sum + part * levels[r * columns.count + k] : sum), 0)),
  );
  const width = columns.pixels.length;
  half.forEach((line, y) => {
    for (let x = 0; x < width; x++) out[y * width + x] = columns.pixels[x].reduce((sum, part, k) => (part ? sum + part * line[k] : sum), 0);
  });
}

function sparseNoise(screen, args) {
  const { check_deg, flash_s, gap_s = 0, per_flash = 1, repeats = 1, luminances = [0, 1], seed = 0 } = args;
  const { rows, columns } = checkLattice(screen, check_deg);
  const nPlaces = rows.count * columns.count;
  if (per_flash > nPlaces) fault(`sparse noise shows ${per_flash} checks at a time, of ${nPlaces} places`);
  const random = new Generator(seed);
  const missing = modulo(-nPlaces, per_flash);
  const order = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const first = random.integers(luminances.length, nPlaces);
    for (let shift = 0; shift < luminances.length; shift++) {
      const places = random.permutation(nPlaces);
      for (const place of places) order.push([place, luminances[(first[place] + shift) % luminances.length]]);
      for (const place of places.slice(0, missing)) order.push([place, null]);
    }
  }
  const periodS = flash_s + gap_s, count = order.length / per_flash;
  return {
    courseS: count * periodS,
    draw(timeS, cover, light) {
      const flash = Math.min(Math.floor(rounded(timeS / periodS, 9)), count - 1);
      const shown = new Float64Array(nPlaces), lit = new Float64Array(nPlaces);
      for (const [place, level] of order.slice(flash * per_flash, (flash + 1) * per_flash)) {
        shown[place] = level === null ? 0 : 1;
        lit[place] = level ?? 0;
      }
      spread(shown, rows, columns, cover);
      spread(lit, rows, columns, light);
      for (let i = 0; i < light.length; i++) light[i] = cover[i] > 0 ? light[i] / cover[i] : 0;
      if (!(rounded(timeS - flash * periodS, 9) < flash_s)) cover.fill(0);
    },
  };
}

function movingDots(screen, args) {
  const { size_deg, dots_per_deg2, speed_deg_s, duration_s, coherence = 1, direction_deg = 0, lifetime_s = null } = args;
  const { luminance = 0, seed = 0 } = args;
  const random = new Generator(seed);
  const [height, width] = screen.shapePx.map((n) => n * screen.degPerPx);
  const room = [width + 2 * size_deg, height + 2 * size_deg];
  const n = Math.max(1, rounded(dots_per_deg2 * room[0] * room[1], 0));
  if (n > 20000) fault(`${n} dots are more than the page draws: lower the density`);
  const lifeS = lifetime_s ?? duration_s + 1;
  const age = random.random(n).map((each) => each * (lifetime_s === null ? 0 : lifeS));
  const lives = Math.floor(duration_s / lifeS) + 2;
  const births = random.random(lives * n * 2);
  const angle = random.random(n).map((each) => each * 2 * Math.PI);
  const coherent = rounded(coherence * n, 0);
  const velocity = Array.from(angle, (each, k) => (k < coherent ? direction(direction_deg) : [Math.cos(each), Math.sin(each)]).map((part) => part * speed_deg_s));
  return {
    courseS: duration_s,
    draw(timeS, cover, light) {
      const centres = velocity.map((speed, k) => {
        const now = rounded(timeS + age[k], 9);
        const life = Math.floor(now / lifeS), since = modulo(now, lifeS);
        return [0, 1].map((axis) => modulo(births[(life * n + k) * 2 + axis] * room[axis] + since * speed[axis], room[axis]) - room[axis] / 2);
      });
      dots(screen, centres, size_deg, cover);
      light.fill(luminance);
    },
  };
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
  dimming_disc: looming(({ screen, args, size, centre, cover, light, end_deg, luminance }) => {
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
