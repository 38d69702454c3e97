// One clip backwards through a hidden layer, from dz = dL/d(scale y + shift):
//
//     g[t] = dL/dy[t] = scale dz[t] + slope (y[t] - mean) + constant      (normalisation, see stcnn/nn/stack/engine.py)
//     p[t] = a p[t+1] + g[t],     q[t] = p[t] - r p[t+K] = dL/du[t]
//     dL/db = sum_t q[t] (v[t] - v[t-1]) / b,     dL/dr = -sum_t g[t] v[t-K]
//     dL/dX = conj(W) Q,     dL/dW = sum_t conj(Q) X                      (products.h)
//
// The last in three real products, for which lanes turn from frames into frequencies:
//
//     k0 = re Q (re X + im X),  k1 = (re Q + im Q) re X,  k2 = (re Q - im Q) im X,    conj(Q) X = k0 - k2 + i (k0 - k1).
#pragma once
#include "forward.h"

constexpr int CHUNKS = (FREQUENCIES + LANES - 1) / LANES; // of LANES frequencies
constexpr int PAIR_TILE = REGISTERS == 32 ? 5 : 3;        // pairs of that many channels stay in registers

struct Backward {
    int32_t blocks, last_frames;
    Input input;
    Maps output;
    const float* weights;
    const double* decay;
    const float* normalisation; // scale, mean, slope and constant of g, [4][OUTPUTS]
    const float* dz;            // [blocks][OUTPUTS][bottom - top][right - left][LANES], zero around this window
    int32_t top, bottom, left, right;
    float* after;       // p behind the last frame when called, p[0] when done, [OUTPUTS][POINTS]
    float* p;           // workspace for p like v; null for endless kernels
    const float* later; // p of `later_blocks` blocks behind the last
    int32_t later_blocks;
    float* d_weights;               // k0, k1, k2, [CHUNKS][3][OUTPUTS][INPUTS][LANES], added to
    double *d_leak, *d_tail_weight; // dL/db times b, dL/dr, [OUTPUTS], added to
    float* dz_below;                // [blocks][INPUTS][POINTS][LANES]; null for the first layer; may be the memory of v
    const float* mean_below;        // [INPUTS]
    double* sums_below;             // of dz and dz (y - mean) of the layer below, [2][INPUTS], added to
};

struct BackwardWorkspace {
    Halfway halfway;
    Spectrum<OUTPUTS> q[CHUNKS * LANES];
    Spectrum<INPUTS> x[CHUNKS * LANES]; // then of dx
};

static const V* later_block(const Backward& call, int block, int o) {
    const float* found = block < call.blocks ? call.p + size_t(block) * OUTPUTS * POINTS * LANES
                         : block - call.blocks < call.later_blocks
                             ? call.later + size_t(block - call.blocks) * OUTPUTS * POINTS * LANES
                             : nullptr;
    return found ? reinterpret_cast<const V*>(found) + o * POINTS : reinterpret_cast<const V*>(ZERO);
}

__attribute__((flatten, noinline)) static void adjoint_to_halfway(const Backward& call, int block, int o,
                                                                  Halfway& halfway) {
    const Recurrence recurrence(call.decay[o]);
    const Filtered<OUTPUTS> filtered(call.output, block, o);
    const V* v_before = block_of<OUTPUTS>(call.output, block - 1, o);
    const int taps = call.output.taps;
    const Delayed ahead{later_block(call, block + taps / LANES, o), later_block(call, block + taps / LANES + 1, o),
                        taps % LANES};
    const Mask valid = first_lanes(block == call.blocks - 1 ? call.last_frames : LANES);
    const V scale = broadcast(call.normalisation[o]), mean = broadcast(call.normalisation[OUTPUTS + o]);
    const V slope = broadcast(call.normalisation[2 * OUTPUTS + o]),
            constant = broadcast(call.normalisation[3 * OUTPUTS + o]);
    V* p = call.p ? reinterpret_cast<V*>(call.p) + (size_t(block) * OUTPUTS + o) * POINTS : nullptr;
    float* after = call.after + o * POINTS;
    const int width = call.right - call.left, height = call.bottom - call.top;
    const V* window = reinterpret_cast<const V*>(call.dz) + (size_t(block) * OUTPUTS + o) * height * width;
    V d_leak = {}, d_tail_weight = {};
    for (int row = 0; row < ROWS; row++) {
        const bool inside = row >= call.top && row < call.bottom;
        const V* dz = window + (row - call.top) * width - call.left;
        V q[COLUMNS];
        unroll<COLUMNS>([&](auto c) {
            const int point = row * COLUMNS + c;
            fetch(v_before - POINTS + point); // of the next channel
            fetch(dz - height * width + c);
            const V normalised = slope * (filtered[point] - mean) + constant;
            const V g =
                select(valid, inside && c >= call.left && c < call.right ? scale * dz[c] + normalised : normalised);
            q[c] = recurrence.backwards(g, after[point]);
            after[point] = q[c][0];
            if (filtered.finite) {
                fetch(filtered.old.first - POINTS + point);
                fetch(ahead.first - POINTS + point);
                fetch(p - POINTS + point);
                p[point] = q[c];
                q[c] -= filtered.tail_weight * ahead[point];
                d_tail_weight -= g * filtered.old[point];
            }
            d_leak += q[c] * (filtered.v[point] - from_lane<LANES - 1>(v_before[point], filtered.v[point]));
        });
        row_to_halfway<COLUMNS>(q, 1, &halfway[0][row], ROWS);
    }
    call.d_leak[o] += sum(d_leak);
    call.d_tail_weight[o] += sum(d_tail_weight);
}

