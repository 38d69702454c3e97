// One hidden layer of one clip, forwards and backwards: INPUTS maps of ROWS x COLUMNS in, OUTPUTS maps out.
//
// With a = exp(-dt/tau), b = 1 - a, r = exp(-K dt/tau) (0 for an endless kernel), all of them one per channel:
//
//     x[t] = rectifier(scale z[t] + shift)          z is y of the layer below, or the eye's maps as they are
//     v[t] = a v[t-1] + (W * x[t]),   W = b gain w  a correlation over columns
//     y[t] = v[t] - r v[t-K]
//
// LANES successive frames make a block, one vector for each channel and column: maps are [block][channel][row][column]
// [lane]. The correlation is a product of spectra (fourier.h), Y = W X with W[k] = sum_d w[d] exp(-2 pi i k d / N), in
// three real products instead of four:
//
//     re Y = sum w0 (re X + im X) - w1 im X,   im Y = sum w0 (re X + im X) + w2 re X,
//     w0 = re W, w1 = re W + im W, w2 = im W - re W.
//
// Spectra are worked on by column kx of the half spectrum, so that those of all channels stay in the nearest cache.
//
// Adjoint, with dz = dL/d(scale y + shift), backwards in time:
//
//     g[t] = dL/dy[t] = scale dz[t] + slope (y[t] - mean) + constant      (normalisation, see stcnn/nn/fused.py)
//     p[t] = a p[t+1] + g[t],     q[t] = p[t] - r p[t+K] = dL/d(W * x)[t]
//     dL/db = sum_t q[t] (v[t] - v[t-1]) / b,     dL/dr = -sum_t g[t] v[t-K]
//     dL/dX = conj(W) Q,     dL/dW = sum_t conj(Q) X
//
// the last again in three real products, for which lanes turn from frames into frequencies:
//
//     k0 = re Q (re X + im X),  k1 = (re Q + im Q) re X,  k2 = (re Q - im Q) im X,    conj(Q) X = k0 - k2 + i (k0 - k1).
#include "fourier.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <sys/mman.h>

// The geometry is given when this file is compiled: -DROWS=21 -DCOLUMNS=21 -DNY=24 -DNX=24 -DINPUTS=10 -DOUTPUTS=10
constexpr int POINTS = ROWS * COLUMNS, MOST = std::max(INPUTS, OUTPUTS);
constexpr int KX = NX / 2 + 1;                                // columns of the half spectrum; the first and the last
constexpr int FREQUENCIES = 2 * (NY / 2 + 1) + (KX - 2) * NY; // are those of real numbers and are kept by half
constexpr int PAIRS = OUTPUTS * INPUTS, WEIGHTS = 3 * PAIRS;   // per frequency
constexpr int CHUNKS = (FREQUENCIES + LANES - 1) / LANES;      // of LANES frequencies
constexpr int TILE = REGISTERS == 32 ? 5 : 4;                 // channels whose three sums stay in registers
constexpr int PAIR_TILE = REGISTERS == 32 ? 5 : 3;            // the same for all pairs of that many channels

constexpr bool is_real(int kx) { return kx == 0 || 2 * kx == NX; }
constexpr int frequencies(int kx) { return is_real(kx) ? NY / 2 + 1 : NY; }
constexpr int first_frequency(int kx) { return kx == 0 ? 0 : NY / 2 + 1 + (kx - 1) * NY; }

struct Complex { V re, im; };

using Halfway = Complex[KX][ROWS];                          // one channel, transformed along rows
template <int CHANNELS> using Spectrum = Complex[CHANNELS]; // one frequency of all channels

// Maps of one layer for one clip, as Python hands them over.
struct Maps {
    float* v;              // integrators [blocks][channels][POINTS][LANES]
    const float* earlier;  // the blocks before these, which clips may share; null if time begins here
    const float* rest;     // r, [channels]; null for endless kernels
    int32_t earlier_blocks, taps;
};

alignas(64) static float ZERO[MOST * POINTS * LANES];

