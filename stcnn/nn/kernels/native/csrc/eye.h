// The eye: contrast F of a frame to the columns of the lattice, A_down F A_across^T, two matrices of which each row reaches
// over a few pixels; then a filter. Where the rows of the lattice are not straight, each line of columns has an A_down.
#pragma once
#include "filter.h"
#include "vectors.h"

#include <algorithm>
#include <cstring>

struct Band { // a matrix [rows][size] whose rows are zero outside [first, last)
    const float* weights;
    const int32_t *first, *last;
    int32_t rows, size;
};

struct Eye {
    Band down, across;
    float* picture; // [down.size filled up][width], width = across.size filled up to whole vectors
    float* strips;  // [strip_rows][width] twice: the picture sampled along one axis, or turned
    float* seen;    // [LANES][points]: what the columns see in each frame of a block
    Filter filter;
    int32_t width, strip_rows, lines; // lines: of columns that have an A_down of their own, else 1
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

static void look_up(const Eye& eye, const uint8_t* codes, const float* levels) {
    for (int row = 0; row < eye.down.size; row++)
        for (int i = 0; i < eye.across.size; i++)
            eye.picture[row * eye.width + i] = levels[codes[row * eye.across.size + i]];
}

// COUNT vectors of sum_k weights[k] rows[k].
template <int COUNT>
INLINE void band_sum(const float* weights, int first, int last, const float* rows, int stride, V* out) {
    V sum[COUNT] = {};
    for (int k = first; k < last; k++)
        unroll<COUNT>(
            [&](auto j) { sum[j] += broadcast(weights[k]) * reinterpret_cast<const V*>(rows + k * stride)[j]; });
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

static float band_dot(const Band& band, int row, const float* line) {
    const float* weights = band.weights + size_t(row) * band.size;
    float sum = 0;
    for (int k = band.first[row]; k < band.last[row]; k++) sum += weights[k] * line[k];
    return sum;
}

// The same where each line of columns has places of its own: across the picture first, then place by place.
static void sample_lines(const Eye& eye, float* seen) {
    const int places = eye.down.rows / eye.lines;
    float* line = eye.strips + size_t(eye.strip_rows) * eye.width; // one number per row of the picture
    transposed(eye.picture, eye.strip_rows, eye.width, eye.strips);
    for (int c = 0; c < eye.lines; c++) {
        band_sums(eye.across, c, eye.strips, eye.strip_rows, reinterpret_cast<V*>(line));
        for (int place = 0; place < places; place++)
            seen[place * eye.lines + c] = band_dot(eye.down, c * places + place, line);
    }
}

// What the columns see of the picture; `strips` serves as workspace for both directions.
static void sample(const Eye& eye, float* seen) {
    if (eye.lines > 1) return sample_lines(eye, seen);
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

// What the columns see in each frame, in rows `stride` apart; false if the contrast is not finite. Pixels are codes into
// `levels`, or contrast where that is null. Movies hold a frame for a while: one like that before it is not sampled again.
static bool sample_frames(const Eye& eye, const void* pixels, const float* levels, int64_t frames, float* seen,
                          size_t stride) {
    const size_t points = eye.filter.size, size = size_t(eye.down.size) * eye.across.size;
    const size_t bytes = levels ? size : size * sizeof(float);
    const char* frame = static_cast<const char*>(pixels);
    bool right = true;
    for (int64_t t = 0; t < frames; t++, frame += bytes, seen += stride) {
        if (t && !std::memcmp(frame, frame - bytes, bytes)) {
            std::copy(seen - stride, seen - stride + points, seen);
            continue;
        }
        if (levels) look_up(eye, reinterpret_cast<const uint8_t*>(frame), levels);
        else right &= take_picture(eye, frame, CONTRAST, 0);
        sample(eye, seen);
    }
    return right;
}
