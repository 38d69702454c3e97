// Filters of rows in place, one number per element, with an end after K frames only where that changes a digit:
//
//     q[t] = q[t-1] + b (x[t] - q[t-1]),     y[t] = q[t] + past[t],     past[t+K] = r (c - q[t])
#pragma once
#include <cstddef>
#include <cstdint>

struct Filter {
    int32_t size, truncated, taps;    // elements; those that forget; K
    int32_t* place;                   // of the frame to come in the ring
    const float* leak;                // b, [size]
    float* last;                      // q of the frame before, [size]
    const int32_t* index;             // [truncated]
    const float *tail_weight, *start; // r and r c, [truncated]
    float* ring;                      // [taps][truncated]

    void advance(float* row) const {
        for (int i = 0; i < size; i++) row[i] = last[i] += leak[i] * (row[i] - last[i]);
        if (!truncated) return;
        float* past = ring + size_t(*place) * truncated;
        for (int i = 0; i < truncated; i++) {
            const float q = row[index[i]];
            row[index[i]] += past[i];
            past[i] = start[i] - tail_weight[i] * q;
        }
        *place = (*place + 1) % taps;
    }
};