// Vectors [POINTS] of one channel in one block, zero before time begins.
template <int CHANNELS> static const V* block_of(const Maps& maps, int block, int channel) {
    const float* found = block >= 0                       ? maps.v
                         : block + maps.earlier_blocks >= 0 ? maps.earlier + size_t(maps.earlier_blocks) * CHANNELS * POINTS * LANES
                                                            : nullptr;
    if (!found) return reinterpret_cast<const V*>(ZERO);
    return reinterpret_cast<const V*>(found) + (ptrdiff_t(block) * CHANNELS + channel) * POINTS;
}

// Vectors as they were `taps` frames ago (or will be, for negative ones).
struct Delayed {
    const V *first, *second;
    int offset;
    V operator[](int point) const {
        alignas(64) float both[2 * LANES];
        std::memcpy(both, first + point, sizeof(V));
        std::memcpy(both + LANES, second + point, sizeof(V));
        return load_unaligned(both + offset);
    }
};
template <int CHANNELS> static Delayed delayed(const Maps& maps, int block, int channel) {
    const int blocks = (maps.taps + LANES - 1) / LANES;
    return {block_of<CHANNELS>(maps, block - blocks, channel), block_of<CHANNELS>(maps, block - blocks + 1, channel),
            blocks * LANES - maps.taps};
}

// y of one channel in one block.
template <int CHANNELS> struct Filtered {
    const V* v;
    Delayed old;
    V rest;
    bool finite;
    Filtered(const Maps& maps, int block, int channel)
        : v(block_of<CHANNELS>(maps, block, channel)), old{}, rest{}, finite(maps.rest) {
        if (finite) old = delayed<CHANNELS>(maps, block, channel), rest = broadcast(maps.rest[channel]);
    }
    INLINE void row(int row, V* y) const {
        const int start = row * COLUMNS;
        unroll<COLUMNS>([&](auto c) { y[c] = v[start + c]; });
        if (finite)
            for (int c = 0; c < COLUMNS; c++) y[c] -= rest * old[start + c];
    }
};

// What a layer reads: the maps below with their normalisation and rectifier.
struct Input {
    Maps maps;
    const float *scale, *shift; // [INPUTS]; null: taken as they are
    float slope;                // of the rectifier for negative values
};

struct InputChannel {
    Filtered<INPUTS> y;
    bool plain;
    V scale, shift, slope;
    InputChannel(const Input& input, int block, int channel)
        : y(input.maps, block, channel), plain(!input.scale), scale{}, shift{}, slope(broadcast(input.slope)) {
        if (!plain) scale = broadcast(input.scale[channel]), shift = broadcast(input.shift[channel]);
    }
    INLINE void row(int row, V* x) const {
        y.row(row, x);
        if (plain) return;
        unroll<COLUMNS>([&](auto c) {
            const V z = scale * x[c] + shift;
            x[c] = z > V{} ? z : z * slope;
        });
    }
};

// Lanes of the frames that exist; only a last block can have others.
static Mask valid_lanes(int frames) {
    Mask mask;
    for (int j = 0; j < LANES; j++) mask[j] = j < frames ? -1 : 0;
    return mask;
}

// ---- transforms of one channel ------------------------------------------------------------------------------------

INLINE void row_to_halfway(const V* x, Halfway& halfway, int row) {
    V c[NX / 2 + 1], s[NX / 2 + 1] = {};
    analyse<NX, COLUMNS>(x, 1, c, s);
    unroll<KX>([&](auto kx) {
        halfway[kx][row].re = c[kx];
        if (!is_real(kx)) halfway[kx][row].im = s[kx];
    });
}

INLINE void row_from_halfway(const Halfway& halfway, int row, V* x) {
    V p[NX / 2 + 1], q[NX / 2 + 1] = {};
    unroll<KX>([&](auto kx) {
        p[kx] = halfway[kx][row].re;
        if (!is_real(kx)) q[kx] = halfway[kx][row].im;
    });
    synthesise<NX, COLUMNS>(p, q, x, 1);
}

