// How much of each pixel a shape covers, exactly: stcnn/stimuli/coverage.py, whose comments say why.

const FLAT = 1e-7;
const clip = (value, low, high) => Math.min(Math.max(value, low), high);

/** Borders of the pixels, azimuth rising and elevation falling. */
export function edgesOf(screen) {
  const [rows, columns] = screen.shapePx;
  return {
    x: Float64Array.from({ length: columns + 1 }, (_, i) => (i - columns / 2) * screen.degPerPx),
    y: Float64Array.from({ length: rows + 1 }, (_, i) => (rows / 2 - i) * screen.degPerPx),
  };
}

/** Unit vector of a direction, exact for multiples of 90 degrees. */
export function direction(degrees) {
  const angle = ((((degrees % 360) + 360) % 360) * Math.PI) / 180;
  return [Math.cos(angle), Math.sin(angle)].map((each) => (Math.abs(each) < FLAT ? 0 : each));
}

/** Fraction of each pixel inside a disc, into `out` (Y X). */
export function disc(screen, azimuth, elevation, size, out) {
  const radius = size / 2;
  const bounds = [azimuth - radius, azimuth + radius, elevation - radius, elevation + radius];
  return pixelFractions(screen, bounds, (x, y) => discArea(x - azimuth, y - elevation, radius), out);
}

/** Fraction of each pixel inside a rectangle, into `out`. */
export function rectangle(screen, [azimuth, elevation], [width, height], degrees, out) {
  const [cosine, sine] = direction(degrees);
  if (cosine === 0 || sine === 0) {
    const [across, down] = sine === 0 ? [width, height] : [height, width];
    const edges = edgesOf(screen);
    const columns = interval(edges.x, azimuth, across);
    const rows = interval(edges.y.map((each) => -each), -elevation, down);
    for (let y = 0, i = 0; y < rows.length; y++) for (let x = 0; x < columns.length; x++, i++) out[i] = rows[y] * columns[x];
    return out;
  }
  const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([u, v]) => {
    const along = (u * width) / 2, across = (v * height) / 2;
    return [azimuth + along * cosine - across * sine, elevation + along * sine + across * cosine];
  });
  return polygon(screen, corners, out);
}

function polygon(screen, corners, out) {
  const xs = corners.map(([x]) => x), ys = corners.map(([, y]) => y);
  const bounds = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const sides = corners.map((corner, k) => [corner, corners[(k + 1) % corners.length]]);
  const sloped = sides.filter(([[x0], [x1]]) => Math.abs(x1 - x0) > FLAT);
  return pixelFractions(screen, bounds, (x, y) => sloped.reduce((sum, [a, b]) => sum + areaAbove(a, b, x, y), 0), out);
}

function areaAbove([x0, y0], [x1, y1], x, y) {
  const slope = (y1 - y0) / (x1 - x0);
  const reached = clip(x, Math.min(x0, x1), Math.max(x0, x1));
  const height = Math.max(y - (y0 + slope * (reached - x0)), 0);
  const area = Math.abs(slope) < FLAT ? height * reached : -(height ** 2) / (2 * slope);
  return area * Math.sign(x1 - x0);
}

/** Fraction of each pixel of a line inside an interval; borders rising. */
function interval(edges, centre, length) {
  const inside = edges.map((edge) => clip(edge - centre, -length / 2, length / 2));
  return Float32Array.from({ length: edges.length - 1 }, (_, i) => (inside[i + 1] - inside[i]) / (edges[i + 1] - edges[i]));
}

