// The whole network in evaluation: eye, hidden layers (frozen.h), readouts and calcium, for one clip.
//
// Filters in place, one number per element of a row, with an end after K frames only where that changes a digit:
//
//     q[t] = q[t-1] + b (x[t] - q[t-1]),     y[t] = q[t] + past[t],     past[t+K] = r (c - q[t])
//
// Eye: contrast F of a frame to the columns of the lattice, A_down F A_across^T, two matrices of which each row reaches
// over a few pixels; then a filter. Readouts: weighted sums over the last layer's maps, then a filter; the voltage.
// Calcium: offset + gain (filter of the rectified voltage), rectified as elu(v) + 1 or log(1 + exp(v)).
//
// `step` shows one frame and answers at once (maps of frame.cpp). `evaluate` goes through a clip in blocks of LANES frames
// (maps of blocks.cpp); several threads can deal the blocks among themselves (turns.h).
#include "turns.h"
#include "vectors.h"

#include <algorithm>
#include <cmath>

// ---- filters of rows ----------------------------------------------------------------------------------------------

struct Filter {
    int32_t size, late, taps;  // elements; those that forget; K
    int32_t* place;            // of the frame to come in the ring
    const float* leak;         // b, [size]
    float* last;               // q of the frame before, [size]
    const int32_t* index;      // [late]
    const float *rest, *start; // r and r c, [late]
    float* ring;               // [taps][late]

    void advance(float* row) const {
        for (int i = 0; i < size; i++) row[i] = last[i] += leak[i] * (row[i] - last[i]);
        if (!late) return;
        float* past = ring + size_t(*place) * late;
        for (int i = 0; i < late; i++) {
            const float q = row[index[i]];
            row[index[i]] += past[i];
            past[i] = start[i] - rest[i] * q;
        }
        *place = (*place + 1) % taps;
    }
};

// ---- the eye ------------------------------------------------------------------------------------------------------

struct Band { // a matrix [rows][size] whose rows are zero outside [first, last)
    const float* weights;
    const int32_t *first, *last;
    int32_t rows, size;
};

struct Eye {
    Band down, across;
    float* picture; // [down.size][width], width = across.size filled up to whole vectors
    float* strips;  // [across.rows filled up][width]: the picture sampled along one axis
    float* seen;    // [LANES][points]: what the columns see in each frame of a block
    Filter filter;
    int32_t width, strip_rows;
};

enum Pixel { CODES, LUMINANCE, CONTRAST }; // 8-bit codes, numbers 0..1, luminance minus that of grey

// Contrast of one row; false if something in it is no luminance, or no number.
static bool to_contrast(const void* pixels, int kind, float grey, int size, float* row) {
    if (kind == CODES) {
        const uint8_t* codes = static_cast<const uint8_t*>(pixels);
        for (int i = 0; i < size; i++) row[i] = codes[i] * (1 / 255.f) - grey;
        return true;
    }
    const float* numbers = static_cast<const float*>(pixels);
    const float low = kind == LUMINANCE ? -1e-6f : -1e30f, high = kind == LUMINANCE ? 1 + 1e-6f : 1e30f;
    int wrong = 0;
    for (int i = 0; i < size; i++) {
        wrong |= !(numbers[i] >= low) | !(numbers[i] <= high); // also where it is not a number
        row[i] = numbers[i] - grey;
    }
    return !wrong;
}

static bool take_picture(const Eye& eye, const void* frame, int kind, float grey) {
    bool right = true;
    const size_t bytes = kind == CODES ? 1 : sizeof(float);
    for (int row = 0; row < eye.down.size; row++) {
        const void* pixels = static_cast<const char*>(frame) + bytes * row * eye.across.size;
        right &= to_contrast(pixels, kind, grey, eye.across.size, eye.picture + row * eye.width);
    }
    return right;
}

// COUNT vectors of sum_k weights[k] rows[k].
template <int COUNT> INLINE void band_sum(const float* weights, int first, int last, const float* rows, int stride, V* out) {
    V sum[COUNT] = {};
    for (int k = first; k < last; k++)
        unroll<COUNT>([&](auto j) { sum[j] += broadcast(weights[k]) * reinterpret_cast<const V*>(rows + k * stride)[j]; });
    unroll<COUNT>([&](auto j) { out[j] = sum[j]; });
}

static void band_sums(const Band& band, int row, const float* rows, int stride, V* out) {
    const float* weights = band.weights + row * band.size;
    const int first = band.first[row], last = band.last[row], vectors = stride / LANES;
    int done = 0;
    for (; done + 6 <= vectors; done += 6) band_sum<6>(weights, first, last, rows + done * LANES, stride, out + done);
    for (; done + 2 <= vectors; done += 2) band_sum<2>(weights, first, last, rows + done * LANES, stride, out + done);
    for (; done < vectors; done++) band_sum<1>(weights, first, last, rows + done * LANES, stride, out + done);
}

