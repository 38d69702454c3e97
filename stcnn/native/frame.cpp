// Evaluation of one hidden layer (frozen.h), one frame at a time: a vector holds the channels of one point.
//
// Maps are [point][channels, filled up to whole vectors]. At each frequency one input after the other is multiplied with
// its weights to all outputs, which follow each other in memory; what a vector reads beyond the last of them ends up in
// lanes that nobody looks at.
#include "frozen.h"
#include "room.h"

constexpr int IN = vectors_of(INPUTS), OUT = vectors_of(OUTPUTS); // vectors per point
constexpr int WEIGHTS = 2 * INPUTS * OUTPUTS;                      // per frequency

struct Room {
    Complex halfway[KX][ROWS][IN], out_halfway[KX][OUT_ROWS][OUT];
    Complex column[NY][IN], out_column[NY][OUT];
};

__attribute__((flatten, noinline)) static void to_halfway(const V* x, Room& room) {
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < IN; i++) row_to_halfway<COLUMNS>(x + row * COLUMNS * IN + i, IN, &room.halfway[0][row][i], ROWS * IN);
}

// Y = W X at one frequency; w is [INPUTS][re, im][OUTPUTS].
static INLINE void multiply(const float* w, const Complex* x, Complex* y) {
    V rr[OUT] = {}, ii[OUT] = {}, ri[OUT] = {}, ir[OUT] = {};
    unroll<INPUTS>([&](auto i) {
        const V re = broadcast(x[i / LANES].re[i % LANES]), im = broadcast(x[i / LANES].im[i % LANES]);
        unroll<OUT>([&](auto o) {
            const V w_re = load_unaligned(w + 2 * i * OUTPUTS + o * LANES);
            const V w_im = load_unaligned(w + (2 * i + 1) * OUTPUTS + o * LANES);
            rr[o] += w_re * re, ii[o] += w_im * im, ri[o] += w_re * im, ir[o] += w_im * re;
        });
    });
    unroll<OUT>([&](auto o) { y[o] = {rr[o] - ii[o], ri[o] + ir[o]}; });
}

__attribute__((flatten, noinline)) static void correlate_column(const Frozen& layer, int kx, Room& room) {
    const float* weights = layer.weights + size_t(first_frequency(kx)) * WEIGHTS;
    for (int i = 0; i < IN; i++) to_spectrum<ROWS, IN, IN>(is_real(kx), &room.halfway[kx][0][i], &room.column[0][i]);
    for (int k = 0; k < frequencies(kx); k++) multiply(weights + k * WEIGHTS, room.column[k], room.out_column[k]);
    if (kx == 0)
        for (int o = 0; o < OUT; o++) room.out_column[0][o].re += load_unaligned(layer.bias + o * LANES);
    for (int o = 0; o < OUT; o++)
        from_spectrum<OUT_ROWS, OUT, OUT>(is_real(kx), &room.out_column[0][o], &room.out_halfway[kx][0][o]);
}

__attribute__((flatten, noinline)) static void integrate(const Frozen& layer, const Room& room, V* z) {
    const V slope = broadcast(layer.slope);
    for (int o = 0; o < OUT; o++) {
        const V leak = load_unaligned(layer.leak + o * LANES);
        V* last = reinterpret_cast<V*>(layer.last) + o;
        for (int row = 0; row < OUT_ROWS; row++) {
            V u[OUT_COLUMNS];
            row_from_halfway<OUT_COLUMNS>(&room.out_halfway[0][row][o], OUT_ROWS * OUT, u);
            unroll<OUT_COLUMNS>([&](auto c) {
                const int place = (row * OUT_COLUMNS + c) * OUT;
                const V q = last[place] + (u[c] - leak * last[place]);
                last[place] = q;
                z[place + o] = rectified(q, slope);
            });
        }
    }
}

// y of a kernel that ends, in place of what was rectified without regard to it.
static void take_back(const Frozen& layer, int late, float* z) {
    const int channel = layer.past.channel[late];
    const float rest = layer.past.rest[late], start = layer.past.start[late];
    float* past = layer.past.row(0, late);
    for (int point = 0; point < OUT_POINTS; point++) {
        const float q = layer.last[point * PADDED + channel], y = q + past[point];
        z[point * PADDED + channel] = y > 0 ? y : y * layer.slope;
        past[point] = start - rest * q;
    }
}

extern "C" void frame(Frozen* layer, const float* input, float* output, int32_t, int64_t) {
    Room& room = ::room<Room>();
    to_halfway(reinterpret_cast<const V*>(input), room);
    for (int kx = 0; kx < KX; kx++) correlate_column(*layer, kx, room);
    integrate(*layer, room, reinterpret_cast<V*>(output));
    for (int late = 0; late < layer->past.channels; late++) take_back(*layer, late, output);
    layer->past.advance(1);
}

extern "C" int32_t lanes() { return LANES; }
