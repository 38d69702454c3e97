"""Stretches of a long movie that are shown again, such as frozen noise: they tell the noise of a continuous recording.

They are found by content. Two stretches are repeats if all their frames are equal; grey, and stimuli with a period
shorter than :data:`LEAST_S`, are none, since every one of their frames is its own repeat.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.movie import Movie

LEAST_S = 4.0
"""Shortest stretch that counts."""
LEAST_MOVIE_S = 30.0
"""Shorter movies are not searched: what is repeated there is part of the stimulus."""
FRAMES_AT_ONCE = 256
_FACTOR = 0xD1342543DE82EF95
"""Of the rolling sum: odd, so that it has an inverse modulo 2^64."""

Codes = NDArray[np.uint64]


class Repeats(NamedTuple):
    """Stretches of a movie whose frames are equal.

    Args:
        first_frames: number of the first frame of each stretch, from the first frame of the movie on.
        n_frames: length of each.
    """

    first_frames: tuple[int, ...]
    n_frames: int


def repeats_in(movie: Movie) -> list[Repeats]:
    """Return what is shown more than once in a movie, longest stretches that do not overlap, in order of appearance."""
    least = round(LEAST_S * movie.rate_hz)
    if movie.duration_s < LEAST_MOVIE_S or movie.n_frames < 2 * least:
        return []
    windows = _windows(_frame_codes(movie), least)
    places, nearest = _again(windows)
    found = []
    free = np.ones(movie.n_frames, bool)
    for start in np.flatnonzero(nearest[: len(windows)] >= least).tolist():
        first = [place for place in places[windows[start]] if free[place : place + least].all()]
        if len(first) < 2 or first[0] != start:
            continue
        length = _length(windows, first, least)
        for place in first:
            free[place : place + length] = False
        found.append(Repeats(tuple(first), length))
    return found


def _frame_codes(movie: Movie) -> Codes:
    """A number for each frame, the same for equal frames; frames are read in parts."""
    codes = []
    for start in range(0, movie.n_frames, FRAMES_AT_ONCE):
        codes += [hash(frame.tobytes()) for frame in movie.frames[start : start + FRAMES_AT_ONCE]]
    return np.array(codes, np.int64).view(np.uint64)


def _windows(codes: Codes, length: int) -> Codes:
    """A number for every stretch of a length, the same for equal stretches: a rolling sum modulo 2^64."""
    powers = np.full(len(codes), _FACTOR, np.uint64)
    powers[0] = 1
    powers = np.cumprod(powers, dtype=np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(codes * powers, dtype=np.uint64)])
    inverse = np.full(len(codes), pow(_FACTOR, -1, 2**64), np.uint64)
    inverse[0] = 1
    back = np.cumprod(inverse, dtype=np.uint64)[: len(codes) - length + 1]
    return (sums[length:] - sums[:-length]) * back


def _again(windows: Codes) -> tuple[dict[np.uint64, list[int]], NDArray[np.int64]]:
    """Where each stretch that is shown more than once begins, and the shortest way from one such place to the next.

    Returns:
        Stretch to its places; and for each place that distance, 0 for a stretch that is shown once.
    """
    order = np.argsort(windows, kind="stable")
    ends = np.flatnonzero(np.diff(windows[order])) + 1
    places = {}
    nearest = np.zeros(len(windows), np.int64)
    for group in np.split(order, ends):
        if len(group) > 1:
            places[windows[group[0]]] = group.tolist()
            nearest[group] = np.diff(group).min()
    return places, nearest


def _length(windows: Codes, first: list[int], least: int) -> int:
    """Length of the longest equal stretches that begin at some places and do not overlap."""
    most = min([int(np.diff(first).min()), len(windows) - 1 - first[-1] + least])
    n_more = most - least
    equal = np.ones(n_more + 1, bool)
    for place in first[1:]:
        equal &= windows[place : place + n_more + 1] == windows[first[0] : first[0] + n_more + 1]
    return least + (n_more if equal.all() else int(equal.argmin()) - 1)
