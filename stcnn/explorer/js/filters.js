// Temporal filters, one frame at a time: those of stcnn/export/step_filters.py. Values are channels last: place * C + c.

const SECONDS_PER_DIGIT = 1e-9; // a time constant up to this is none: stcnn.nn.calcium.INSTANT_S

/** Make a filter of its description; `places` values of each channel. */
export function makeFilter(told, places, rateHz) {
  const kinds = { leaky: Leaky, forgetting: Forgetting, kernel: FiniteKernel, instant: Instant, adapting: Adapting, membrane: Membrane };
  return new kinds[told.kind](told, places, 1 / rateHz);
}

class Filter {
  constructor(told, places, dtS) {
    this.told = told;
    this.places = places;
    this.dtS = dtS;
    this.channels = told.channels;
    this.gainRatio = new Float64Array(told.channels).fill(1);
  }

  /** Multiply all time constants; a filter without any stays as it is. */
  scaleTau() {}

  /** The time constants now, in seconds; empty where there are none. */
  taus() {
    return [];
  }
}

/** 1 - exp(-dt/tau), accurate for long time constants. */
const leakOf = (tauS, dtS) => -Math.expm1(-dtS / tauS);

/** Factor between the leaky integrator and the scaled kernel: stcnn.nn.filters.exponential.exponential_gain. */
function gainOf(tauS, dtS, taps, scale) {
  if (scale === "area") return taps ? 1 / leakOf(tauS, taps * dtS) : 1;
  const energy = taps ? Math.expm1((-2 * dtS) / tauS) / Math.expm1((-2 * taps * dtS) / tauS) : -Math.expm1((-2 * dtS) / tauS);
  return Math.sqrt(dtS * energy) / leakOf(tauS, dtS);
}

export class Leaky extends Filter {
  constructor(told, places, dtS) {
    super(told, places, dtS);
    this.leak = Float64Array.from(told.leak);
    this.offset = Float64Array.from(told.offset);
    this.factor = 1;
    this.last = new Float64Array(places * this.channels);
    this.rest();
  }

  rest() {
    for (let i = 0; i < this.last.length; i++) this.last[i] = this.offset[i % this.channels];
  }

  taus() {
    return this.told.tau_s.map((tauS) => (tauS > SECONDS_PER_DIGIT ? tauS * this.factor : tauS));
  }

  scaleTau(factor) {
    this.factor = factor;
    const now = this.taus();
    this.told.tau_s.forEach((before, c) => {
      this.leak[c] = factor === 1 ? this.told.leak[c] : leakOf(now[c], this.dtS);
      const instant = before <= SECONDS_PER_DIGIT;
      const gains = [now[c], before].map((tauS) => gainOf(tauS, this.dtS, this.told.taps, this.told.scale));
      this.gainRatio[c] = factor === 1 || instant ? 1 : gains[0] / gains[1];
    });
  }

  step(drive) {
    const { last, leak, channels } = this;
    for (let i = 0, c = 0; i < last.length; i++) {
      last[i] += leak[c] * (drive[i] - last[i]);
      drive[i] = last[i];
      if (++c === channels) c = 0;
    }
  }

  /** Take a state as the page carries it. */
  begin({ last }) {
    this.last.set(last);
  }

  save() {
    return this.last.slice();
  }

  load(state) {
    this.last.set(state);
  }
}

/** A leaky integrator whose kernel ends after some frames. */
export class Forgetting extends Leaky {
  constructor(told, places, dtS) {
    super(told, places, dtS);
    this.history = Array.from({ length: told.taps }, () => new Float32Array(this.last.length));
    this.place = 0;
    this.tail = Float64Array.from(told.tail);
  }

  rest() {
    super.rest();
    for (const each of this.history ?? []) each.fill(0);
  }

  scaleTau(factor) {
    super.scaleTau(factor);
    this.taus().forEach((tauS, c) => {
      this.tail[c] = factor === 1 ? this.told.tail[c] : Math.exp((-this.told.taps * this.dtS) / tauS);
    });
  }