template <int CHANNELS>
__attribute__((flatten, noinline)) static void to_spectra(const Halfway& halfway, int channel, Spectrum<CHANNELS>* spectra) {
    constexpr int HALF = NY / 2;
    for (int kx = 0; kx < KX; kx++) {
        const Complex* z = halfway[kx];
        Spectrum<CHANNELS>* column = spectra + first_frequency(kx);
        V c[HALF + 1], s[HALF + 1] = {};
        analyse<NY, ROWS>(&z->re, 2, c, s);
        if (is_real(kx)) {
            unroll<HALF + 1>([&](auto k) { column[k][channel] = {c[k], s[k]}; });
            continue;
        }
        V ic[HALF + 1], is[HALF + 1] = {}; // i (ic + i is)
        analyse<NY, ROWS>(&z->im, 2, ic, is);
        unroll<HALF + 1>([&](auto k) {
            column[k][channel] = {c[k] - is[k], s[k] + ic[k]};
            if (k > 0 && k < HALF) column[(NY - k) % NY][channel] = {c[k] + is[k], ic[k] - s[k]};
        });
    }
}

template <int CHANNELS>
__attribute__((flatten, noinline)) static void from_spectra(const Spectrum<CHANNELS>* spectra, int channel, Halfway& halfway) {
    constexpr int HALF = NY / 2;
    for (int kx = 0; kx < KX; kx++) {
        Complex* z = halfway[kx];
        const Spectrum<CHANNELS>* column = spectra + first_frequency(kx);
        V p[HALF + 1], q[HALF + 1] = {};
        if (is_real(kx)) {
            unroll<HALF + 1>([&](auto k) { p[k] = column[k][channel].re, q[k] = column[k][channel].im; });
            synthesise<NY, ROWS>(p, q, &z->re, 2);
            continue;
        }
        V ip[HALF + 1], iq[HALF + 1] = {};
        unroll<HALF + 1>([&](auto k) {
            const Complex plus = column[k][channel], minus = column[(NY - k) % NY][channel];
            const bool single = k == 0 || k == HALF;
            p[k] = single ? plus.re : plus.re + minus.re, q[k] = plus.im - minus.im;
            ip[k] = single ? plus.im : plus.im + minus.im, iq[k] = minus.re - plus.re;
        });
        synthesise<NY, ROWS>(p, q, &z->re, 2);
        synthesise<NY, ROWS>(ip, iq, &z->im, 2);
    }
}

// ---- products of spectra ------------------------------------------------------------------------------------------

// Calls f(first, count) for groups of at most MOST_OF of TOTAL channels, both constants.
template <int TOTAL, int MOST_OF, class F> INLINE void tiles(F&& f) {
    constexpr int COUNT = (TOTAL + MOST_OF - 1) / MOST_OF, SIZE = (TOTAL + COUNT - 1) / COUNT;
    unroll<COUNT>([&](auto j) { f(Index<SIZE * j>{}, Index<std::min(SIZE, TOTAL - SIZE * j)>{}); });
}

// Y = W X at one frequency, which may be the same memory; w is [3][OUTPUTS][INPUTS].
static INLINE void multiply(const float* w, const Complex* x, Complex* result) {
    Complex y[OUTPUTS];
    tiles<OUTPUTS, TILE>([&](auto first, auto count) {
        V k0[count] = {}, k1[count] = {}, k2[count] = {};
        for (int i = 0; i < INPUTS; i++) {
            const V both = x[i].re + x[i].im;
            unroll<count>([&](auto o) {
                const float* wi = w + (first + o) * INPUTS + i;
                k0[o] += broadcast(wi[0]) * both;
                k1[o] += broadcast(wi[PAIRS]) * x[i].im;
                k2[o] += broadcast(wi[2 * PAIRS]) * x[i].re;
            });
        }
        unroll<count>([&](auto o) { y[first + o] = {k0[o] - k1[o], k0[o] + k2[o]}; });
    });
    std::copy(y, y + OUTPUTS, result);
}

// dX = conj(W) Q at one frequency.
static INLINE void multiply_adjoint(const float* w, const Complex* q, Complex* dx) {
    tiles<INPUTS, TILE>([&](auto first, auto count) {
        V k0[count] = {}, k1[count] = {}, k2[count] = {};
        for (int o = 0; o < OUTPUTS; o++) {
            const V both = q[o].re + q[o].im;
            unroll<count>([&](auto i) {
                const float* wi = w + o * INPUTS + first + i;
                k0[i] += broadcast(wi[0]) * both;
                k1[i] += broadcast(wi[PAIRS]) * q[o].re;
                k2[i] += broadcast(wi[2 * PAIRS]) * q[o].im;
            });
        }
        unroll<count>([&](auto i) { dx[first + i] = {k0[i] + k2[i], k0[i] - k1[i]}; });
    });
}