/** Difference an area at the pixel corners within the bounds of a shape. */
function pixelFractions(screen, [left, right, bottom, top], area, out) {
  const [rows, columns] = screen.shapePx;
  const { x: xs, y: ys } = edgesOf(screen);
  out.fill(0);
  const per = screen.degPerPx;
  const firstColumn = clip(Math.floor((left - xs[0]) / per) - 1, 0, columns), stopColumn = clip(Math.ceil((right - xs[0]) / per) + 1, 0, columns);
  const firstRow = clip(Math.floor((ys[0] - top) / per) - 1, 0, rows), stopRow = clip(Math.ceil((ys[0] - bottom) / per) + 1, 0, rows);
  let above = null;
  for (let r = firstRow; r <= stopRow && stopRow > firstRow; r++) {
    const here = new Float64Array(stopColumn - firstColumn + 1);
    for (let c = firstColumn; c <= stopColumn; c++) here[c - firstColumn] = area(xs[c], ys[r]);
    if (above) {
      for (let c = firstColumn; c < stopColumn; c++) {
        const k = c - firstColumn;
        const fraction = (above[k + 1] - above[k] - (here[k + 1] - here[k])) / per ** 2;
        out[(r - 1) * columns + c] = clip(fraction, 0, 1);
      }
    }
    above = here;
  }
  return out;
}

/** Area of a disc around the origin left of x and below y. */
function discArea(x, y, radius) {
  x = clip(x, -radius, radius);
  y = clip(y, -radius, radius);
  const width = Math.sqrt(Math.max(radius ** 2 - y ** 2, 0));
  const primitiveX = primitive(x, radius), primitiveW = primitive(width, radius), whole = primitive(radius, radius);
  const middle = y * (clip(x, -width, width) + width);
  const flanks = Math.min(primitiveX, -primitiveW) + Math.max(primitiveX, primitiveW) + (whole - primitiveW);
  return primitiveX + whole + middle + Math.sign(y) * flanks;
}

function primitive(u, radius) {
  const ratio = radius > 0 ? clip(u / radius, -1, 1) : 0;
  return ((radius ** 2) / 2) * (ratio * Math.sqrt(1 - ratio ** 2) + Math.asin(ratio));
}

/** Fraction of each pixel inside at least one of many discs, as if they were independent. */
export function dots(screen, centres, size, out) {
  const free = new Float64Array(out.length).fill(1);
  const [rows, columns] = screen.shapePx;
  const { x: xs, y: ys } = edgesOf(screen);
  const span = Math.ceil(size / screen.degPerPx) + 1;
  for (const [azimuth, elevation] of centres) {
    const column = Math.floor((azimuth - size / 2 - xs[0]) / screen.degPerPx);
    const row = Math.floor((ys[0] - elevation - size / 2) / screen.degPerPx);
    if (column + span < 0 || row + span < 0 || column >= columns || row >= rows) continue;
    const corner = (r, c) => discArea(xs[0] + (column + c) * screen.degPerPx - azimuth, ys[0] - (row + r) * screen.degPerPx - elevation, size / 2);
    for (let r = 0; r < span; r++) {
      for (let c = 0; c < span; c++) {
        if (row + r < 0 || row + r >= rows || column + c < 0 || column + c >= columns) continue;
        const covered = corner(r, c + 1) - corner(r, c) - (corner(r + 1, c + 1) - corner(r + 1, c));
        free[(row + r) * columns + column + c] *= Math.fround(clip(1 - covered / screen.degPerPx ** 2, 0, 1));
      }
    }
  }
  for (let i = 0; i < out.length; i++) out[i] = 1 - free[i];
  return out;
}

/** Fraction of each pixel of a line taken by each of several adjacent checks, (pixels)(checks). */
export function checks(edges, size) {
  const count = Math.ceil(rounded((edges[edges.length - 1] - edges[0]) / size, 9));
  const parts = Array.from({ length: count + 1 }, (_, i) => (i - count / 2) * size);
  const pixels = Array.from({ length: edges.length - 1 }, (_, i) =>
    Float64Array.from({ length: count }, (_, k) => {
      const overlap = Math.min(edges[i + 1], parts[k + 1]) - Math.max(edges[i], parts[k]);
      return Math.max(overlap, 0) / (edges[i + 1] - edges[i]);
    }),
  );
  return { count, pixels };
}

/** The rest of a division, of the sign of the divisor. */
export const modulo = (value, by) => ((value % by) + by) % by;

/** Round to decimals, halves to even, as numpy does. */
export function rounded(value, decimals) {
  const scaled = value * 10 ** decimals;
  const below = Math.floor(scaled), rest = scaled - below;
  const whole = rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
  return whole / 10 ** decimals;
}
