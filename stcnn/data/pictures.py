"""Pictures of clips: codes among which one is exactly grey, and movies laid where a neuron looks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stcnn.movie import Movie


def codes_with_grey(movie: Movie) -> tuple[NDArray[np.float32], np.uint8]:
    """Contrast of each code, float32 ``(256,)``, with one code that is exactly grey, and that code.

    A movie whose 256 codes are all taken and none of which is its background lends the nearest one: its contrast,
    at most half a grey level, becomes zero.
    """
    assert movie.levels is not None, "only a coded movie has codes"
    contrast = np.zeros(256, np.float32)
    contrast[: len(movie.levels)] = movie.levels - np.float32(movie.background)
    grey = int(np.abs(contrast).argmin())
    contrast[grey] = 0
    return contrast, np.uint8(grey)


def place(out: NDArray, frames: NDArray, start: int, shift_px: tuple[int, int]) -> None:
    """Write the shifted movie ``(T, Y, X)`` into ``out`` from frame ``start`` on; what lies outside is cut off."""
    azi, ele = shift_px
    rows, columns = frames.shape[1:]
    t0 = max(0, start)
    t1 = min(len(out), start + len(frames))
    y0 = max(0, ele)
    y1 = min(rows, rows + ele)
    x0 = max(0, -azi)
    x1 = min(columns, columns - azi)
    if t0 < t1 and y0 < y1 and x0 < x1:
        out[t0:t1, y0:y1, x0:x1] = frames[t0 - start : t1 - start, y0 - ele : y1 - ele, x0 + azi : x1 + azi]
