// The whole network in evaluation: eye (eye.h), hidden layers (frozen.h), readouts and calcium, for one clip.
//
// Readouts: weighted sums over the last layer's maps, then a filter (filter.h); the voltage. Calcium: offset + gain (filter
// of the rectified voltage), rectified as elu(v) + 1 or log(1 + exp(v)).
//
// `step` shows one frame and answers at once (maps of frame.cpp). `evaluate` goes through a clip in blocks of LANES frames
// (maps of blocks.cpp); several threads can deal the blocks among themselves (turns.h). `sample_clip` is the eye alone, whose maps
// the hidden layers train on (layer.cpp).
#include "eye.h"
#include "interface.h"
#include "turns.h"

#include <algorithm>
#include <cmath>

// ---- readouts and calcium -----------------------------------------------------------------------------------------

struct Readouts {
    int32_t types, points; // points: numbers in the maps they read, per frame
    const float* weights;  // frames: [types][points]; blocks: [points][types]
    const float* offset;   // [types], added in front of the filter
    Filter filter;         // [types]
};

struct Calcium {
    int32_t neurons, softplus;
    const int32_t* type; // of each neuron
    const float *gain, *offset;
    Filter filter; // [types]
};

static void read_frame(const Readouts& readouts, const float* z, float* voltage) {
    for (int n = 0; n < readouts.types; n++) {
        const V *w = reinterpret_cast<const V*>(readouts.weights + size_t(n) * readouts.points),
                *x = reinterpret_cast<const V*>(z);
        V total[4] = {};
        const int vectors = readouts.points / LANES;
        int j = 0;
        for (; j + 4 <= vectors; j += 4) unroll<4>([&](auto k) { total[k] += w[j + k] * x[j + k]; });
        for (; j < vectors; j++) total[0] += w[j] * x[j];
        voltage[n] = sum((total[0] + total[1]) + (total[2] + total[3])) + readouts.offset[n];
    }
    readouts.filter.advance(voltage);
}

static void read_block(const Readouts& readouts, const float* z, int frames, float* voltage) {
    const V* x = reinterpret_cast<const V*>(z);
    const int types = readouts.types;
    auto types_from = [&](int first, auto count) {
        V total[count] = {};
        for (int j = 0; j < readouts.points; j++)
            unroll<count>(
                [&](auto n) { total[n] += broadcast(readouts.weights[size_t(j) * types + first + n]) * x[j]; });
        for (int t = 0; t < frames; t++)
            unroll<count>([&](auto n) { voltage[t * types + first + n] = total[n][t] + readouts.offset[first + n]; });
    };
    int first = 0;
    for (; first + 5 <= types; first += 5) types_from(first, Index<5>{});
    for (; first < types; first++) types_from(first, Index<1>{});
    for (int t = 0; t < frames; t++) readouts.filter.advance(voltage + t * types);
}

static void indicate(const Calcium& calcium, const float* voltage, float* filtered, float* answer) {
    for (int n = 0; n < calcium.filter.size; n++) {
        const float v = voltage[n];
        if (calcium.softplus) filtered[n] = v > 20 ? v : std::log1p(std::exp(v));
        else filtered[n] = v > 0 ? v + 1 : std::exp(v);
    }
    calcium.filter.advance(filtered);
    for (int m = 0; m < calcium.neurons; m++)
        answer[m] = calcium.offset[m] + calcium.gain[m] * filtered[calcium.type[m]];
}

// ---- one frame at once --------------------------------------------------------------------------------------------

struct FoldedLayer; // of frame.cpp or blocks.cpp, for the geometry of each layer
using Layer = void (*)(FoldedLayer*, const float* x, float* z, int32_t frames, int64_t block);

struct Clip {
    Eye eye;
    Readouts readouts;
    Calcium calcium;
    int32_t layers, padded_eye; // padded_eye: numbers per point of the eye's map
    const Layer* layer;
    FoldedLayer* const* frozen;
    float* map;      // of the eye, then of each layer: the largest
    float* filtered; // [types]
};

