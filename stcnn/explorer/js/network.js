// The network, one frame at a time: that of stcnn/export/step_network.py, with values channels last.

import { Convolution } from "./convolution.js";
import { makeFilter, softplus } from "./filters.js";

const ACTIVATIONS = {
  tanh: Math.tanh,
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
};

/** Apply an activation in place, from `from` to `to` of an array. */
function activate(values, told) {
  const curved = ACTIVATIONS[told.name];
  if (curved) {
    for (let i = 0; i < values.length; i++) values[i] = curved(values[i]);
  } else if (told.slope !== 1) {
    for (let i = 0; i < values.length; i++) if (values[i] < 0) values[i] *= told.slope;
  }
}

const RECTIFIERS = {
  softplus,
  elu: (x) => (x > 0 ? x : Math.expm1(x)) + 1,
  identity: (x) => x,
  relu: (x) => Math.max(0, x),
  leaky_relu: (x) => (x > 0 ? x : 0.01 * x),
  tanh: Math.tanh,
};

class Layer {
  constructor(told, readShape, rateHz) {
    const [rows, columns] = told.shape;
    const [outputs, inputs] = told.kernel_shape;
    Object.assign(this, { told, outputs, inputs, rows, columns });
    const [left, right, top, bottom] = told.margins;
    this.margins = [top, left];
    this.paddedColumns = readShape[1] + left + right;
    const paddedShape = [readShape[0] + top + bottom, this.paddedColumns];
    this.convolution = new Convolution(told.kernel, told.kernel_shape, paddedShape, told.stride);
    this.padded = this.convolution.padded;
    this.readShape = readShape;
    this.filter = makeFilter(told.filter, rows * columns, rateHz);
    this.maps = new Float64Array(rows * columns * outputs);
    this.gain = 1;
    this.silent = new Uint8Array(outputs);
  }

  /** Read maps (Y, X, C) and make `this.maps`. */
  step(maps) {
    const [readRows, readColumns] = this.readShape;
    const [top, left] = this.margins;
    const width = readColumns * this.inputs;
    for (let y = 0; y < readRows; y++) {
      const to = ((y + top) * this.paddedColumns + left) * this.inputs;
      for (let i = 0; i < width; i++) this.padded[to + i] = maps[y * width + i];
    }
    activate(this.padded, this.told.activation);
    this.convolve();
    this.filter.step(this.maps);
    if (this.silent.some((each) => each)) {
      for (let i = 0; i < this.maps.length; i++) if (this.silent[i % this.outputs]) this.maps[i] = 0;
    }
  }

  convolve() {
    const { maps, outputs, told, filter, gain } = this;
    this.convolution.into(maps, this.rows, this.columns);
    for (let i = 0; i < maps.length; ) {
      for (let c = 0; c < outputs; c++, i++) maps[i] = maps[i] * gain * filter.gainRatio[c] + told.bias[c];
    }
  }
}

/** What each column sees along a line of columns, of each line where these are not straight, and across. */
function eyeSpans(told, rows) {
  const [nRows, nColumns] = told.movie_px;
  const { lines, separate } = told.eye;
  const size = rows * nRows;
  const down = Array.from({ length: separate ? lines : 1 }, (_, l) => nonZero(told.eye.rows.subarray(l * size, (l + 1) * size), rows, nRows));
  return [down, nonZero(transposed(told.eye.columns, nColumns, lines), lines, nColumns)];
}

/** One model of the page. */
export class Network {
  constructor(told) {
    this.told = told;
    this.rateHz = told.rate_hz;
    const [rows, columns] = told.eye.shape;
    this.eye = { filter: makeFilter(told.eye.filter, rows * columns, told.rate_hz), maps: new Float64Array(rows * columns) };
    this.lines = told.eye.lines;
    this.half = new Float64Array(told.movie_px[0] * this.lines);
    this.spans = eyeSpans(told, (rows * columns) / this.lines);
    let shape = told.eye.shape;
    this.layers = told.layers.map((each) => {
      const layer = new Layer(each, shape, told.rate_hz);
      shape = each.shape;
      return layer;
    });
    const n = told.cell_types.length;
    this.readout = makeFilter(told.readout.filter, 1, told.rate_hz);
    this.drive = new Float64Array(n * (this.readout.inputs ?? 1));
    this.calciumFilter = makeFilter(told.calcium.filter, 1, told.rate_hz);
    this.rate = new Float64Array(told.calcium.columns.length);
    this.voltage = new Float64Array(n);
    this.calcium = new Float64Array(told.calcium.gain.length);
    this.seen = new Float64Array(rows * columns);
    this.lastMaps = new Float64Array(told.readout.inputs);
    this.starts = new Map();
  }

  /** All filters, by the name that edits have for them. */
  filters() {
    const found = { eye: this.eye.filter, readout: this.readout, calcium: this.calciumFilter };
    this.layers.forEach((layer, i) => (found[`layer${i + 1}`] = layer.filter));
    return found;
  }

  /** Change the network: {tau: {name: factor}, gain: {layerK: factor}, silent: {layerK: [channel]}}. */
  edit(edits) {
    for (const [name, filter] of Object.entries(this.filters())) filter.scaleTau(edits.tau?.[name] ?? 1);
    this.layers.forEach((layer, i) => {
      layer.gain = edits.gain?.[`layer${i + 1}`] ?? 1;
      layer.silent.fill(0);
      for (const channel of edits.silent?.[`layer${i + 1}`] ?? []) layer.silent[channel] = 1;
    });
    this.edits = JSON.stringify(edits);
  }

