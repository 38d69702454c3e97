// Evaluation of one hidden layer (frozen.h), LANES frames at a time: a vector holds one channel and point in all of them.
//
// Maps are [channel][point][LANES]. What comes out may overwrite what came in. Only the integrators know of the block
// before; all else may run while another thread is still busy with that one.
#include "frozen.h"
#include "interface.h"
#include "products.h"
#include "turns.h"
#include "workspace.h"

constexpr int MOST = std::max(INPUTS, OUTPUTS);

struct Workspace {
    Complex halfway[INPUTS][KX][ROWS], out_halfway[OUTPUTS][KX][OUT_ROWS];
    Spectrum<MOST> column[NY + 1]; // of the half spectrum: the input's from 1 on, the output's from 0 on
};

__attribute__((flatten, noinline)) static void to_halfway(const V* x, Complex (*halfway)[ROWS]) {
    for (int row = 0; row < ROWS; row++) row_to_halfway<COLUMNS>(x + row * COLUMNS, 1, &halfway[0][row], ROWS);
}
__attribute__((flatten, noinline)) static void to_column(int kx, const Complex* z, Complex* spectrum) {
    to_spectrum<ROWS, 1, MOST>(is_real(kx), z, spectrum);
}
__attribute__((flatten, noinline)) static void from_column(int kx, const Complex* spectrum, Complex* z) {
    from_spectrum<OUT_ROWS, 1, MOST>(is_real(kx), spectrum, z);
}

// q of channel o, rectified if nothing is left to take back.
__attribute__((flatten, noinline)) static void
integrate(const FoldedLayer& layer, int o, const Complex (*halfway)[OUT_ROWS], int frames, bool finite, V* z) {
    const Recurrence recurrence(1 - double(layer.leak[o]));
    const V slope = broadcast(layer.slope);
    for (int row = 0; row < OUT_ROWS; row++) {
        V u[OUT_COLUMNS];
        row_from_halfway<OUT_COLUMNS>(&halfway[0][row], OUT_ROWS, u);
        unroll<OUT_COLUMNS>([&](auto c) {
            const int point = row * OUT_COLUMNS + c;
            float* last = layer.last + point * PADDED + o;
            const V q = recurrence.forwards(u[c], *last);
            *last = frames == LANES ? q[LANES - 1] : q[frames - 1];
            z[point] = finite ? q : rectified(q, slope);
        });
    }
}

// y of a kernel that ends, rectified: frame by frame, LANES points at a time.
static void take_back(const FoldedLayer& layer, int truncated, int frames, V* z) {
    const V tail_weight = broadcast(layer.past.tail_weight[truncated]), start = broadcast(layer.past.start[truncated]),
            slope = broadcast(layer.slope);
    for (int first = 0; first < OUT_POINTS; first += LANES) {
        const int count = std::min(LANES, OUT_POINTS - first);
        V y[LANES] = {};
        std::copy(z + first, z + first + count, y);
        transpose(y);
        for (int t = 0; t < frames; t++) {
            V* past = reinterpret_cast<V*>(layer.past.row(t, truncated) + first);
            const V q = y[t];
            y[t] = rectified(q + *past, slope);
            *past = start - tail_weight * q;
        }
        transpose(y);
        std::copy(y, y + count, z + first);
    }
}

extern "C" void blocks(FoldedLayer* layer, const float* input, float* output, int32_t frames, int64_t block) {
    Workspace& space = workspace<Workspace>();
    const V* x = reinterpret_cast<const V*>(input);
    V* z = reinterpret_cast<V*>(output);
    for (int i = 0; i < INPUTS; i++) to_halfway(x + i * POINTS, space.halfway[i]);
    for (int kx = 0; kx < KX; kx++) {
        const float* weights = layer->weights + size_t(first_frequency(kx)) * WEIGHTS;
        for (int i = 0; i < INPUTS; i++) to_column(kx, space.halfway[i][kx], &space.column[1][i]);
        for (int k = 0; k < frequencies(kx); k++) multiply(weights + k * WEIGHTS, space.column[k + 1], space.column[k]);
        if (kx == 0)
            for (int o = 0; o < OUTPUTS; o++) space.column[0][o].re += broadcast(layer->bias[o]);
        for (int o = 0; o < OUTPUTS; o++) from_column(kx, &space.column[0][o], space.out_halfway[o][kx]);
    }
    const TruncationBuffer& past = layer->past;
    wait_for(layer->done, block);
    for (int o = 0; o < OUTPUTS; o++) {
        const int truncated = int(std::find(past.channel, past.channel + past.channels, o) - past.channel);
        integrate(*layer, o, space.out_halfway[o], frames, truncated < past.channels, z + o * OUT_POINTS);
        if (truncated < past.channels) take_back(*layer, truncated, frames, z + o * OUT_POINTS);
    }
    past.advance(frames);
    pass_on(layer->done, block + 1);
}

extern "C" int32_t lanes() { return LANES; }
SIZES(TruncationBuffer, FoldedLayer)