// ---- one clip forwards --------------------------------------------------------------------------------------------

struct Forward {
    int32_t blocks, last_frames; // frames of the last block
    Input input;
    Maps output;
    const float* weights;        // [FREQUENCIES][3][OUTPUTS][INPUTS], with the factors of the inverse transform
    const double* decay;         // a, [OUTPUTS]
    double* sums;                // of y and of y^2, [2][OUTPUTS]; null where nobody asks
};

struct ForwardRoom {
    Halfway halfway;
    Spectrum<MOST> spectra[FREQUENCIES]; // first of the input, then of the output
};

// Memory that stays with the thread, so that its pages are touched once; on large pages where there are any.
template <class Room> static Room& room() {
    constexpr size_t PAGE = size_t(2) << 20, SIZE = (sizeof(Room) + PAGE - 1) / PAGE * PAGE;
    struct Free { void operator()(void* memory) const { std::free(memory); } };
    static thread_local const std::unique_ptr<void, Free> own([] {
        void* memory = std::aligned_alloc(PAGE, SIZE);
        if (!memory) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
        madvise(memory, SIZE, MADV_HUGEPAGE);
#endif
        return std::memset(memory, 0, SIZE);
    }());
    return *static_cast<Room*>(own.get());
}

__attribute__((flatten, noinline)) static void input_to_halfway(const Input& input, int block, int i, Halfway& halfway) {
    const InputChannel channel(input, block, i);
    for (int row = 0; row < ROWS; row++) {
        V x[COLUMNS];
        channel.row(row, x);
        row_to_halfway(x, halfway, row);
    }
}

template <int ROOM>
static void input_to_spectra(const Input& input, int block, Halfway& halfway, Spectrum<ROOM>* spectra) {
    for (int i = 0; i < INPUTS; i++) {
        input_to_halfway(input, block, i, halfway);
        to_spectra<ROOM>(halfway, i, spectra);
    }
}

__attribute__((flatten, noinline)) static void integrate(const Forward& call, int block, int o, const Halfway& halfway) {
    const Recurrence recurrence(call.decay[o]);
    const Filtered<OUTPUTS> filtered(call.output, block, o);
    const float* before = reinterpret_cast<const float*>(block_of<OUTPUTS>(call.output, block - 1, o)) + LANES - 1;
    V* v = const_cast<V*>(filtered.v);
    const Mask valid = valid_lanes(block == call.blocks - 1 ? call.last_frames : LANES);
    V sum_y = {}, sum_y2 = {};
    for (int row = 0; row < ROWS; row++) {
        V u[COLUMNS], y[COLUMNS];
        row_from_halfway(halfway, row, u);
        unroll<COLUMNS>([&](auto c) {
            const int point = row * COLUMNS + c;
            v[point] = recurrence.forwards(u[c], before[point * LANES]);
        });
        if (!call.sums) continue;
        filtered.row(row, y);
        unroll<COLUMNS>([&](auto c) {
            const V known = select(valid, y[c]);
            sum_y += known;
            sum_y2 += known * known;
        });
    }
    if (call.sums) call.sums[o] += sum(sum_y), call.sums[OUTPUTS + o] += sum(sum_y2);
}

extern "C" void forward(const Forward* call) {
    ForwardRoom& room = ::room<ForwardRoom>();
    for (int block = 0; block < call->blocks; block++) {
        input_to_spectra<MOST>(call->input, block, room.halfway, room.spectra);
        for (int f = 0; f < FREQUENCIES; f++) multiply(call->weights + f * WEIGHTS, room.spectra[f], room.spectra[f]);
        for (int o = 0; o < OUTPUTS; o++) {
            from_spectra<MOST>(room.spectra, o, room.halfway);
            integrate(*call, block, o, room.halfway);
        }
    }
}

