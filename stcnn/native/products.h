// Products of spectra at one frequency: Y = W X, its adjoint dX = conj(W) Q, and the gradient dW = sum_t conj(Q) X.
//
// Three real products in place of four:
//
//     re Y = sum w0 (re X + im X) - w1 im X,   im Y = sum w0 (re X + im X) + w2 re X,
//     w0 = re W, w1 = re W + im W, w2 = im W - re W;
//     k0 = re Q (re X + im X),  k1 = (re Q + im Q) re X,  k2 = (re Q - im Q) im X,    conj(Q) X = k0 - k2 + i (k0 - k1).
#pragma once
#include "plane.h"

constexpr int PAIRS = OUTPUTS * INPUTS, WEIGHTS = 3 * PAIRS; // per frequency
constexpr int TILE = REGISTERS == 32 ? 5 : 4;                // channels whose three sums stay in registers
constexpr int PAIR_TILE = REGISTERS == 32 ? 5 : 3;           // the same for all pairs of that many channels

template <int CHANNELS> using Spectrum = Complex[CHANNELS]; // one frequency of all channels

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
