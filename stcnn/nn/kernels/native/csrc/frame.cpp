// Evaluation of one hidden layer (frozen.h), one frame at a time: a vector holds the channels of one point.
//
// Maps are [point][channels, filled up to whole vectors]. At each frequency one input X after the other is multiplied with
// its weights to all outputs o, real parts and then imaginary parts in one row W of 2 OUTPUTS numbers:
//
//     P = sum W re X,   Q = sum W im X,   re Y[o] = P[o] - Q[OUTPUTS + o],   im Y[o] = Q[o] + P[OUTPUTS + o]
//
// Lanes beyond the last output hold anything on the way and zero in the maps. What comes out may overwrite what came in.
#include "frozen.h"
#include "interface.h"

#include <cstring>

constexpr int IN = vectors_of(INPUTS), OUT = vectors_of(OUTPUTS);  // vectors per point
constexpr int STEP = std::max(ROWS, OUT_ROWS) * std::max(IN, OUT); // from one kx to the next
constexpr int WHOLE = 2 * OUTPUTS / LANES,
              FOURS = (2 * OUTPUTS - WHOLE * LANES + 3) / 4; // vectors in a row, and the rest
constexpr int ROW = WHOLE * LANES + FOURS * 4;
constexpr int WEIGHTS =
    vectors_of(INPUTS * ROW) * LANES; // per frequency: [INPUTS][WHOLE][LANES], then [INPUTS][FOURS][4]

struct Workspace {
    Complex halfway[KX][STEP]; // [row][vector], first of the input, then of the output
    Complex column[NY][IN], out_column[NY][OUT];
    float products[NY][2][ROW]; // P and Q
    float behind[LANES];        // may be read, for lanes beyond the last output
};

__attribute__((flatten, noinline)) static void to_halfway(const V* x, Workspace& space) {
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < IN; i++)
            row_to_halfway<COLUMNS>(x + row * COLUMNS * IN + i, IN, &space.halfway[0][row * IN + i], STEP);
}

// P and Q at one frequency.
static INLINE void multiply(const float* w, const Complex* x, float* p, float* q) {
    V whole[2][WHOLE] = {};
    V4 fours[2][FOURS] = {};
    unroll<INPUTS>([&](auto i) {
        const float* here = reinterpret_cast<const float*>(x + i / LANES) + i % LANES; // re, and LANES further im
        const float *row = w + i * WHOLE * LANES, *rest = w + INPUTS * WHOLE * LANES + i * FOURS * 4;
        unroll<WHOLE>([&](auto k) {
            V w_k = reinterpret_cast<const V*>(row)[k];
            keep(w_k);
            whole[0][k] += w_k * broadcast(here[0]), whole[1][k] += w_k * broadcast(here[LANES]);
        });
        unroll<FOURS>([&](auto k) {
            V4 w_k = reinterpret_cast<const V4*>(rest)[k];
            keep(w_k);
            fours[0][k] += w_k * broadcast<V4>(here[0]), fours[1][k] += w_k * broadcast<V4>(here[LANES]);
        });
    });
    unroll<2>([&](auto part) {
        float* to = part == 0 ? p : q;
        std::memcpy(to, whole[part], sizeof whole[part]);
        std::memcpy(to + WHOLE * LANES, fours[part], sizeof fours[part]);
    });
}

__attribute__((flatten, noinline)) static void correlate_column(const FoldedLayer& layer, int kx, Workspace& space) {
    const float* weights = layer.weights + size_t(first_frequency(kx)) * WEIGHTS;
    for (int i = 0; i < IN; i++) to_spectrum<ROWS, IN, IN>(is_real(kx), &space.halfway[kx][i], &space.column[0][i]);
    for (int k = 0; k < frequencies(kx); k++)
        multiply(weights + k * WEIGHTS, space.column[k], space.products[k][0], space.products[k][1]);
    for (int k = 0; k < frequencies(kx); k++)
        for (int o = 0; o < OUT; o++) {
            const float *p = space.products[k][0] + o * LANES, *q = space.products[k][1] + o * LANES;
            space.out_column[k][o] = {load_unaligned(p) - load_unaligned(q + OUTPUTS),
                                      load_unaligned(q) + load_unaligned(p + OUTPUTS)};
        }
    if (kx == 0)
        for (int o = 0; o < OUT; o++) space.out_column[0][o].re += load_unaligned(layer.bias + o * LANES);
    for (int o = 0; o < OUT; o++)
        from_spectrum<OUT_ROWS, OUT, OUT>(is_real(kx), &space.out_column[0][o], &space.halfway[kx][o]);
}

__attribute__((flatten, noinline)) static void integrate(const FoldedLayer& layer, const Workspace& space, V* z) {
    const V slope = broadcast(layer.slope);
    for (int o = 0; o < OUT; o++) {
        const Mask outputs = first_lanes(OUTPUTS - o * LANES);
        const V leak = load_unaligned(layer.leak + o * LANES);
        V* last = reinterpret_cast<V*>(layer.last) + o;
        for (int row = 0; row < OUT_ROWS; row++) {
            V u[OUT_COLUMNS];
            row_from_halfway<OUT_COLUMNS>(&space.halfway[0][row * OUT + o], STEP, u);
            unroll<OUT_COLUMNS>([&](auto c) {
                const int place = (row * OUT_COLUMNS + c) * OUT;
                const V q = last[place] + (select(outputs, u[c]) - leak * last[place]);
                last[place] = q;
                z[place + o] = rectified(q, slope);
            });
        }
    }
}

// y of a kernel that ends, in place of what was rectified without regard to it.
static void take_back(const FoldedLayer& layer, int truncated, float* z) {
    const int channel = layer.past.channel[truncated];
    const float tail_weight = layer.past.tail_weight[truncated], start = layer.past.start[truncated];
    float* past = layer.past.row(0, truncated);
    for (int point = 0; point < OUT_POINTS; point++) {
        const float q = layer.last[point * PADDED + channel], y = q + past[point];
        z[point * PADDED + channel] = y > 0 ? y : y * layer.slope;
        past[point] = start - tail_weight * q;
    }
}

extern "C" void frame(FoldedLayer* layer, const float* input, float* output, int32_t, int64_t) {
    Workspace& space = *static_cast<Workspace*>(layer->space);
    to_halfway(reinterpret_cast<const V*>(input), space);
    for (int kx = 0; kx < KX; kx++) correlate_column(*layer, kx, space);
    integrate(*layer, space, reinterpret_cast<V*>(output));
    for (int truncated = 0; truncated < layer->past.channels; truncated++) take_back(*layer, truncated, output);
    layer->past.advance(1);
}

extern "C" int32_t lanes() { return LANES; }
SIZES(TruncationBuffer, FoldedLayer)
extern "C" int64_t workspace_size() { return sizeof(Workspace); }