// ---- one clip backwards -------------------------------------------------------------------------------------------

struct Backward {
    int32_t blocks, last_frames;
    Input input;
    Maps output;
    const float* weights;
    const double* decay;
    const float* normalisation;  // scale, mean, slope and constant of g, [4][OUTPUTS]
    const float* dz;             // [blocks][OUTPUTS][bottom - top][right - left][LANES], zero around this window
    int32_t top, bottom, left, right;
    float* after;                // p behind the last frame when called, p[0] when done, [OUTPUTS][POINTS]
    float* p;                    // room for p like v; null for endless kernels
    const float* later;          // p of `later_blocks` blocks behind the last
    int32_t later_blocks;
    float* d_weights;            // k0, k1, k2, [CHUNKS][3][OUTPUTS][INPUTS][LANES], added to
    double *d_leak, *d_rest;     // dL/db times b, dL/dr, [OUTPUTS], added to
    float* dz_below;             // [blocks][INPUTS][POINTS][LANES]; null for the first layer; may be the memory of v
    const float* mean_below;     // [INPUTS]
    double* sums_below;          // of dz and dz (y - mean) of the layer below, [2][INPUTS], added to
};

struct BackwardRoom {
    Halfway halfway;
    Spectrum<OUTPUTS> q[CHUNKS * LANES];
    Spectrum<INPUTS> x[CHUNKS * LANES]; // then of dx
};

static const V* later_block(const Backward& call, int block, int o) {
    const float* found = block < call.blocks                       ? call.p + size_t(block) * OUTPUTS * POINTS * LANES
                         : block - call.blocks < call.later_blocks ? call.later + size_t(block - call.blocks) * OUTPUTS * POINTS * LANES
                                                                   : nullptr;
    return found ? reinterpret_cast<const V*>(found) + o * POINTS : reinterpret_cast<const V*>(ZERO);
}

static INLINE void window_row(const Backward& call, int block, int o, int row, V* dz) {
    unroll<COLUMNS>([&](auto c) { dz[c] = V{}; });
    if (row < call.top || row >= call.bottom) return;
    const int width = call.right - call.left, height = call.bottom - call.top;
    const V* inside = reinterpret_cast<const V*>(call.dz) + ((size_t(block) * OUTPUTS + o) * height + row - call.top) * width;
    for (int c = 0; c < width; c++) dz[call.left + c] = inside[c];
}

__attribute__((flatten, noinline)) static void adjoint_to_halfway(const Backward& call, int block, int o, Halfway& halfway) {
    const Recurrence recurrence(call.decay[o]);
    const Filtered<OUTPUTS> filtered(call.output, block, o);
    const V* v_before = block_of<OUTPUTS>(call.output, block - 1, o);
    const int taps = call.output.taps;
    const Delayed ahead{later_block(call, block + taps / LANES, o), later_block(call, block + taps / LANES + 1, o), taps % LANES};
    const Mask valid = valid_lanes(block == call.blocks - 1 ? call.last_frames : LANES);
    const V scale = broadcast(call.normalisation[o]), mean = broadcast(call.normalisation[OUTPUTS + o]);
    const V slope = broadcast(call.normalisation[2 * OUTPUTS + o]), constant = broadcast(call.normalisation[3 * OUTPUTS + o]);
    V* p = call.p ? reinterpret_cast<V*>(call.p) + (size_t(block) * OUTPUTS + o) * POINTS : nullptr;
    float* after = call.after + o * POINTS;
    V d_leak = {}, d_rest = {};
    for (int row = 0; row < ROWS; row++) {
        V dz[COLUMNS], y[COLUMNS], q[COLUMNS];
        window_row(call, block, o, row, dz);
        filtered.row(row, y);
        unroll<COLUMNS>([&](auto c) {
            const int point = row * COLUMNS + c;
            dz[c] = select(valid, scale * dz[c] + (slope * (y[c] - mean) + constant));
            q[c] = recurrence.backwards(dz[c], after[point]);
            after[point] = q[c][0];
        });
        if (filtered.finite) {
            unroll<COLUMNS>([&](auto c) { p[row * COLUMNS + c] = q[c]; });
            for (int c = 0; c < COLUMNS; c++) {
                const int point = row * COLUMNS + c;
                q[c] -= filtered.rest * ahead[point];
                d_rest -= dz[c] * filtered.old[point];
            }
        }
        unroll<COLUMNS>([&](auto c) {
            const int point = row * COLUMNS + c;
            d_leak += q[c] * (filtered.v[point] - from_lane<LANES - 1>(v_before[point], filtered.v[point]));
        });
        row_to_halfway(q, halfway, row);
    }
    call.d_leak[o] += sum(d_leak);
    call.d_rest[o] += sum(d_rest);
}

