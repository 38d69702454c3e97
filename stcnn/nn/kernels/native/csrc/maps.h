// Maps of a layer for one clip, in blocks of LANES successive frames, one vector for each channel and column.
//
//     y[t] = v[t] - r v[t-K]                       what the layer answers (K taps; r = 0 for an endless kernel)
//     x[t] = rectifier(scale y[t] + shift)         what the layer above reads
#pragma once
#include "plane.h"

constexpr int POINTS = ROWS * COLUMNS, MOST = std::max(INPUTS, OUTPUTS);

using Halfway = Complex[KX][ROWS]; // one channel, transformed along rows

// As Python hands them over.
struct Maps {
    float* v;                 // integrators [blocks][channels][POINTS][LANES]
    const float* earlier;     // the blocks before these, which clips may share; null if time begins here
    const float* tail_weight; // r, [channels]; null for endless kernels
    int32_t earlier_blocks, taps;
};

alignas(64) static float ZERO[MOST * POINTS * LANES];

// Vectors [POINTS] of one channel in one block, zero before time begins.
template <int CHANNELS>
static const V* block_of(const Maps& maps, int block, int channel) {
    const float* found = block >= 0 ? maps.v
                         : block + maps.earlier_blocks >= 0
                             ? maps.earlier + size_t(maps.earlier_blocks) * CHANNELS * POINTS * LANES
                             : nullptr;
    if (!found) return reinterpret_cast<const V*>(ZERO);
    return reinterpret_cast<const V*>(found) + (ptrdiff_t(block) * CHANNELS + channel) * POINTS;
}

// Vectors as they were `taps` frames ago (or will be, for negative ones).
struct Delayed {
    const V *first, *second;
    int offset;
    INLINE V operator[](int point) const { return from_lane(offset, first[point], second[point]); }
};
template <int CHANNELS>
static Delayed delayed(const Maps& maps, int block, int channel) {
    const int blocks = (maps.taps + LANES - 1) / LANES;
    return {block_of<CHANNELS>(maps, block - blocks, channel), block_of<CHANNELS>(maps, block - blocks + 1, channel),
            blocks * LANES - maps.taps};
}

// y of one channel in one block.
template <int CHANNELS>
struct Filtered {
    const V* v;
    Delayed old;
    V tail_weight;
    bool finite;
    Filtered(const Maps& maps, int block, int channel)
        : v(block_of<CHANNELS>(maps, block, channel)),
          old{},
          tail_weight{},
          finite(maps.tail_weight) {
        if (finite) old = delayed<CHANNELS>(maps, block, channel), tail_weight = broadcast(maps.tail_weight[channel]);
    }
    INLINE void row(int row, V* y) const {
        unroll<COLUMNS>([&](auto c) { y[c] = (*this)[row * COLUMNS + c]; });
    }
    INLINE V operator[](int point) const { return finite ? v[point] - tail_weight * old[point] : v[point]; }
};

// What a layer reads: the maps below with their normalisation and rectifier.
struct Input {
    Maps maps;
    const float *scale, *shift; // [INPUTS]; null: taken as they are
    float slope;                // of the rectifier for negative values
};

struct InputChannel {
    Filtered<INPUTS> y;
    bool plain;
    V scale, shift, slope;
    InputChannel(const Input& input, int block, int channel)
        : y(input.maps, block, channel),
          plain(!input.scale),
          scale{},
          shift{},
          slope(broadcast(input.slope)) {
        if (!plain) scale = broadcast(input.scale[channel]), shift = broadcast(input.shift[channel]);
    }
    INLINE V operator[](int point) const {
        if (plain) return y[point];
        const V z = scale * y[point] + shift;
        return z > V{} ? z : z * slope;
    }
};
