// Pictures, maps and curves on canvases.

/** A canvas with as many pixels as the screen shows, and its context in CSS pixels. */
function prepared(canvas, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  const width = canvas.clientWidth || 300;
  const wanted = height ?? canvas.clientHeight ?? 150;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(wanted * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height: wanted };
}

/** Blue below zero, pale at zero, red above: `share` from -1 to 1. */
function diverging(share) {
  const s = Math.max(-1, Math.min(1, share)), strength = Math.abs(s) ** 0.8;
  const end = s < 0 ? [5, 92, 168] : [178, 24, 43];
  return end.map((each) => Math.round(247 + (each - 247) * strength));
}

function image(columns, rows, colourOf) {
  const picture = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    const [red, green, blue] = colourOf(i);
    picture.data.set([red, green, blue, 255], i * 4);
  }
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return canvas;
}

/** Luminance (Y X) as grey. */
export function paintGrey(canvas, frame, [rows, columns]) {
  const { context, width } = prepared(canvas, ((canvas.clientWidth || 300) * rows) / columns);
  const picture = image(columns, rows, (i) => new Array(3).fill(Math.round(Math.min(1, Math.max(0, frame[i])) * 255)));
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 0, 0, width, (width * rows) / columns);
}

/** Maps (Y X C) side by side, all on one scale: as pictures, or each column where it looks. */
export function paintMaps(canvas, maps, [rows, columns], channels, largest, told) {
  const field = told.places ? fieldOf(told) : null;
  const width = canvas.clientWidth || 300;
  const across = channels === 1 ? 1 : Math.min(channels, Math.max(2, Math.round(Math.sqrt(channels * 1.6))));
  const gap = channels === 1 ? 0 : 4;
  const tile = (width - gap * (across - 1)) / across;
  const tall = tile * (field ? field.height / field.width : rows / columns);
  const down = Math.ceil(channels / across);
  const { context } = prepared(canvas, down * tall + (down - 1) * gap);
  context.imageSmoothingEnabled = false;
  for (let c = 0; c < channels; c++) {
    const [left, top] = [(c % across) * (tile + gap), Math.floor(c / across) * (tall + gap)];
    const colourOf = (i) => diverging(maps[i * channels + c] / (largest || 1));
    if (field) paintColumns(context, field, colourOf, left, top, tile / field.width);
    else context.drawImage(image(columns, rows, colourOf), left, top, tile, tall);
  }
}

/**
 * A direction, azimuth and elevation in degrees, in Mollweide's projection of the visual field: areas stay, in square
 * degrees, and what is 180 degrees away lies on an ellipse.
 */
function mollweide([azimuth, elevation]) {
  const radians = (Math.max(-90, Math.min(90, elevation)) * Math.PI) / 180;
  let angle = radians;
  for (let k = 0; k < 8; k++) {
    angle -= (2 * angle + Math.sin(2 * angle) - Math.PI * Math.sin(radians)) / Math.max(2 + 2 * Math.cos(2 * angle), 1e-6);
  }
  return [((2 * Math.SQRT2) / Math.PI) * azimuth * Math.cos(angle), (180 / Math.PI) * Math.SQRT2 * Math.sin(angle)];
}

/** Corners of every column of an eye, in degrees from the upper left of what they fill; null where there is none. */
function fieldOf({ places, outline, around }) {
  const onPaper = around ? mollweide : (place) => place;
  const cornersOf = (place) => outline.map(([x, y]) => onPaper([place[0] + x, place[1] + y])).map(([x, y]) => [x, -y]);
  const cells = places.map((place) => place && cornersOf(place));
  const corners = cells.filter(Boolean).flat();
  const [left, top] = [0, 1].map((axis) => corners.reduce((least, corner) => Math.min(least, corner[axis]), Infinity));
  const [right, bottom] = [0, 1].map((axis) => corners.reduce((most, corner) => Math.max(most, corner[axis]), -Infinity));
  return {
    cells: cells.map((cell) => cell && cell.map(([x, y]) => [x - left, y - top])),
    width: right - left,
    height: bottom - top,
  };
}

