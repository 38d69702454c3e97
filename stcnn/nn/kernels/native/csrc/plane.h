// Spectra of a picture of ROWS x COLUMNS on a circular grid of NY x NX points, first along its rows, then along columns.
//
//     halfway[kx, r] = sum_c x[r, c] exp(2 pi i kx dx / NX),      X[ky, kx] = sum_r halfway[kx, r] exp(2 pi i ky dy / NY)
//
// kx runs over the half spectrum, the rest being its conjugate. The first and the last of its columns (kx = 0, NX/2)
// are transforms of real numbers and are kept by half; the columns of all follow each other in memory.
//
// The geometry is given when a file is compiled: -DROWS=21 -DCOLUMNS=21 -DNY=24 -DNX=24 -DINPUTS=10 -DOUTPUTS=10
#pragma once
#include "fourier.h"

#include <algorithm>
#include <cstddef>

constexpr int KX = NX / 2 + 1; // columns of the half spectrum
constexpr int FREQUENCIES = 2 * (NY / 2 + 1) + (KX - 2) * NY;

constexpr bool is_real(int kx) { return kx == 0 || 2 * kx == NX; }
constexpr int frequencies(int kx) { return is_real(kx) ? NY / 2 + 1 : NY; }
constexpr int first_frequency(int kx) { return kx == 0 ? 0 : NY / 2 + 1 + (kx - 1) * NY; }

struct Complex {
    V re, im;
};

// One row of SIZE numbers, `stride` vectors apart, to halfway[kx * step], kx = 0..KX-1, and back.
template <int SIZE>
INLINE void row_to_halfway(const V* x, int stride, Complex* halfway, int step) {
    V c[KX], s[KX] = {};
    analyse<NX, SIZE>(x, stride, c, s);
    unroll<KX>([&](auto kx) {
        halfway[kx * step].re = c[kx];
        if (!is_real(kx)) halfway[kx * step].im = s[kx];
    });
}
template <int SIZE>
INLINE void row_from_halfway(const Complex* halfway, int step, V* x) {
    V p[KX], q[KX] = {};
    unroll<KX>([&](auto kx) {
        p[kx] = halfway[kx * step].re;
        if (!is_real(kx)) q[kx] = halfway[kx * step].im;
    });
    synthesise<NX, SIZE>(p, q, x, 1);
}

// One column of the half spectrum, SIZE numbers z[r * STRIDE], to spectrum[k * STEP] and back.
template <int SIZE, int STRIDE, int STEP>
INLINE void to_spectrum(bool real, const Complex* z, Complex* spectrum) {
    constexpr int HALF = NY / 2;
    V c[HALF + 1], s[HALF + 1] = {};
    analyse<NY, SIZE>(&z->re, 2 * STRIDE, c, s);
    if (real) {
        unroll<HALF + 1>([&](auto k) { spectrum[k * STEP] = {c[k], s[k]}; });
        return;
    }
    V ic[HALF + 1], is[HALF + 1] = {}; // i (ic + i is)
    analyse<NY, SIZE>(&z->im, 2 * STRIDE, ic, is);
    unroll<HALF + 1>([&](auto k) {
        spectrum[k * STEP] = {c[k] - is[k], s[k] + ic[k]};
        if (k > 0 && k < HALF) spectrum[(NY - k) % NY * STEP] = {c[k] + is[k], ic[k] - s[k]};
    });
}
template <int SIZE, int STRIDE, int STEP>
INLINE void from_spectrum(bool real, const Complex* spectrum, Complex* z) {
    constexpr int HALF = NY / 2;
    V p[HALF + 1], q[HALF + 1] = {};
    if (real) {
        unroll<HALF + 1>([&](auto k) { p[k] = spectrum[k * STEP].re, q[k] = spectrum[k * STEP].im; });
        synthesise<NY, SIZE>(p, q, &z->re, 2 * STRIDE);
        return;
    }
    V ip[HALF + 1], iq[HALF + 1] = {};
    unroll<HALF + 1>([&](auto k) {
        const Complex plus = spectrum[k * STEP], minus = spectrum[(NY - k) % NY * STEP];
        const bool single = k == 0 || k == HALF;
        p[k] = single ? plus.re : plus.re + minus.re, q[k] = plus.im - minus.im;
        ip[k] = single ? plus.im : plus.im + minus.im, iq[k] = minus.re - plus.re;
    });
    synthesise<NY, SIZE>(p, q, &z->re, 2 * STRIDE);
    synthesise<NY, SIZE>(ip, iq, &z->im, 2 * STRIDE);
}
