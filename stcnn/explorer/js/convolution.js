// Sums over the kernels of a layer, four output channels of four columns at once: WebAssembly with SIMD, where a browser has it.

const BLOCK = 4; // output channels that are summed together, and columns
const NUMBER = 4; // bytes of a float

const utf8 = (text) => [text.length, ...new TextEncoder().encode(text)];
const section = (id, bytes) => [id, bytes.length, ...bytes];
const get = (local) => [0x20, local];
const set = (local) => [0x21, local];
const add = 0x6a;
const constant = (value) => [0x41, value];
const simd = (...code) => [0xfd, ...code];

/**
 * The module: sums(from, weights, to, rows, bytes, row, column), all but `rows` in bytes. `rows` lines of `bytes` bytes,
 * `row` apart, of each of four columns, `column` apart, are multiplied by weights in groups of four and summed; four
 * times four sums are written.
 */
function moduleBytes() {
  const [from, weights, to, rows, bytes, row, column] = [0, 1, 2, 3, 4, 5, 6];
  const [place, end, second, third] = [7, 8, 9, 10];
  const [group, ...sums] = [11, 12, 13, 14, 15];
  const offsets = [[], [...get(column), add], [...get(second), add], [...get(third), add]];
  const summed = sums.flatMap((sum, k) => [
    ...get(sum), ...get(group),
    ...get(place), ...offsets[k], ...simd(0x09, 2, 0), // load32_splat
    ...simd(0xe6, 1), // f32x4.mul
    ...simd(0xe4, 1), // f32x4.add
    ...set(sum),
  ]);
  const increased = (local, by) => [...get(local), ...by, add, ...set(local)];
  const body = [
    ...get(column), ...get(column), add, ...set(second),
    ...get(second), ...get(column), add, ...set(third),
    0x03, 0x40, // loop over lines
    ...get(from), ...set(place), ...get(from), ...get(bytes), add, ...set(end),
    0x03, 0x40, // loop over the numbers of a line
    ...get(weights), ...simd(0x00, 4, 0), ...set(group), // v128.load
    ...summed,
    ...increased(weights, constant(BLOCK * NUMBER)), ...increased(place, constant(NUMBER)),
    ...get(place), ...get(end), 0x49, 0x0d, 0, 0x0b, // again while place < end
    ...increased(from, get(row)),
    ...get(rows), ...constant(1), 0x6b, 0x22, rows, 0x0d, 0, 0x0b, // again while lines are left
    ...sums.flatMap((sum, k) => [...get(to), ...get(sum), ...simd(0x0b, 4, k * BLOCK * NUMBER)]), // v128.store
    0x0b,
  ];
  const locals = [2, 4, 0x7f, 5, 0x7b]; // four of i32, five of v128
  const code = [...locals, ...body];
  const length = [(code.length & 0x7f) | 0x80, code.length >> 7];
  const functions = [1, ...length, ...code];
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 7, ...new Array(7).fill(0x7f), 0]), // types: seven of i32
    ...section(2, [1, ...utf8("page"), ...utf8("memory"), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...utf8("sums"), 0, 0]),
    10, (functions.length & 0x7f) | 0x80, functions.length >> 7, ...functions,
  ]);
}

/** The same in JavaScript, on an array of floats. */
function plainSums(values) {
  return (from, weights, to, rows, bytes, row, column) => {
    for (let k = 0; k < BLOCK; k++) {
      let a = 0, b = 0, c = 0, d = 0;
      for (let dy = 0, w = weights / NUMBER; dy < rows; dy++) {
        const first = (from + k * column + dy * row) / NUMBER;
        for (let i = first; i < first + bytes / NUMBER; i++, w += BLOCK) {
          a += values[i] * values[w];
          b += values[i] * values[w + 1];
          c += values[i] * values[w + 2];
          d += values[i] * values[w + 3];
        }
      }
      values.set([a, b, c, d], to / NUMBER + k * BLOCK);
    }
  };
}

/** Memory for so many floats, and the function that sums in it. */
function newMemory(count) {
  try {
    const memory = new WebAssembly.Memory({ initial: Math.ceil((count * NUMBER) / 65536) });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()), { page: { memory } });
    return { values: new Float32Array(memory.buffer), sums: exports.sums, used: 0 };
  } catch {
    const values = new Float32Array(count); // there is no WebAssembly, or none with SIMD
    return { values, sums: plainSums(values), used: 0 };
  }
}

const LEAST = 1 << 20; // floats of a memory, which many layers share: browsers give only some
let shared = { values: [], used: 0 };

/** Room for so many floats: the memory, and where in it. */
function room(count) {
  if (shared.used + count > shared.values.length) shared = newMemory(Math.max(count, LEAST));
  const at = shared.used;
  shared.used += count;
  return { ...shared, at };
}

const inGroups = (count) => Math.ceil(count / BLOCK) * BLOCK;

/** A convolution of `padded` (Y, X, C), which its user fills. */
export class Convolution {
  constructor(kernel, shape, [paddedRows, paddedColumns], stride) {
    const [, inputs, ky, kx] = shape;
    const kernels = blocked(kernel, shape);
    const size = paddedRows * paddedColumns * inputs;
    const readTo = inGroups(size + BLOCK * stride[1] * inputs); // columns are read in fours, the last ones beyond the end
    const { values, sums, at } = room(readTo + kernels.length + BLOCK * BLOCK);
    this.weightsAt = at + readTo;
    this.sumsAt = this.weightsAt + kernels.length;
    values.set(kernels, this.weightsAt);
    this.padded = values.subarray(at, at + size);
    this.found = values.subarray(this.sumsAt, this.sumsAt + BLOCK * BLOCK);
    this.block = ky * kx * inputs * BLOCK;
    Object.assign(this, { shape, stride, paddedColumns, sums, at });
  }

  /** Write the sums of all kernels into `maps` (Y, X, O) of so many rows and columns. */
  into(maps, rows, columns) {
    const [outputs, inputs, ky, kx] = this.shape;
    const [strideY, strideX] = this.stride;
    const { found, sums } = this;
    const start = this.at * NUMBER, sumsAt = this.sumsAt * NUMBER;
    const line = kx * inputs * NUMBER, row = this.paddedColumns * inputs * NUMBER, column = strideX * inputs * NUMBER;
    for (let first = 0, weights = this.weightsAt; first < outputs; first += BLOCK, weights += this.block) {
      const channels = Math.min(BLOCK, outputs - first);
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x += BLOCK) {
          sums(start + y * strideY * row + x * column, weights * NUMBER, sumsAt, ky, line, row, column);
          const inside = Math.min(BLOCK, columns - x);
          for (let k = 0, to = (y * columns + x) * outputs + first; k < inside; k++, to += outputs) {
            for (let c = 0; c < channels; c++) maps[to + c] = found[k * BLOCK + c];
          }
        }
      }
    }
  }
}

/** Weights (O, C, kY, kX) in the order in which they are read: block of outputs, row, column, input, output. */
function blocked(kernel, [outputs, inputs, ky, kx]) {
  const blocks = Math.ceil(outputs / BLOCK);
  const found = new Float32Array(blocks * ky * kx * inputs * BLOCK);
  for (let o = 0; o < outputs; o++) {
    for (let c = 0; c < inputs; c++) {
      for (let y = 0; y < ky; y++) {
        for (let x = 0; x < kx; x++) {
          const place = ((Math.floor(o / BLOCK) * ky + y) * kx + x) * inputs + c;
          found[place * BLOCK + (o % BLOCK)] = kernel[((o * inputs + c) * ky + y) * kx + x];
        }
      }
    }
  }
  return found;
}
