// One clip forwards through a hidden layer:
//
//     u[t] = W * x[t]              a correlation over columns, as a product of spectra (plane.h, products.h)
//     v[t] = a v[t-1] + u[t]       along the lanes of each block (vectors.h)
//
// with a = exp(-dt/tau), b = 1 - a, and W = b gain w, which Python hands over as spectra.
#pragma once
#include "maps.h"
#include "products.h"
#include "workspace.h"

struct Forward {
    int32_t blocks, last_frames; // frames of the last block
    Input input;
    Maps output;
    const float* weights; // [FREQUENCIES][3][OUTPUTS][INPUTS], with the factors of the inverse transform
    const double* decay;  // a, [OUTPUTS]
    double* sums;         // of y and of y^2, [2][OUTPUTS]; null where nobody asks
};

struct ForwardWorkspace {
    Halfway halfway[MOST];         // first of the input, then of the output
    Spectrum<MOST> column[NY + 1]; // of the half spectrum: the input's from 1 on, the output's from 0 on
};

__attribute__((flatten, noinline)) static void input_to_halfway(const Input& input, int block, int i, int next,
                                                                Halfway& halfway) {
    const InputChannel channel(input, block, i);
    const V* soon = channel.y.v + next * POINTS; // of the channel that is next
    for (int row = 0; row < ROWS; row++) {
        V x[COLUMNS];
        unroll<COLUMNS>([&](auto c) {
            const int point = row * COLUMNS + c;
            fetch(soon + point);
            x[c] = channel[point];
        });
        row_to_halfway<COLUMNS>(x, 1, &halfway[0][row], ROWS);
    }
}

// Spectra of one column of the half spectrum, of one channel among CHANNELS.
template <int CHANNELS>
__attribute__((flatten, noinline)) static void to_column(int kx, const Halfway& halfway, Complex* spectrum) {
    to_spectrum<ROWS, 1, CHANNELS>(is_real(kx), halfway[kx], spectrum);
}
template <int CHANNELS>
__attribute__((flatten, noinline)) static void from_column(int kx, const Complex* spectrum, Halfway& halfway) {
    from_spectrum<ROWS, 1, CHANNELS>(is_real(kx), spectrum, halfway[kx]);
}

__attribute__((flatten, noinline)) static void integrate(const Forward& call, int block, int o,
                                                         const Halfway& halfway) {
    const Recurrence recurrence(call.decay[o]);
    const Filtered<OUTPUTS> filtered(call.output, block, o);
    const float* before = reinterpret_cast<const float*>(block_of<OUTPUTS>(call.output, block - 1, o)) + LANES - 1;
    V* v = const_cast<V*>(filtered.v);
    const Mask valid = first_lanes(block == call.blocks - 1 ? call.last_frames : LANES);
    V sum_y = {}, sum_y2 = {};
    for (int row = 0; row < ROWS; row++) {
        V u[COLUMNS];
        row_from_halfway<COLUMNS>(&halfway[0][row], ROWS, u);
        unroll<COLUMNS>([&](auto c) {
            const int point = row * COLUMNS + c;
            fetch(v + POINTS + point);
            v[point] = recurrence.forwards(u[c], before[point * LANES]);
            const V y = select(valid, filtered[point]);
            sum_y += y;
            sum_y2 += y * y;
        });
    }
    if (call.sums) call.sums[o] += sum(sum_y), call.sums[OUTPUTS + o] += sum(sum_y2);
}

extern "C" void forward(const Forward* call) {
    ForwardWorkspace& space = workspace<ForwardWorkspace>();
    for (int block = 0; block < call->blocks; block++) {
        for (int i = 0; i < INPUTS; i++) input_to_halfway(call->input, block, i, 1, space.halfway[i]);
        for (int kx = 0; kx < KX; kx++) { // all channels of a column stay in the nearest cache
            const float* weights = call->weights + size_t(first_frequency(kx)) * WEIGHTS;
            for (int i = 0; i < INPUTS; i++) to_column<MOST>(kx, space.halfway[i], &space.column[1][i]);
            for (int k = 0; k < frequencies(kx); k++)
                multiply(weights + k * WEIGHTS, space.column[k + 1], space.column[k]);
            for (int o = 0; o < OUTPUTS; o++) from_column<MOST>(kx, &space.column[0][o], space.halfway[o]);
        }
        for (int o = 0; o < OUTPUTS; o++) integrate(*call, block, o, space.halfway[o]);
    }
}