// `to` [columns][rows] from `from` [rows][columns], both sizes whole vectors.
static void transposed(const float* from, int rows, int columns, float* to) {
    for (int r = 0; r < rows; r += LANES)
        for (int c = 0; c < columns; c += LANES) {
            V tile[LANES];
            for (int j = 0; j < LANES; j++) tile[j] = *reinterpret_cast<const V*>(from + (r + j) * columns + c);
            transpose(tile);
            for (int j = 0; j < LANES; j++) *reinterpret_cast<V*>(to + (c + j) * rows + r) = tile[j];
        }
}

// What the columns see of the picture; `strips` serves as room for both directions.
static void sample(const Eye& eye, float* seen) {
    float* turned = eye.strips + size_t(eye.strip_rows) * eye.width;
    for (int row = 0; row < eye.down.rows; row++)
        band_sums(eye.down, row, eye.picture, eye.width, reinterpret_cast<V*>(eye.strips + row * eye.width));
    transposed(eye.strips, eye.strip_rows, eye.width, turned);
    for (int column = 0; column < eye.across.rows; column++) {
        float* line = eye.strips; // one number per row of the lattice
        band_sums(eye.across, column, turned, eye.strip_rows, reinterpret_cast<V*>(line));
        for (int row = 0; row < eye.down.rows; row++) seen[row * eye.across.rows + column] = line[row];
    }
}

// ---- readouts and calcium -----------------------------------------------------------------------------------------

struct Readouts {
    int32_t types, points;    // points: numbers in the maps they read, per frame
    const float* weights;     // frames: [types][points]; blocks: [points][types]
    const float* offset;      // [types], added in front of the filter
    Filter filter;            // [types]
};

struct Calcium {
    int32_t neurons, softplus;
    const int32_t* type;      // of each neuron
    const float *gain, *offset;
    Filter filter;            // [types]
};

static void read_frame(const Readouts& readouts, const float* z, float* voltage) {
    for (int n = 0; n < readouts.types; n++) {
        const V *w = reinterpret_cast<const V*>(readouts.weights + size_t(n) * readouts.points), *x = reinterpret_cast<const V*>(z);
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
            unroll<count>([&](auto n) { total[n] += broadcast(readouts.weights[size_t(j) * types + first + n]) * x[j]; });
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
    for (int m = 0; m < calcium.neurons; m++) answer[m] = calcium.offset[m] + calcium.gain[m] * filtered[calcium.type[m]];
}

// ---- one frame at once --------------------------------------------------------------------------------------------

struct Frozen; // of frame.cpp or blocks.cpp, for the geometry of each layer
using Layer = void (*)(Frozen*, const float* x, float* z, int32_t frames, int64_t block);

struct Clip {
    Eye eye;
    Readouts readouts;
    Calcium calcium;
    int32_t layers, padded_eye; // padded_eye: numbers per point of the eye's map
    const Layer* layer;
    Frozen* const* frozen;
    float* map;                 // of the eye, then of each layer: the largest
    float* filtered;            // [types]
};

// Shows each clip one frame; 1 if a frame holds what is no luminance, and then nothing has changed.
extern "C" int32_t step(Clip* const* clips, int32_t n_clips, const void* frames, int32_t kind, float grey, float* voltage,
                        float* calcium) {
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

struct Passage {
    const float* contrast; // [frames][pixels]; null: grey
    int64_t frames;
    float* voltage;        // [frames][types]
    float* map;            // the largest of a block
    int64_t *seen, *read;  // blocks that the eye's filter and the readouts are through with
};

static bool see_block(const Clip& clip, const Passage& call, int64_t block, int frames) {
    const Eye& eye = clip.eye;
    const size_t pixels = size_t(eye.down.size) * eye.across.size, points = eye.filter.size;
    bool right = true;
    for (int t = 0; t < frames; t++) {
        float* row = eye.seen + t * points;
        if (call.contrast) {
            right &= take_picture(eye, call.contrast + (block * LANES + t) * pixels, CONTRAST, 0);
            sample(eye, row);
        } else std::fill(row, row + points, 0.f);
    }
    wait_for(call.seen, block);
    for (int t = 0; t < frames; t++) eye.filter.advance(eye.seen + t * points);
    pass_on(call.seen, block + 1);
    for (size_t i = 0; i < points; i++)
        for (int t = 0; t < LANES; t++) call.map[i * LANES + t] = t < frames ? eye.seen[t * points + i] : 0;
    return right;
}

// Every `threads`th block from the first on; the clips of all threads share their state. 1 if the contrast is not finite.
extern "C" int32_t evaluate(const Clip* clip, const Passage* call, int32_t first, int32_t threads) {
    bool right = true;
    for (int64_t block = first; block * LANES < call->frames; block += threads) {
        const int frames = int(std::min<int64_t>(LANES, call->frames - block * LANES));
        right &= see_block(*clip, *call, block, frames);
        for (int i = 0; i < clip->layers; i++) clip->layer[i](clip->frozen[i], call->map, call->map, frames, block);
        wait_for(call->read, block);
        read_block(clip->readouts, call->map, frames, call->voltage + block * LANES * clip->readouts.types);
        pass_on(call->read, block + 1);
    }
    return !right;
}

extern "C" int32_t lanes() { return LANES; }
