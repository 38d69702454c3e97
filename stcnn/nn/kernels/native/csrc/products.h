// Products of spectra at one frequency: Y = W X, and its adjoint dX = conj(W) Q.
//
// Three real products in place of four:
//
//     re Y = sum w0 (re X + im X) - w1 im X,   im Y = sum w0 (re X + im X) + w2 re X,
//     w0 = re W, w1 = re W + im W, w2 = im W - re W.
#pragma once
#include "plane.h"

constexpr int PAIRS = OUTPUTS * INPUTS, WEIGHTS = 3 * PAIRS; // per frequency
constexpr int TILE = REGISTERS == 32 ? 5 : 4;                // channels whose three sums stay in registers

template <int CHANNELS>
using Spectrum = Complex[CHANNELS]; // one frequency of all channels

// Calls f(first, count) for groups of at most MOST_OF of TOTAL channels, both constants.
template <int TOTAL, int MOST_OF, class F>
INLINE void tiles(F&& f) {
    constexpr int COUNT = (TOTAL + MOST_OF - 1) / MOST_OF, SIZE = (TOTAL + COUNT - 1) / COUNT;
    unroll<COUNT>([&](auto j) { f(Index<SIZE * j>{}, Index<std::min(SIZE, TOTAL - SIZE * j)>{}); });
}

// Y = W X at one frequency; w is [3][OUTPUTS][INPUTS].
static INLINE void multiply(const float* w, const Complex* x, Complex* y) {
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