__attribute__((flatten, noinline)) static void adjoint_below(const Backward& call, int block, int i, const Halfway& halfway) {
    const InputChannel channel(call.input, block, i);
    const Mask valid = valid_lanes(block == call.blocks - 1 ? call.last_frames : LANES);
    const V mean = broadcast(call.mean_below[i]);
    V* dz = reinterpret_cast<V*>(call.dz_below) + (size_t(block) * INPUTS + i) * POINTS;
    V sum_dz = {}, sum_dot = {};
    for (int row = 0; row < ROWS; row++) {
        V dx[COLUMNS], y[COLUMNS];
        row_from_halfway(halfway, row, dx);
        channel.y.row(row, y);
        unroll<COLUMNS>([&](auto c) {
            const V z = channel.scale * y[c] + channel.shift;
            const V d = select(valid, z > V{} ? dx[c] : dx[c] * channel.slope);
            dz[row * COLUMNS + c] = d;
            sum_dz += d;
            sum_dot += d * (y[c] - mean);
        });
    }
    call.sums_below[i] += sum(sum_dz);
    call.sums_below[INPUTS + i] += sum(sum_dot);
}

template <int CHANNELS> INLINE void to_frames(const Spectrum<CHANNELS>* spectra, int channel, Complex* frames) {
    V re[LANES], im[LANES];
    unroll<LANES>([&](auto f) { re[f] = spectra[f][channel].re, im[f] = spectra[f][channel].im; });
    transpose(re);
    transpose(im);
    unroll<LANES>([&](auto t) { frames[t] = {re[t], im[t]}; });
}

// d[3][OUTPUTS][INPUTS][LANES] += k0, k1, k2 summed over the frames of the block, at LANES frequencies.
__attribute__((flatten, noinline)) static void add_weight_gradient(const Spectrum<OUTPUTS>* q_spectra,
                                                                   const Spectrum<INPUTS>* x_spectra, V* d) {
    Complex q[OUTPUTS][LANES], x[INPUTS][LANES];
    for (int o = 0; o < OUTPUTS; o++) to_frames(q_spectra, o, q[o]);
    for (int i = 0; i < INPUTS; i++) to_frames(x_spectra, i, x[i]);
    tiles<OUTPUTS, PAIR_TILE>([&](auto o, auto n_o) {
        tiles<INPUTS, PAIR_TILE>([&](auto i, auto n_i) {
            constexpr int LEFT = n_o, RIGHT = n_i;
            unroll<3>([&](auto kind) {
                V pairs[LEFT][RIGHT] = {};
                for (int t = 0; t < LANES; t++) {
                    V right[RIGHT];
                    unroll<RIGHT>([&](auto w) {
                        const Complex z = x[i + w][t];
                        right[w] = kind == 0 ? z.re + z.im : kind == 1 ? z.re : z.im;
                    });
                    unroll<LEFT>([&](auto u) {
                        const Complex z = q[o + u][t];
                        const V left = kind == 0 ? z.re : kind == 1 ? z.re + z.im : z.re - z.im;
                        unroll<RIGHT>([&](auto w) { pairs[u][w] += left * right[w]; });
                    });
                }
                unroll<LEFT>([&](auto u) {
                    unroll<RIGHT>([&](auto w) { d[kind * PAIRS + (o + u) * INPUTS + i + w] += pairs[u][w]; });
                });
            });
        });
    });
}