  step(drive) {
    super.step(drive);
    const { last, tail, offset, channels } = this;
    const before = this.history[this.place];
    this.place = (this.place + 1) % this.told.taps;
    for (let i = 0, c = 0; i < last.length; i++) {
      drive[i] += before[i];
      before[i] = -tail[c] * (last[i] - offset[c]);
      if (++c === channels) c = 0;
    }
  }

  begin({ last, history }) {
    super.begin({ last });
    this.history.forEach((each, k) => each.set(history.subarray(k * each.length, (k + 1) * each.length)));
    this.place = 0;
  }

  save() {
    return [super.save(), this.history.map((each) => each.slice()), this.place];
  }

  load([last, history, place]) {
    super.load(last);
    this.history.forEach((each, k) => each.set(history[k]));
    this.place = place;
  }
}

export class FiniteKernel extends Filter {
  constructor(told, places, dtS) {
    super(told, places, dtS);
    this.taps = told.taps;
    this.toCome = Array.from({ length: this.taps }, () => new Float64Array(places * this.channels));
  }

  rest() {
    for (const each of this.toCome) each.fill(0);
  }

  step(drive) {
    const { kernel, offset } = this.told;
    const { channels, toCome, taps } = this;
    for (let k = 0; k < taps; k++) {
      const row = toCome[k];
      for (let i = 0, c = 0; i < row.length; i++) {
        row[i] += kernel[k * channels + c] * drive[i];
        if (++c === channels) c = 0;
      }
    }
    const now = toCome.shift();
    for (let i = 0; i < now.length; i++) drive[i] = now[i] + offset[i % channels];
    toCome.push(now.fill(0));
  }

  save() {
    return this.toCome.map((each) => each.slice());
  }

  load(state) {
    this.toCome.forEach((each, k) => each.set(state[k]));
  }
}

export class Instant extends Filter {
  rest() {}

  step() {}

  save() {
    return null;
  }

  load() {}
}

/** A low-pass that a slower one divides. */
export class Adapting extends Filter {
  constructor(told, places, dtS) {
    super(told, places, dtS);
    this.each = [0, 1].map(() => new Float64Array(places * this.channels));
  }

  rest() {
    for (const each of this.each) each.fill(0);
  }

  step(drive) {
    const { leaks, weight, grey, offset } = this.told;
    const { channels } = this;
    const [fast, slow] = this.each;
    for (let i = 0; i < drive.length; i++) {
      const c = i % channels;
      fast[i] += leaks[c] * (drive[i] - fast[i]);
      slow[i] += leaks[channels + c] * (drive[i] - slow[i]);
      const adapted = 1 + weight[c] * Math.max(0, slow[i] + grey);
      drive[i] = ((1 + weight[c] * grey) * (fast[i] + grey)) / adapted - grey + offset[c];
    }
  }

  save() {
    return this.each.map((each) => each.slice());
  }

  load(state) {
    this.each.forEach((each, k) => each.set(state[k]));
  }
}

/** A membrane with two conductances: excitation of all channels first, then inhibition. */
export class Membrane extends Filter {
  constructor(told, places, dtS) {
    super(told, places, dtS);
    this.last = new Float64Array(this.channels);
    this.inputs = 2;
    this.rest();
  }

  rest() {
    this.last.set(this.told.rest);
  }

  taus() {
    return this.told.tau_s.map((tauS) => tauS * (this.factor ?? 1));
  }

  scaleTau(factor) {
    this.factor = factor;
  }

  step(drive) {
    const { told, last, channels } = this;
    const rectified = told.rectifier === "relu" ? (x) => Math.max(0, x) : softplus;
    const tauS = this.taus();
    for (let c = 0; c < channels; c++) {
      const e = rectified(drive[c] + told.excitation_bias[c]);
      const i = rectified(drive[channels + c] + told.inhibition_bias[c]);
      const g = 1 + e + i;
      const target = (e * told.excitation_reversal[c] + i * told.inhibition_reversal[c]) / g;
      last[c] += -Math.expm1((-g * this.dtS) / tauS[c]) * (target - last[c]);
      drive[c] = last[c] + told.offset[c];
    }
  }

  save() {
    return this.last.slice();
  }

  load(state) {
    this.last.set(state);
  }
}

export const softplus = (x) => (x > 20 ? x : Math.log1p(Math.exp(x)));