__attribute__((flatten, noinline)) static void adjoint_below(const Backward& call, int block, int i,
                                                             const Halfway& halfway) {
    const InputChannel channel(call.input, block, i);
    const Mask valid = first_lanes(block == call.blocks - 1 ? call.last_frames : LANES);
    const V mean = broadcast(call.mean_below[i]);
    V* dz = reinterpret_cast<V*>(call.dz_below) + (size_t(block) * INPUTS + i) * POINTS;
    V sum_dz = {}, sum_dot = {};
    for (int row = 0; row < ROWS; row++) {
        V dx[COLUMNS];
        row_from_halfway<COLUMNS>(&halfway[0][row], ROWS, dx);
        unroll<COLUMNS>([&](auto c) {
            const int point = row * COLUMNS + c;
            const V y = channel.y[point];
            fetch(channel.y.v - POINTS + point); // of the next channel
            fetch(dz - POINTS + point);
            const V z = channel.scale * y + channel.shift;
            const V d = select(valid, z > V{} ? dx[c] : dx[c] * channel.slope);
            dz[point] = d;
            sum_dz += d;
            sum_dot += d * (y - mean);
        });
    }
    call.sums_below[i] += sum(sum_dz);
    call.sums_below[INPUTS + i] += sum(sum_dot);
}

template <int CHANNELS>
INLINE void to_frames(const Spectrum<CHANNELS>* spectra, int channel, Complex* frames) {
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

template <int CHANNELS>
static void to_spectra(const Halfway& halfway, int channel, Spectrum<CHANNELS>* spectra) {
    for (int kx = 0; kx < KX; kx++) to_column<CHANNELS>(kx, halfway, &spectra[first_frequency(kx)][channel]);
}
template <int CHANNELS>
static void from_spectra(const Spectrum<CHANNELS>* spectra, int channel, Halfway& halfway) {
    for (int kx = 0; kx < KX; kx++) from_column<CHANNELS>(kx, &spectra[first_frequency(kx)][channel], halfway);
}

extern "C" void backward(const Backward* call) {
    BackwardWorkspace& space = workspace<BackwardWorkspace>();
    for (int block = call->blocks - 1; block >= 0; block--) {
        for (int o = OUTPUTS - 1; o >= 0; o--) {
            adjoint_to_halfway(*call, block, o, space.halfway);
            to_spectra<OUTPUTS>(space.halfway, o, space.q);
        }
        for (int i = INPUTS - 1; i >= 0; i--) {
            input_to_halfway(call->input, block, i, -1, space.halfway);
            to_spectra<INPUTS>(space.halfway, i, space.x);
        }
        for (int chunk = 0; chunk < CHUNKS; chunk++)
            add_weight_gradient(space.q + chunk * LANES, space.x + chunk * LANES,
                                reinterpret_cast<V*>(call->d_weights) + chunk * WEIGHTS);
        if (!call->dz_below) continue;
        for (int f = 0; f < FREQUENCIES; f++) multiply_adjoint(call->weights + f * WEIGHTS, space.q[f], space.x[f]);
        for (int i = INPUTS - 1; i >= 0; i--) {
            from_spectra<INPUTS>(space.x, i, space.halfway);
            adjoint_below(*call, block, i, space.halfway);
        }
    }
}
