// One hidden layer in evaluation, its weights frozen and its normalisation, gain and bias folded into them:
//
//     q[t] = q[t-1] + (W * x[t] + bias) - b q[t-1],     W = b k gain w,  bias = b c,  b = 1 - exp(-dt/tau)
//     y[t] = q[t] + past[t],     past[t+K] = r (c - q[t])        (K taps; nothing for an endless kernel)
//     z[t] = rectifier(y[t])                                     what the layer above reads
//
// c is the offset of the channel, from which q starts (stcnn/nn/filters/exponential.py). x is known on ROWS x COLUMNS,
// z is wanted on OUT_ROWS x OUT_COLUMNS; where one lies on the other is folded into the spectra of the weights, and the
// bias into that of frequency zero. The grid must only be wide enough that nothing comes round to where it is wanted.
#pragma once
#include "plane.h"

constexpr int POINTS = ROWS * COLUMNS, OUT_POINTS = OUT_ROWS * OUT_COLUMNS;
constexpr int vectors_of(int numbers) { return (numbers + LANES - 1) / LANES; }
constexpr int PADDED = vectors_of(OUTPUTS) * LANES; // channels of one point, filled up to whole vectors
constexpr int PADDED_POINTS = vectors_of(OUT_POINTS) * LANES;

// What a kernel of K taps has still to take back, in the channels where that changes a digit.
struct TruncationBuffer {
    int32_t channels, taps;
    int32_t* place;                   // of the frame to come in the ring
    const int32_t* channel;           // [channels]
    const float *tail_weight, *start; // r and r c, [channels]
    float* ring;                      // [taps][channels][PADDED_POINTS]

    float* row(int frame, int truncated) const {
        return ring + (size_t((*place + frame) % taps) * channels + truncated) * PADDED_POINTS;
    }
    void advance(int frames) const {
        if (channels) *place = (*place + frames) % taps;
    }
};

struct FoldedLayer {
    const float* weights;     // spectra, laid out as multiply() of each form reads them
    const float *bias, *leak; // [OUTPUTS], filled up to PADDED
    float* last;              // q of the frame before, [OUT_POINTS][PADDED]
    float slope;              // of the rectifier for negative values
    TruncationBuffer past;
    int64_t* done; // blocks that are integrated, for threads that take turns
    void* space;   // of frame.cpp, the same for all layers: more would not stay in the cache
};

INLINE V rectified(V y, V slope) { return y > V{} ? y : y * slope; }
