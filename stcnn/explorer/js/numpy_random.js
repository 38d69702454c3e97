// The random numbers of numpy.random.default_rng(seed): SeedSequence, PCG64 (XSL-RR), and what the stimuli draw from it.

const MASK64 = (1n << 64n) - 1n;
const MASK128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

// The ziggurat of standard_normal: 256 slices of equal area under exp(-x^2/2), of which the last begins at TAIL (Marsaglia
// and Tsang 2000, doi 10.18637/jss.v005.i08, with 52 random bits for a place within a slice).
const TAIL = 3.6541528853610088;
const AREA = 0.004928673233974655;
const BITS = 2 ** 52;
const bell = (x) => Math.exp((-x * x) / 2);

function slices() {
  const scale = new Float64Array(256), height = new Float64Array(256), sure = new Float64Array(256);
  let outer = TAIL;
  scale[255] = TAIL / BITS;
  height[255] = bell(TAIL);
  for (let i = 254; i > 0; i--) {
    const inner = Math.sqrt(-2 * Math.log(AREA / outer + bell(outer)));
    sure[i + 1] = (inner / outer) * BITS;
    scale[i] = inner / BITS;
    height[i] = bell(inner);
    outer = inner;
  }
  const base = AREA / bell(TAIL);
  scale[0] = base / BITS;
  height[0] = 1;
  sure[0] = (TAIL / base) * BITS;
  return { scale, height, sure };
}

const SLICES = slices();

/** State words of numpy's SeedSequence of a seed. */
function seedWords(seed, count) {
  const entropy = [];
  for (let left = BigInt(seed); left > 0n || entropy.length === 0; left >>= 32n) entropy.push(Number(left & 0xffffffffn));
  let constant = 0x43b0d7e5;
  const hashed = (value) => {
    value = (value ^ constant) >>> 0;
    constant = Math.imul(constant, 0x931e8875) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mixed = (x, y) => {
    const found = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (found ^ (found >>> 16)) >>> 0;
  };
  const pool = [0, 1, 2, 3].map((i) => hashed(entropy[i] ?? 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]));
  }
  for (const more of entropy.slice(4)) for (let to = 0; to < 4; to++) pool[to] = mixed(pool[to], hashed(more));
  let out = 0x8b51f9dd;
  return Array.from({ length: count }, (_, i) => {
    let value = (pool[i % 4] ^ out) >>> 0;
    out = Math.imul(out, 0x58f38ded) >>> 0;
    value = Math.imul(value, out) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  });
}

export class Generator {
  constructor(seed) {
    const words = seedWords(seed, 8).map(BigInt);
    const [high, low, highStream, lowStream] = [0, 2, 4, 6].map((i) => (words[i + 1] << 32n) | words[i]);
    this.increment = ((((highStream << 64n) | lowStream) << 1n) | 1n) & MASK128;
    this.state = this.increment; // one step from zero
    this.state = (this.state + ((high << 64n) | low)) & MASK128;
    this.advance();
    this.spare = null;
  }

  advance() {
    this.state = (this.state * MULTIPLIER + this.increment) & MASK128;
  }

  next64() {
    this.advance();
    const mixed = (this.state >> 64n) ^ (this.state & MASK64);
    const turn = this.state >> 122n;
    return ((mixed >> turn) | (mixed << ((64n - turn) & 63n))) & MASK64;
  }

  next32() {
    if (this.spare !== null) {
      const found = this.spare;
      this.spare = null;
      return found;
    }
    const both = this.next64();
    this.spare = Number(both >> 32n);
    return Number(both & 0xffffffffn);
  }

  /** `random(n)`: uniform in [0, 1). */
  random(n) {
    return Float64Array.from({ length: n }, () => this.unit());
  }

  /** One number of `random()`. */
  unit() {
    return Number(this.next64() >> 11n) * 2 ** -53;
  }

  /** `standard_normal(n)`. */
  normal(n) {
    return Float64Array.from({ length: n }, () => this.oneNormal());
  }

  oneNormal() {
    const { scale, height, sure } = SLICES;
    for (;;) {
      const bits = this.next64();
      const slice = Number(bits & 0xffn), place = Number((bits >> 9n) & 0xfffffffffffffn);
      const sign = (bits >> 8n) & 1n ? -1 : 1;
      const x = place * scale[slice];
      if (place < sure[slice]) return sign * x;
      if (slice === 0) return (Math.floor(place / 256) % 2 ? -1 : 1) * this.tail();
      if (height[slice] + (height[slice - 1] - height[slice]) * this.unit() < bell(x)) return sign * x;
    }
  }

  /** Beyond the last slice. */
  tail() {
    for (;;) {
      const beyond = -Math.log1p(-this.unit()) / TAIL, limit = -Math.log1p(-this.unit());
      if (2 * limit > beyond * beyond) return TAIL + beyond;
    }
  }

  /** A whole number below `count`, as Lemire draws it. */
  below(count) {
    if (count === 1) return 0;
    const threshold = (2 ** 32 - count) % count;
    for (;;) {
      const product = BigInt(this.next32()) * BigInt(count);
      if (Number(product & 0xffffffffn) >= threshold) return Number(product >> 32n);
    }
  }

  /** `integers(0, count, n)`. */
  integers(count, n) {
    return Array.from({ length: n }, () => this.below(count));
  }

  /** A whole number up to `highest`, by masks and rejection, as numpy shuffles. */
  upTo(highest) {
    const mask = 2 ** (32 - Math.clz32(highest)) - 1;
    for (;;) {
      const found = (this.next32() & mask) >>> 0;
      if (found <= highest) return found;
    }
  }

  /** `permutation(n)`. */
  permutation(n) {
    const found = Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.upTo(i);
      [found[i], found[j]] = [found[j], found[i]];
    }
    return found;
  }
}