// Shows each clip one frame; 1 if a frame holds what is no luminance, and then nothing has changed.
extern "C" int32_t step(Clip* const* clips, int32_t n_clips, const void* frames, int32_t kind, float grey,
                        float* voltage, float* calcium) {
    for (int b = 0; b < n_clips; b++) {
        const Eye& eye = clips[b]->eye;
        const size_t bytes = (kind == CODES ? 1 : sizeof(float)) * size_t(eye.down.size) * eye.across.size;
        if (!take_picture(eye, static_cast<const char*>(frames) + b * bytes, kind, grey)) return 1;
    }
    for (int b = 0; b < n_clips; b++) {
        Clip& clip = *clips[b];
        sample(clip.eye, clip.eye.seen);
        clip.eye.filter.advance(clip.eye.seen);
        for (int i = 0; i < clip.eye.filter.size; i++) clip.map[i * clip.padded_eye] = clip.eye.seen[i];
        for (int i = 0; i < clip.layers; i++) clip.layer[i](clip.frozen[i], clip.map, clip.map, 1, 0);
        float* v = voltage + b * clip.readouts.types;
        read_frame(clip.readouts, clip.map, v);
        indicate(clip.calcium, v, clip.filtered, calcium + b * clip.calcium.neurons);
    }
    return 0;
}

// ---- a whole clip -------------------------------------------------------------------------------------------------

struct ClipRun {
    const float* contrast; // [frames][pixels]; null: grey
    int64_t frames;
    float* voltage;       // [frames][types]
    float* map;           // the largest of a block
    int64_t *seen, *read; // blocks that the eye's filter and the readouts are through with
};

static bool sample_block(const Clip& clip, const ClipRun& call, int64_t block, int frames) {
    const Eye& eye = clip.eye;
    const size_t pixels = size_t(eye.down.size) * eye.across.size, points = eye.filter.size;
    bool right = true;
    if (call.contrast)
        right = sample_frames(eye, call.contrast + block * LANES * pixels, nullptr, frames, eye.seen, points);
    else std::fill(eye.seen, eye.seen + frames * points, 0.f);
    wait_for(call.seen, block);
    for (int t = 0; t < frames; t++) eye.filter.advance(eye.seen + t * points);
    pass_on(call.seen, block + 1);
    for (size_t i = 0; i < points; i++)
        for (int t = 0; t < LANES; t++) call.map[i * LANES + t] = t < frames ? eye.seen[t * points + i] : 0;
    return right;
}

// Every `threads`th block from the first on; the clips of all threads share their state. 1 if the contrast is not finite.
extern "C" int32_t evaluate(const Clip* clip, const ClipRun* call, int32_t first, int32_t threads) {
    bool right = true;
    for (int64_t block = first; block * LANES < call->frames; block += threads) {
        const int frames = int(std::min<int64_t>(LANES, call->frames - block * LANES));
        right &= sample_block(*clip, *call, block, frames);
        for (int i = 0; i < clip->layers; i++) clip->layer[i](clip->frozen[i], call->map, call->map, frames, block);
        wait_for(call->read, block);
        read_block(clip->readouts, call->map, frames, call->voltage + block * LANES * clip->readouts.types);
        pass_on(call->read, block + 1);
    }
    return !right;
}

// ---- the eye of a clip in training ---------------------------------------------------------------------------------

struct View {
    const void* pixels;  // [frames][pixels]: codes, or contrast
    const float* levels; // contrast of each code, [256]; null: contrast
    int64_t frames;
    float* seen;         // [frames][clips][points]
    int32_t clip, clips; // the one whose pixels these are
};

// 1 if the contrast is not finite.
extern "C" int32_t sample_clip(const Eye* eye, const View* view) {
    const size_t points = eye->filter.size, stride = view->clips * points;
    float* row = view->seen + view->clip * points;
    const bool right = sample_frames(*eye, view->pixels, view->levels, view->frames, row, stride);
    for (int64_t t = 0; t < view->frames; t++) eye->filter.advance(row + t * stride);
    return !right;
}

extern "C" int32_t lanes() { return LANES; }
SIZES(Filter, Band, Eye, View, Readouts, Calcium, Clip, ClipRun)
