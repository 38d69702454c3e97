// What neurons take from one clip, each a weighted sum over a window of its own of the last layer; and its adjoint.
//
//     x[t] = rectifier(scale y[t] + shift)
//     drive[p, t] = sum_{o, point} w[site p, o, point] x[o, corner of p + point, t]
//     dL/dx[t] = sum_p w[site p] d[p, t],     dL/dw[site] = sum_{p at site, t} d[p, t] x[t],     d = dL/ddrive
//
// One channel of one block after the other: its rectified map stays in the nearest cache while all neurons read it. For
// dL/dw lanes turn from frames into columns, so that a sum over frames needs no sum over lanes.
#pragma once
#include "maps.h"
#include "workspace.h"

struct Place {
    int32_t row, column;              // of the lattice, where its weights begin
    int32_t top, bottom, left, right; // what of its weights is not zero
};

struct PlacedReading {
    int32_t blocks, last_frames;
    Maps output;
    const float *scale, *shift, *mean; // [OUTPUTS]
    float slope;                       // of the rectifier for negative values
    int32_t top, bottom, left, right;  // all of the lattice that is read
    int32_t readers, rows, columns;    // size of the windows of weights
    const int32_t* site;               // of each reader, [readers]
    const Place* places;               // [sites]
    const float* weights;              // [sites][OUTPUTS][rows][columns]
    float* drive;                      // or d, [blocks][readers][LANES]
    float* dz;                         // [blocks][OUTPUTS][bottom - top][right - left][LANES]
    float* d_weights;                  // [sites][OUTPUTS][rows][columns, filled up to whole vectors], added to
    double* sums;                      // of dz and dz (y - mean), [2][OUTPUTS], added to

    int width() const { return right - left; }
    int points() const { return (bottom - top) * width(); }
    V* drive_of(int block) const { return reinterpret_cast<V*>(drive) + size_t(block) * readers; }
    const float* weights_of(int s, int o) const { return weights + (size_t(s) * OUTPUTS + o) * rows * columns; }
};

struct PlacesWorkspace {
    V x[POINTS + LANES], dx[POINTS];
    float frame[LANES][POINTS + 2 * LANES]; // x of each frame
};

// Calls f(point, y, z) for the points of one channel in one block, counted over the window.
template <class F>
INLINE void each_window_point(const PlacedReading& call, int block, int o, F&& f) {
    const Filtered<OUTPUTS> filtered(call.output, block, o);
    const V scale = broadcast(call.scale[o]), shift = broadcast(call.shift[o]);
    int point = 0;
    for (int row = call.top; row < call.bottom; row++)
        for (int place = row * COLUMNS + call.left; place < row * COLUMNS + call.right; place++) {
            const V y = filtered[place];
            f(point++, y, scale * y + shift);
        }
}

extern "C" void read_places(const PlacedReading* call) {
    PlacesWorkspace& space = workspace<PlacesWorkspace>();
    const V slope = broadcast(call->slope);
    for (int block = 0; block < call->blocks; block++) {
        V* drive = call->drive_of(block);
        std::fill(drive, drive + call->readers, V{});
        for (int o = 0; o < OUTPUTS; o++) {
            each_window_point(*call, block, o, [&](int point, V, V z) { space.x[point] = z > V{} ? z : z * slope; });
            for (int p = 0; p < call->readers; p++) {
                const Place& place = call->places[call->site[p]];
                const float* w = call->weights_of(call->site[p], o);
                V total[4] = {};
                for (int row = place.top; row < place.bottom; row++) {
                    const V* x = space.x + (place.row + row - call->top) * call->width() + place.column - call->left;
                    int c = place.left;
                    for (; c + 4 <= place.right; c += 4)
                        unroll<4>([&](auto j) { total[j] += broadcast(w[row * call->columns + c + j]) * x[c + j]; });
                    for (; c < place.right; c++) total[0] += broadcast(w[row * call->columns + c]) * x[c];
                }
                drive[p] += (total[0] + total[1]) + (total[2] + total[3]);
            }
        }
    }
}

// d_weights[row][column] += sum_t d[t] x[t], for one reader and one channel.
static INLINE void add_to_weights(const PlacedReading& call, const PlacesWorkspace& space, const Place& place, V d,
                                  float* d_weights) {
    const int padded = (call.columns + LANES - 1) / LANES * LANES;
    for (int row = place.top; row < place.bottom; row++) {
        const int first = (place.row + row - call.top) * call.width() + place.column - call.left;
        for (int c = 0; c < call.columns; c += LANES) {
            V total[2] = {};
            unroll<LANES>(
                [&](auto t) { total[t % 2] += broadcast(d[int(t)]) * load_unaligned(&space.frame[t][first + c]); });
            *reinterpret_cast<Unaligned*>(d_weights + row * padded + c) += total[0] + total[1];
        }
    }
}

extern "C" void adjoint_of_places(const PlacedReading* call) {
    PlacesWorkspace& space = workspace<PlacesWorkspace>();
    const V slope = broadcast(call->slope);
    const int points = call->points(), padded = (call->columns + LANES - 1) / LANES * LANES;
    std::memset(space.frame, 0, sizeof(space.frame));
    for (int block = 0; block < call->blocks; block++) {
        const Mask valid = first_lanes(block == call->blocks - 1 ? call->last_frames : LANES);
        const V* d = call->drive_of(block);
        for (int o = 0; o < OUTPUTS; o++) {
            each_window_point(*call, block, o, [&](int point, V, V z) {
                space.x[point] = select(valid, z > V{} ? z : z * slope);
                space.dx[point] = V{};
            });
            for (int point = 0; point < points; point += LANES) {
                V turned[LANES];
                unroll<LANES>([&](auto j) { turned[j] = space.x[point + j]; });
                transpose(turned);
                unroll<LANES>([&](auto t) { std::memcpy(&space.frame[t][point], &turned[t], sizeof(V)); });
            }
            for (int p = 0; p < call->readers; p++) {
                const int s = call->site[p];
                const Place& place = call->places[s];
                const float* w = call->weights_of(s, o);
                for (int row = place.top; row < place.bottom; row++) {
                    V* dx = space.dx + (place.row + row - call->top) * call->width() + place.column - call->left;
                    for (int c = place.left; c < place.right; c++)
                        dx[c] += broadcast(w[row * call->columns + c]) * d[p];
                }
                add_to_weights(*call, space, place, d[p],
                               call->d_weights + (size_t(s) * OUTPUTS + o) * call->rows * padded);
            }
            const V mean = broadcast(call->mean[o]);
            V* dz = reinterpret_cast<V*>(call->dz) + (size_t(block) * OUTPUTS + o) * points;
            V sum_dz = {}, sum_dot = {};
            each_window_point(*call, block, o, [&](int point, V y, V z) {
                const V dx = select(valid, z > V{} ? space.dx[point] : space.dx[point] * slope);
                dz[point] = dx;
                sum_dz += dx;
                sum_dot += dx * (y - mean);
            });
            call->sums[o] += sum(sum_dz);
            call->sums[OUTPUTS + o] += sum(sum_dot);
        }
    }
}