extern "C" void backward(const Backward* call) {
    BackwardRoom& room = ::room<BackwardRoom>();
    for (int block = call->blocks - 1; block >= 0; block--) {
        for (int o = 0; o < OUTPUTS; o++) {
            adjoint_to_halfway(*call, block, o, room.halfway);
            to_spectra<OUTPUTS>(room.halfway, o, room.q);
        }
        input_to_spectra<INPUTS>(call->input, block, room.halfway, room.x);
        for (int chunk = 0; chunk < CHUNKS; chunk++)
            add_weight_gradient(room.q + chunk * LANES, room.x + chunk * LANES,
                                reinterpret_cast<V*>(call->d_weights) + chunk * WEIGHTS);
        if (!call->dz_below) continue;
        for (int f = 0; f < FREQUENCIES; f++) multiply_adjoint(call->weights + f * WEIGHTS, room.q[f], room.x[f]);
        for (int i = 0; i < INPUTS; i++) {
            from_spectra<INPUTS>(room.x, i, room.halfway);
            adjoint_below(*call, block, i, room.halfway);
        }
    }
}

// ---- what the readouts see of one clip -----------------------------------------------------------------------------

struct Window {
    int32_t blocks, last_frames;
    Maps output;
    const float *scale, *shift, *mean; // [OUTPUTS]
    int32_t top, bottom, left, right;
    float* frames;                     // scale y + shift, or its adjoint: [frame][row][column][OUTPUTS]
    int64_t stride;                    // from frame to frame
    float* dz;                         // [blocks][OUTPUTS][row][column][LANES]
    double* sums;                      // of dz and dz (y - mean), [2][OUTPUTS], added to
};

// Calls f(first channel, number of channels, y[channel], point in the window, first of its numbers in each frame).
template <class F> INLINE void each_window_point(const Window& call, int block, F&& f) {
    const int width = call.right - call.left;
    tiles<OUTPUTS, LANES>([&](auto first, auto count) {
        for (int row = call.top; row < call.bottom; row++) {
            V y[count][COLUMNS], here[count];
            unroll<count>([&](auto c) { Filtered<OUTPUTS>(call.output, block, first + c).row(row, y[c]); });
            for (int column = call.left; column < call.right; column++) {
                const int point = (row - call.top) * width + column - call.left;
                unroll<count>([&](auto c) { here[c] = y[c][column]; });
                f(first, count, here, point, call.frames + ptrdiff_t(block) * LANES * call.stride + point * OUTPUTS + first);
            }
        }
    });
}

extern "C" void read_window(const Window* call) {
    for (int block = 0; block < call->blocks; block++) {
        const int frames = block == call->blocks - 1 ? call->last_frames : LANES;
        each_window_point(*call, block, [&](auto first, auto count, const V* y, int, float* to) {
            V z[LANES] = {};
            unroll<count>([&](auto c) { z[c] = broadcast(call->scale[first + c]) * y[c] + broadcast(call->shift[first + c]); });
            transpose(z);
            for (int t = 0; t < frames; t++) std::memcpy(to + t * call->stride, &z[t], count * sizeof(float));
        });
    }
}

extern "C" void adjoint_of_window(const Window* call) {
    const int points = (call->bottom - call->top) * (call->right - call->left);
    for (int block = 0; block < call->blocks; block++) {
        const int frames = block == call->blocks - 1 ? call->last_frames : LANES;
        V sum_dz[OUTPUTS] = {}, sum_dot[OUTPUTS] = {};
        V* dz = reinterpret_cast<V*>(call->dz) + size_t(block) * OUTPUTS * points;
        each_window_point(*call, block, [&](auto first, auto count, const V* y, int point, const float* from) {
            V d[LANES] = {};
            for (int t = 0; t < frames; t++) std::memcpy(&d[t], from + t * call->stride, count * sizeof(float));
            transpose(d);
            unroll<count>([&](auto c) {
                dz[(first + c) * points + point] = d[c];
                sum_dz[first + c] += d[c];
                sum_dot[first + c] += d[c] * (y[c] - broadcast(call->mean[first + c]));
            });
        });
        for (int o = 0; o < OUTPUTS; o++) call->sums[o] += sum(sum_dz[o]), call->sums[OUTPUTS + o] += sum(sum_dot[o]);
    }
}

extern "C" int32_t lanes() { return LANES; }
