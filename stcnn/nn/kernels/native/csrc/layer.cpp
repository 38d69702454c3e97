// One hidden layer for training: INPUTS maps of ROWS x COLUMNS in, OUTPUTS maps out, one clip per call.
//
// With a = exp(-dt/tau), b = 1 - a, r = exp(-K dt/tau) (0 for an endless kernel), all of them one per channel:
//
//     x[t] = rectifier(scale z[t] + shift)          z is y of the layer below, or the eye's maps as they are
//     v[t] = a v[t-1] + (W * x[t]),   W = b gain w  a correlation over columns
//     y[t] = v[t] - r v[t-K]
//
// LANES successive frames make a block, one vector for each channel and column: maps are [block][channel][row][column]
// [lane]. Each step stands in a file of its own: maps.h, forward.h, backward.h, reading.h,
// places.h.
#include "backward.h"
#include "interface.h"
#include "places.h"
#include "reading.h"

extern "C" int32_t lanes() { return LANES; }
SIZES(Maps, Input, Forward, Backward, Reading, Place, PlacedReading)
