// Real discrete Fourier transforms of one picture, the lanes being frames (or channels) that do not know each other.
//
// A picture x[r, c] of ROWS x COLUMNS lies on a circular grid of NY x NX points. Coordinates count from its middle,
// d = c - COLUMNS/2, and the sign of the exponent is
//
//     X[ky, kx] = sum_{r, c} x[r, c] exp(2 pi i (ky dy / NY + kx dx / NX)),     kx = 0..NX/2.
//
// Along one axis, with e[d] = x[d] + x[-d] and o[d] = x[d] - x[-d], it is C + i S,
//
//     C[k] = sum_d e[d] cos(2 pi k d / N),     S[k] = sum_d o[d] sin(2 pi k d / N),
//
// and since cos(2 pi (N/2 - k) d / N) = (-1)^d cos(2 pi k d / N), and the same but for the sign with the sine, even and
// odd d are summed apart for k up to N/4 only; the sum over even d is a transform of N/2 points again. Sums over k run
// the same way in reverse. All loops are unrolled, and factors 0 and 1 vanish, at compile time.
#pragma once
#include "vectors.h"

constexpr double PI = 3.14159265358979323846;

constexpr double cosine_series_at(double x) { // |x| <= pi/4
    double term = 1, total = 1;
    for (int j = 2; j < 24; j += 2) total += term *= -x * x / (j * (j - 1));
    return total;
}
constexpr double sine_series_at(double x) {
    double term = x, total = x;
    for (int j = 3; j < 24; j += 2) total += term *= -x * x / (j * (j - 1));
    return total;
}
// cos(2 pi j / n), exact where it is 0, 1/2 or 1.
constexpr double cosine(long j, long n) {
    j %= n;
    if (2 * j > n) j = n - j;
    if (4 * j > n) return -cosine(n - 2 * j, 2 * n);
    if (6 * j == n) return 0.5;
    return 8 * j > n ? sine_series_at(2 * PI * (n - 4 * j) / (4 * n)) : cosine_series_at(2 * PI * j / n);
}
constexpr double sine(long j, long n) { return cosine((4 * j + 3 * n) % (4 * n), 4 * n); }

// sum + x cos(2 pi J / N), and the same with the sine.
template <int NUMERATOR, int N>
INLINE V add_cosine(V sum, V x) {
    constexpr double factor = cosine(NUMERATOR, N);
    if constexpr (factor == 0) return sum;
    else if constexpr (factor == 1) return sum + x;
    else if constexpr (factor == -1) return sum - x;
    else return sum + x * broadcast(float(factor));
}
template <int NUMERATOR, int N>
INLINE V add_sine(V sum, V x) {
    return add_cosine<4 * NUMERATOR + 3 * N, 4 * N>(sum, x);
}

// c[k] = sum_{d = 0..M} e[d] cos(2 pi k d / N),  k = 0..N/2
template <int N, int M>
INLINE void cosine_sums(const V* e, V* c) {
    if constexpr (N % 2 || M == 0) {
        unroll<N / 2 + 1>([&](auto j) {
            constexpr int k = j;
            V total = e[0];
            unroll<M>([&](auto d) { total = add_cosine<k*(d + 1), N>(total, e[d + 1]); });
            c[k] = total;
        });
    } else {
        V even[M / 2 + 1], half[N / 4 + 1];
        unroll<M / 2 + 1>([&](auto d) { even[d] = e[2 * d]; });
        cosine_sums<N / 2, M / 2>(even, half);
        unroll<N / 4 + 1>([&](auto j) {
            constexpr int k = j;
            V odd = {};
            unroll<(M + 1) / 2>([&](auto d) { odd = add_cosine<k * (2 * d + 1), N>(odd, e[2 * d + 1]); });
            c[k] = half[k] + odd;
            c[N / 2 - k] = half[k] - odd;
        });
    }
}

// s[k] = sum_{d = 1..M} o[d] sin(2 pi k d / N),  0 < k < N/2
template <int N, int M>
INLINE void sine_sums(const V* o, V* s) {
    if constexpr (N % 2 || M < 2) {
        unroll<(N - 1) / 2>([&](auto j) {
            constexpr int k = j + 1;
            V total = {};
            unroll<M>([&](auto d) { total = add_sine<k*(d + 1), N>(total, o[d + 1]); });
            s[k] = total;
        });
    } else {
        V even[M / 2 + 1], half[N / 4 + 1] = {};
        unroll<M / 2>([&](auto d) { even[d + 1] = o[2 * d + 2]; });
        sine_sums<N / 2, M / 2>(even, half);
        unroll<N / 4>([&](auto j) {
            constexpr int k = j + 1;
            V odd = {};
            unroll<(M + 1) / 2>([&](auto d) { odd = add_sine<k * (2 * d + 1), N>(odd, o[2 * d + 1]); });
            if constexpr (4 * k == N) s[k] = odd;
            else {
                s[k] = odd + half[k];
                s[N / 2 - k] = odd - half[k];
            }
        });
    }
}