function paintColumns(context, { cells }, colourOf, left, top, scale) {
  cells.forEach((cell, i) => {
    if (!cell) return;
    const [red, green, blue] = colourOf(i);
    context.fillStyle = context.strokeStyle = `rgb(${red} ${green} ${blue})`;
    context.lineWidth = 0.5;
    context.beginPath();
    for (const [x, y] of cell) context.lineTo(left + x * scale, top + y * scale);
    context.closePath();
    context.fill();
    context.stroke();
  });
}

const niceStep = (span, count) => {
  const rough = span / count, power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((each) => each * power >= rough);
};

/** Marks of an axis, at round numbers. */
export function ticks(low, high, count) {
  if (!(high > low)) return [low];
  const step = niceStep(high - low, count);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) found.push(k * step);
  return found;
}

export const short = (value) => (Math.abs(value) >= 1000 || (value !== 0 && Math.abs(value) < 0.001) ? value.toExponential(1) : String(Number(value.toPrecision(3))));

/**
 * Curves over a common axis.
 * @param lines [{x, y, colour, width, dash, marks}]
 * @param options {height, xLabel, cursor, colours: {ink, quiet, faint}}
 */
export function paintCurves(canvas, lines, { height = 130, xLabel = "", cursor = null, xRange = null, log = false }) {
  const { context, width } = prepared(canvas, height);
  const style = getComputedStyle(canvas);
  const [ink, quiet, faint] = ["--ink", "--quiet", "--faint"].map((name) => style.getPropertyValue(name));
  const room = { left: 46, right: 14, top: 8, bottom: xLabel ? 34 : 20 };
  const shown = lines.filter((line) => line.x.length);
  const all = shown.flatMap((line) => Array.from(line.y).filter(Number.isFinite));
  let [low, high] = all.length ? [Math.min(0, ...extent(all)), Math.max(0, ...extent(all))] : [0, 1];
  if (high - low < 1e-9) high = low + 1e-3;
  const xs = xRange ?? extent(shown.flatMap((line) => [line.x[0], line.x[line.x.length - 1]]));
  const scale = log ? Math.log : (value) => value;
  const toX = (value) => room.left + ((scale(value) - scale(xs[0])) / (scale(xs[1]) - scale(xs[0]) || 1)) * (width - room.left - room.right);
  const toY = (value) => height - room.bottom - ((value - low) / (high - low)) * (height - room.top - room.bottom);
  context.font = "12px system-ui, sans-serif";
  context.lineWidth = 1;
  context.fillStyle = quiet;
  context.textAlign = "right";
  for (const mark of ticks(low, high, 3)) {
    context.strokeStyle = faint;
    line(context, [[room.left, toY(mark)], [width - room.right, toY(mark)]]);
    context.fillText(short(mark), room.left - 5, toY(mark) + 4);
  }
  context.textAlign = "center";
  for (const mark of ticks(xs[0], xs[1], Math.max(2, width / 110))) context.fillText(short(mark), toX(mark), height - room.bottom + 14);
  if (xLabel) context.fillText(xLabel, (room.left + width - room.right) / 2, height - 4);
  context.save();
  context.beginPath();
  context.rect(room.left - 4, 0, width - room.left - room.right + 8, height - room.bottom + 4);
  context.clip();
  for (const each of shown) {
    context.strokeStyle = each.colour === "ink" ? ink : each.colour;
    context.fillStyle = context.strokeStyle;
    context.lineWidth = each.width ?? 2;
    context.setLineDash(each.dash ?? []);
    line(context, Array.from(each.x, (x, i) => [toX(x), toY(each.y[i])]));
    context.setLineDash([]);
    if (each.marks) for (let i = 0; i < each.x.length; i++) context.fillRect(toX(each.x[i]) - 3, toY(each.y[i]) - 3, 6, 6);
  }
  context.restore();
  if (cursor !== null) {
    context.strokeStyle = quiet;
    context.lineWidth = 1;
    line(context, [[toX(cursor), room.top], [toX(cursor), height - room.bottom]]);
  }
}

function extent(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

function line(context, points) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}