  /** Go where two seconds of grey lead. */
  start() {
    const key = this.edits ?? "";
    if (!this.starts.has(key) && this.told.start && key === "{}") {
      const filters = this.filters();
      for (const [name, state] of Object.entries(this.told.start)) filters[name].begin(state);
      this.starts.set(key, Object.values(filters).map((filter) => filter.save()));
    }
    if (!this.starts.has(key)) {
      for (const filter of Object.values(this.filters())) filter.rest();
      const grey = new Float32Array(this.told.movie_px[0] * this.told.movie_px[1]).fill(this.told.background);
      for (let t = 0; t < Math.max(1, Math.round(2 * this.rateHz)); t++) this.step(grey);
      if (this.starts.size > 20) this.starts.clear();
      this.starts.set(key, Object.values(this.filters()).map((filter) => filter.save()));
    }
    const states = this.starts.get(key);
    Object.values(this.filters()).forEach((filter, i) => filter.load(states[i]));
  }

  /** Show a frame of luminance (Y X); `voltage`, `calcium` and all maps are then those after it. */
  step(frame) {
    this.see(frame);
    let maps = this.eye.maps;
    for (const layer of this.layers) {
      layer.step(maps);
      maps = layer.maps;
    }
    this.read(maps);
    this.indicate();
  }

  see(frame) {
    const [rows, columns] = [this.seen.length / this.lines, this.lines];
    const [nRows, nColumns] = this.told.movie_px;
    const { half } = this;
    const background = Math.fround(this.told.background);
    const [rowSpans, columnSpans] = this.spans;
    for (let x = 0; x < columns; x++) {
      const { first, weights } = columnSpans[x];
      for (let y = 0; y < nRows; y++) {
        let sum = 0;
        for (let i = 0, at = y * nColumns + first; i < weights.length; i++) sum += weights[i] * (frame[at + i] - background);
        half[y * columns + x] = sum;
      }
    }
    const ratio = this.eye.filter.gainRatio[0];
    for (let r = 0; r < rows; r++) {
      for (let x = 0; x < columns; x++) {
        const { first, weights } = rowSpans[x % rowSpans.length][r];
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i] * half[(first + i) * columns + x];
        this.seen[r * columns + x] = sum;
        this.eye.maps[r * columns + x] = sum * ratio;
      }
    }
    this.eye.filter.step(this.eye.maps);
  }

  read(maps) {
    const { readout } = this.told;
    const last = this.lastMaps;
    last.set(maps);
    activate(last, readout.activation);
    for (let n = 0; n < this.drive.length; n++) {
      let sum = 0;
      for (let i = 0, w = n * last.length; i < last.length; i++) sum += last[i] * readout.weights[w + i];
      this.drive[n] = sum * this.readout.gainRatio[n % this.voltage.length] + readout.bias[n];
    }
    this.readout.step(this.drive);
    for (let n = 0; n < this.voltage.length; n++) this.voltage[n] = this.drive[n];
  }

  indicate() {
    const { calcium } = this.told;
    const rectified = RECTIFIERS[calcium.rectifier];
    for (let i = 0; i < this.rate.length; i++) this.rate[i] = rectified(this.voltage[calcium.columns[i]]);
    this.calciumFilter.step(this.rate);
    for (let m = 0; m < this.calcium.length; m++) {
      const filtered = this.rate[calcium.types[m]] * this.calciumFilter.gainRatio[calcium.types[m]];
      this.calcium[m] = calcium.offset[m] + calcium.gain[m] * filtered;
    }
  }
}

/** Several models of one ensemble: their mean answers; maps are those of the first. */
export class Ensemble {
  constructor(members) {
    this.members = members.map((told) => new Network(told));
    this.first = this.members[0];
    this.told = this.first.told;
    this.rateHz = this.first.rateHz;
    this.voltage = new Float64Array(this.first.voltage.length);
    this.calcium = new Float64Array(this.first.calcium.length);
  }

  edit(edits) {
    for (const member of this.members) member.edit(edits);
  }

  start() {
    for (const member of this.members) member.start();
  }

  step(frame) {
    for (const member of this.members) member.step(frame);
    for (const kind of ["voltage", "calcium"]) {
      this[kind].fill(0);
      for (const member of this.members) member[kind].forEach((value, i) => (this[kind][i] += value / this.members.length));
    }
  }
}

function transposed(values, rows, columns) {
  const found = new Float64Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) found[c * rows + r] = values[r * columns + c];
  return found;
}

/** The part of every row of a matrix that is not zero. */
function nonZero(values, rows, columns) {
  return Array.from({ length: rows }, (_, r) => {
    const row = values.subarray ? values.subarray(r * columns, (r + 1) * columns) : values.slice(r * columns, (r + 1) * columns);
    let first = 0, stop = columns;
    while (first < stop && row[first] === 0) first++;
    while (stop > first && row[stop - 1] === 0) stop--;
    return { first, weights: Float64Array.from(row.slice(first, stop)) };
  });
}