// a[d] = sum_{k = 0..N/2} p[k] cos(2 pi k d / N),  d = 0..M
template <int N, int M>
INLINE void cosine_series(const V* p, V* a) {
    if constexpr (N % 2 || M == 0) {
        unroll<M + 1>([&](auto j) {
            constexpr int d = j;
            V total = p[0];
            unroll<N / 2>([&](auto k) { total = add_cosine<(k + 1) * d, N>(total, p[k + 1]); });
            a[d] = total;
        });
    } else {
        V together[N / 4 + 1], apart[N / 4 + 1], even[M / 2 + 1];
        unroll<N / 4 + 1>([&](auto k) {
            together[k] = 4 * k == N ? p[k] : p[k] + p[N / 2 - k];
            apart[k] = 4 * k == N ? V{} : p[k] - p[N / 2 - k];
        });
        cosine_series<N / 2, M / 2>(together, even);
        unroll<M / 2 + 1>([&](auto d) { a[2 * d] = even[d]; });
        unroll<(M + 1) / 2>([&](auto j) {
            constexpr int d = 2 * j + 1;
            V total = {};
            unroll<N / 4 + 1>([&](auto k) { total = add_cosine<k * d, N>(total, apart[k]); });
            a[d] = total;
        });
    }
}

// b[d] = sum_{0 < k < N/2} q[k] sin(2 pi k d / N),  d = 1..M
template <int N, int M>
INLINE void sine_series(const V* q, V* b) {
    if constexpr (N % 2 || M < 2) {
        unroll<M>([&](auto j) {
            constexpr int d = j + 1;
            V total = {};
            unroll<(N - 1) / 2>([&](auto k) { total = add_sine<(k + 1) * d, N>(total, q[k + 1]); });
            b[d] = total;
        });
    } else {
        V together[N / 4 + 1], apart[N / 4 + 1], even[M / 2 + 1];
        unroll<N / 4>([&](auto j) {
            constexpr int k = j + 1;
            together[k] = 4 * k == N ? q[k] : q[k] + q[N / 2 - k];
            apart[k] = 4 * k == N ? V{} : q[k] - q[N / 2 - k];
        });
        sine_series<N / 2, M / 2>(apart, even);
        unroll<M / 2>([&](auto d) { b[2 * d + 2] = even[d + 1]; });
        unroll<(M + 1) / 2>([&](auto j) {
            constexpr int d = 2 * j + 1;
            V total = {};
            unroll<N / 4>([&](auto k) { total = add_sine<(k + 1) * d, N>(total, together[k + 1]); });
            b[d] = total;
        });
    }
}

// The picture x[0..SIZE-1] with distance STRIDE between its points to C and S.
template <int N, int SIZE>
INLINE void analyse(const V* x, int stride, V* c, V* s) {
    constexpr int M = SIZE / 2;
    V e[M + 1], o[M + 1] = {};
    e[0] = x[M * stride];
    unroll<M>([&](auto j) {
        constexpr int d = j + 1;
        const V low = x[(M - d) * stride];
        if constexpr (M + d < SIZE) {
            const V high = x[(M + d) * stride];
            e[d] = high + low, o[d] = high - low;
        } else {
            e[d] = low, o[d] = -low;
        }
    });
    cosine_sums<N, M>(e, c);
    sine_sums<N, M>(o, s);
}

// The reverse: x = sum_k p[k] cos + q[k] sin.
template <int N, int SIZE>
INLINE void synthesise(const V* p, const V* q, V* x, int stride) {
    constexpr int M = SIZE / 2;
    V a[M + 1], b[M + 1] = {};
    cosine_series<N, M>(p, a);
    sine_series<N, M>(q, b);
    x[M * stride] = a[0];
    unroll<M>([&](auto j) {
        constexpr int d = j + 1;
        x[(M - d) * stride] = a[d] - b[d];
        if constexpr (M + d < SIZE) x[(M + d) * stride] = a[d] + b[d];
    });
}
