// What the readouts see of one clip: z = scale y + shift on a window of the last layer, frame by frame; and its adjoint.
#pragma once
#include "maps.h"
#include "products.h"

struct Window {
    int32_t blocks, last_frames;
    Maps output;
    const float *scale, *shift, *mean; // [OUTPUTS]
    int32_t top, bottom, left, right;
    float* frames;                     // scale y + shift, or its adjoint: [frame][row][column][OUTPUTS]
    int64_t stride;                    // from frame to frame
    float* dz;                         // [blocks][OUTPUTS][row][column][LANES]
    double* sums;                      // of dz and dz (y - mean), [2][OUTPUTS], added to
};

// Calls f(first channel, number of channels, y[channel], point in the window, first of its numbers in each frame).
template <class F> INLINE void each_window_point(const Window& call, int block, F&& f) {
    const int width = call.right - call.left;
    tiles<OUTPUTS, LANES>([&](auto first, auto count) {
        for (int row = call.top; row < call.bottom; row++) {
            V y[count][COLUMNS], here[count];
            unroll<count>([&](auto c) { Filtered<OUTPUTS>(call.output, block, first + c).row(row, y[c]); });
            for (int column = call.left; column < call.right; column++) {
                const int point = (row - call.top) * width + column - call.left;
                unroll<count>([&](auto c) { here[c] = y[c][column]; });
                f(first, count, here, point, call.frames + ptrdiff_t(block) * LANES * call.stride + point * OUTPUTS + first);
            }
        }
    });
}

extern "C" void read_window(const Window* call) {
    for (int block = 0; block < call->blocks; block++) {
        const int frames = block == call->blocks - 1 ? call->last_frames : LANES;
        each_window_point(*call, block, [&](auto first, auto count, const V* y, int, float* to) {
            V z[LANES] = {};
            unroll<count>([&](auto c) { z[c] = broadcast(call->scale[first + c]) * y[c] + broadcast(call->shift[first + c]); });
            transpose(z);
            for (int t = 0; t < frames; t++) std::memcpy(to + t * call->stride, &z[t], count * sizeof(float));
        });
    }
}

extern "C" void adjoint_of_window(const Window* call) {
    const int points = (call->bottom - call->top) * (call->right - call->left);
    for (int block = 0; block < call->blocks; block++) {
        const int frames = block == call->blocks - 1 ? call->last_frames : LANES;
        V sum_dz[OUTPUTS] = {}, sum_dot[OUTPUTS] = {};
        V* dz = reinterpret_cast<V*>(call->dz) + size_t(block) * OUTPUTS * points;
        each_window_point(*call, block, [&](auto first, auto count, const V* y, int point, const float* from) {
            V d[LANES] = {};
            for (int t = 0; t < frames; t++) std::memcpy(&d[t], from + t * call->stride, count * sizeof(float));
            transpose(d);
            unroll<count>([&](auto c) {
                dz[(first + c) * points + point] = d[c];
                sum_dz[first + c] += d[c];
                sum_dot[first + c] += d[c] * (y[c] - broadcast(call->mean[first + c]));
            });
        });
        for (int o = 0; o < OUTPUTS; o++) call->sums[o] += sum(sum_dz[o]), call->sums[OUTPUTS + o] += sum(sum_dot[o]);
    }
}
