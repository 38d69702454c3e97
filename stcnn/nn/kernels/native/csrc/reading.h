// What the readouts take from one clip, a weighted sum over a window of the last layer; and its adjoint.
//
//     z[t] = scale y[t] + shift,     x[t] = rectifier(z[t])
//     drive[n, t] = sum_{o, point} w[n, o, point] x[o, point, t]
//     dL/dz = rectifier'(z) sum_n w[n] d[n, t],     dL/dw[n] = sum_t d[n, t] x[t],     d = dL/ddrive
#pragma once
#include "maps.h"

struct Reading {
    int32_t blocks, last_frames;
    Maps output;
    const float *scale, *shift, *mean; // [OUTPUTS]
    float slope;                       // of the rectifier for negative values
    int32_t top, bottom, left, right, types;
    const float* weights; // [OUTPUTS][row][column][types]
    float* drive;         // or d, [blocks][types][LANES]
    float* dz;            // [blocks][OUTPUTS][row][column][LANES]
    float* d_weights;     // still by lane, [OUTPUTS][row][column][types][LANES], added to
    double* sums;         // of dz and dz (y - mean), [2][OUTPUTS], added to

    V* drive_of(int block) const { return reinterpret_cast<V*>(drive) + size_t(block) * types; }
};

// Calls f(point, y, z) for the points of one channel in one block; points count through all channels.
template <class F>
INLINE void each_point(const Reading& call, int block, int o, F&& f) {
    const Filtered<OUTPUTS> filtered(call.output, block, o);
    const V scale = broadcast(call.scale[o]), shift = broadcast(call.shift[o]);
    int point = o * (call.bottom - call.top) * (call.right - call.left);
    for (int row = call.top; row < call.bottom; row++)
        for (int place = row * COLUMNS + call.left; place < row * COLUMNS + call.right; place++) {
            fetch(filtered.v + place + POINTS); // of the next channel
            const V y = filtered[place];
            f(point++, y, scale * y + shift);
        }
}

extern "C" void read_maps(const Reading* call) {
    constexpr int MOST_TYPES = 8; // at a time
    const V slope = broadcast(call->slope);
    for (int block = 0; block < call->blocks; block++)
        for (int first = 0; first < call->types; first += MOST_TYPES) {
            const int types = std::min(MOST_TYPES, call->types - first);
            V* drive = call->drive_of(block) + first;
            std::fill(drive, drive + types, V{});
            for (int o = 0; o < OUTPUTS; o++) {
                V part[MOST_TYPES] = {}; // short sums lose less
                each_point(*call, block, o, [&](int point, V, V z) {
                    const V x = z > V{} ? z : z * slope;
                    const float* w = call->weights + size_t(point) * call->types + first;
                    for (int n = 0; n < types; n++) part[n] += broadcast(w[n]) * x;
                });
                for (int n = 0; n < types; n++) drive[n] += part[n];
            }
        }
}

extern "C" void adjoint_of_reading(const Reading* call) {
    const int types = call->types, points = OUTPUTS * (call->bottom - call->top) * (call->right - call->left);
    const V slope = broadcast(call->slope);
    for (int block = 0; block < call->blocks; block++) {
        const Mask valid = first_lanes(block == call->blocks - 1 ? call->last_frames : LANES);
        const V* d = call->drive_of(block);
        V* dz = reinterpret_cast<V*>(call->dz) + size_t(block) * points;
        for (int o = 0; o < OUTPUTS; o++) {
            const V mean = broadcast(call->mean[o]);
            V sum_dz = {}, sum_dot = {};
            each_point(*call, block, o, [&](int point, V y, V z) {
                const float* w = call->weights + size_t(point) * types;
                V* d_weights = reinterpret_cast<V*>(call->d_weights) + size_t(point) * types;
                const V x = select(valid, z > V{} ? z : z * slope);
                V dx = {};
                for (int n = 0; n < types; n++) {
                    dx += broadcast(w[n]) * d[n];
                    d_weights[n] += d[n] * x;
                }
                dx = select(valid, z > V{} ? dx : dx * slope);
                dz[point] = dx;
                sum_dz += dx;
                sum_dot += dx * (y - mean);
            });
            call->sums[o] += sum(sum_dz);
            call->sums[OUTPUTS + o] += sum(sum_dot);
        }
    }
}
