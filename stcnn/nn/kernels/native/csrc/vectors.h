// Vectors of as many floats as one register of this machine holds, from the vector extensions of GCC and Clang.
//
// Everything else is written for any LANES: 16 with AVX-512, 8 with AVX, 4 with NEON and SSE.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__AVX512F__)
constexpr int LANES = 16, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int LANES = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int LANES = 4, REGISTERS = 32;
#else
constexpr int LANES = 4, REGISTERS = 16;
#endif

typedef float V __attribute__((vector_size(4 * LANES)));
typedef int32_t Mask __attribute__((vector_size(4 * LANES))); // -1 where true, 0 elsewhere
typedef float V4 __attribute__((vector_size(16)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#define INLINE inline __attribute__((always_inline))

template <class W>
INLINE W broadcast(float x) {
    return x - W{};
}
INLINE V broadcast(float x) { return broadcast<V>(x); }
// Keeps a vector in its register, where GCC would load it again for each use.
#if defined(__x86_64__)
template <class W>
INLINE void keep(W& x) {
    asm("" : "+x"(x));
}
#else
template <class W>
INLINE void keep(W&) {}
#endif
// Asks the outer cache for what is needed soon. One vector at a time between other work: more would fill up the queue.
INLINE void fetch(const V* x) { __builtin_prefetch(x, 0, 2); }
INLINE V load_unaligned(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
INLINE V select(Mask where, V x) { return (V)((Mask)x & where); } // zero elsewhere
INLINE Mask first_lanes(int count) {
    Mask mask;
    for (int j = 0; j < LANES; j++) mask[j] = j < count ? -1 : 0;
    return mask;
}

// f(Index<0>) ... f(Index<COUNT - 1>): a loop whose counter is a constant in each turn.
template <int K>
using Index = std::integral_constant<int, K>;
template <class F, int... K>
INLINE void unrolled(F&& f, std::integer_sequence<int, K...>) {
    (f(Index<K>{}), ...);
}
template <int COUNT, class F>
INLINE void unroll(F&& f) {
    unrolled(f, std::make_integer_sequence<int, COUNT>{});
}

// Lanes of a and b side by side, chosen by constants.
#if defined(__clang__) || __GNUC__ >= 12
#define CHOOSE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define CHOOSE(a, b, ...) __builtin_shuffle(a, b, Mask{__VA_ARGS__})
#endif
using Lanes = std::make_integer_sequence<int, LANES>;
template <int FIRST, int... J>
INLINE V from_lane(V a, V b, std::integer_sequence<int, J...>) {
    return CHOOSE(a, b, (FIRST + J)...);
}
// Of each four lanes of a and b the lower or upper two, in turns, one by one or by twos; and every other four lanes.
template <int HALF, int... J>
INLINE V ones(V a, V b, std::integer_sequence<int, J...>) {
    return CHOOSE(a, b, (J / 4 * 4 + HALF * 2 + J % 4 / 2 + J % 2 * LANES)...);
}
template <int HALF, int... J>
INLINE V twos(V a, V b, std::integer_sequence<int, J...>) {
    return CHOOSE(a, b, (J / 4 * 4 + HALF * 2 + J % 2 + J % 4 / 2 * LANES)...);
}
template <int HALF, int... J>
INLINE V fours(V a, V b, std::integer_sequence<int, J...>) {
    return CHOOSE(a, b, (J / 4 * 8 + HALF * 4 + J % 4)...);
}
// LANES lanes from FIRST on.
template <int FIRST>
INLINE V from_lane(V a, V b) {
    return from_lane<FIRST>(a, b, Lanes{});
}
INLINE V from_lane(int first, V a, V b) {
#if defined(__clang__) // which shuffles by constants only
    alignas(64) float both[2 * LANES];
    std::memcpy(both, &a, sizeof(V));
    std::memcpy(both + LANES, &b, sizeof(V));
    return load_unaligned(both + first);
#else
    Mask lanes;
    for (int j = 0; j < LANES; j++) lanes[j] = first + j;
    return __builtin_shuffle(a, b, lanes);
#endif
}

// Lane j of vector i becomes lane i of vector j: within four lanes, which machines shuffle fastest, then between them.
INLINE void transpose(V* x) {
    constexpr int FOURS = LANES / 4;
    unroll<FOURS>([&](auto j) {
        V* y = x + 4 * j;
        const V a = ones<0>(y[0], y[1], Lanes{}), b = ones<1>(y[0], y[1], Lanes{});
        const V c = ones<0>(y[2], y[3], Lanes{}), d = ones<1>(y[2], y[3], Lanes{});
        y[0] = twos<0>(a, c, Lanes{}), y[1] = twos<1>(a, c, Lanes{});
        y[2] = twos<0>(b, d, Lanes{}), y[3] = twos<1>(b, d, Lanes{});
    });
    for (int stage = 1; stage < FOURS; stage *= 2) {
        V shuffled[LANES];
        unroll<LANES / 2>([&](auto j) {
            constexpr int i = j % 4, pair = j / 4;
            shuffled[4 * pair + i] = fours<0>(x[8 * pair + i], x[8 * pair + 4 + i], Lanes{});
            shuffled[4 * (pair + FOURS / 2) + i] = fours<1>(x[8 * pair + i], x[8 * pair + 4 + i], Lanes{});
        });
        unroll<LANES>([&](auto j) { x[j] = shuffled[j]; });
    }
}
INLINE float sum(V x) {
    float total = 0;
    for (int j = 0; j < LANES; j++) total += x[j];
    return total;
}

// First order recurrences along the lanes, lane j being frame j of a block.
struct Recurrence {
    static constexpr int STEPS = LANES == 16 ? 4 : LANES == 8 ? 3 : 2;
    V power[STEPS];    // a, a^2, a^4, ...
    V rising, falling; // a^1 ... a^LANES and a^LANES ... a^1

    explicit Recurrence(double a) {
        double p = a;
        for (int j = 0; j < STEPS; j++, p *= p) power[j] = broadcast(float(p));
        p = a;
        for (int j = 0; j < LANES; j++, p *= a) rising[j] = falling[LANES - 1 - j] = float(p);
    }
    // v[t] = a v[t-1] + u[t], where `before` is v in front of the block.
    INLINE V forwards(V u, float before) const {
        unroll<STEPS>([&](auto j) { u += power[j] * from_lane<LANES - (1 << j)>(V{}, u); });
        return u + rising * broadcast(before);
    }
    // p[t] = a p[t+1] + g[t], where `after` is p behind the block.
    INLINE V backwards(V g, float after) const {
        unroll<STEPS>([&](auto j) { g += power[j] * from_lane<(1 << j)>(g, V{}); });
        return g + falling * broadcast(after);
    }
};
