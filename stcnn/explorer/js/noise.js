// Random stimuli: white and sparse noise, moving dots.

import { checks, direction, dots, edgesOf, modulo, rounded } from "./coverage.js";
import { Generator } from "./numpy_random.js";
import { fault, requireWhite } from "./stimulus_faults.js";

export function whiteNoise(screen, args) {
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

export function sparseNoise(screen, args) {
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

export function movingDots(screen, args) {
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
