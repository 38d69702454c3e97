"""Tells which movies show the same content, also mirrored or shifted by whole pixels, whatever they are called.

Every pixel's time course is condensed into one 64-bit number that is zero where the pixel stays grey. Mirror
images and shifts of a movie are then mirror images and shifts of its small map of numbers, and comparing maps
is exact up to a chance of about 2^-64 per pixel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.data.pictures import codes_with_grey
from stcnn.movie import Movie

MIRRORS: tuple[Callable[[NDArray], NDArray], ...] = (
    lambda m: m,
    lambda m: m[:, ::-1],
    lambda m: m[::-1],
    lambda m: m[::-1, ::-1],
)
"""The picture itself, mirrored left to right, upside down, and both."""

LEAST_OVERLAP = 0.5
"""Share of a movie's non-grey pixels that must stay in view for a cut-off copy to count as its shift."""


def fingerprint(movie: Movie) -> NDArray[np.uint64]:
    """The time course of each pixel as one number, uint64 ``(Y, X)``; zero where the pixel is grey throughout.

    Leading grey frames do not count, so that a later onset does not hide a copy; nor do trailing ones.
    """
    if movie.levels is None:
        pictures = movie.contrast()
        numbers = None
    else:
        contrast, _ = codes_with_grey(movie)
        pictures = movie.frames
        numbers = _scrambled(contrast)
    total = np.zeros(movie.shape_px, np.uint64)
    since_onset = 0
    for picture in pictures:
        frame = _scrambled(picture) if numbers is None else numbers[picture]
        if since_onset or frame.any():
            total += frame * _frame_weight(since_onset)
            since_onset += 1
    return total


def fingerprint_of(data: Dataset, name: str) -> NDArray[np.uint64]:
    """The :func:`fingerprint` of a movie of a data set; the movie is read only where it is not known."""
    known = data.known_prints
    return known[name] if name in known else fingerprint(data.movies[name])


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64 (Steele et al. 2014, doi 10.1145/2714064.2660195): scatters similar numbers over all 64 bits."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _scrambled(contrast: NDArray[np.float32]) -> NDArray[np.uint64]:
    """A number for each contrast, zero for grey."""
    bits = np.ascontiguousarray(contrast, np.float32).view(np.uint32).astype(np.uint64)
    return np.where(contrast == 0, np.uint64(0), _mixed(bits))


def _frame_weight(frame: int) -> np.uint64:
    return _mixed(np.array([frame], np.uint64))[0] | np.uint64(1)


def same_content(prints: Mapping[str, NDArray[np.uint64]], *, shifted: bool = True) -> dict[str, int]:
    """Number the different contents: two movies get one number where they show the same, also mirrored.

    Args:
        prints: name of each movie to its :func:`fingerprint`.
        shifted: whether a movie shifted by whole pixels, with grey entering, counts as the same.

    Returns:
        Name to the number of its content, from 0.
    """
    first_with: dict[bytes, int] = {}
    labels = np.array([first_with.setdefault(_canonical(p, shifted), len(first_with)) for p in prints.values()])
    if shifted:
        maps = list(prints.values())
        for whole, part in _possible_cuts(maps):
            if labels[whole] != labels[part] and _is_cut_shift(maps[whole], maps[part]):
                labels[labels == labels[part]] = labels[whole]
    numbers = np.unique(labels, return_inverse=True)[1]
    return {name: int(number) for name, number in zip(prints, numbers, strict=True)}


def content_name(print_: NDArray[np.uint64], *, shifted: bool = True) -> str:
    """A lasting name of a content, 16 hexadecimal digits: one for all its mirror images and, if wanted, its shifts.

    Unlike :func:`same_content` it compares with movies that are not there, but does not know a shift that is cut off.
    """
    return hashlib.sha256(_canonical(print_, shifted)).hexdigest()[:16]


def _canonical(print_: NDArray[np.uint64], shifted: bool) -> bytes:
    """The same bytes for all mirror images, and for all positions where ``shifted``."""
    window = _window(print_) if shifted else (slice(None), slice(None))
    views = [mirror(print_[window]) for mirror in MIRRORS]
    return min(repr(view.shape).encode() + view.tobytes() for view in views)


def _window(print_: NDArray[np.uint64]) -> tuple[slice, slice]:
    """Smallest rectangle that holds everything that is not grey."""
    rows = np.flatnonzero(print_.any(1))
    columns = np.flatnonzero(print_.any(0))
    if not len(rows):
        return slice(0), slice(0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _possible_cuts(maps: list[NDArray[np.uint64]]) -> Iterator[tuple[int, int]]:
    """Pairs (whole, part) where the part reaches the edge and holds no time course that the whole lacks."""
    courses = [frozenset(np.unique(m[m != 0]).tolist()) for m in maps]
    at_edge = [bool(m[0].any() or m[-1].any() or m[:, 0].any() or m[:, -1].any()) for m in maps]
    for part, part_courses in enumerate(courses):
        if at_edge[part] and part_courses:
            for whole, whole_courses in enumerate(courses):
                if whole != part and part_courses <= whole_courses and maps[whole].shape == maps[part].shape:
                    yield whole, part


def _is_cut_shift(whole: NDArray[np.uint64], part: NDArray[np.uint64]) -> bool:
    """Whether ``part`` is ``whole``, mirrored or not, shifted with grey entering and the rest cut off."""
    if np.count_nonzero(part) < LEAST_OVERLAP * np.count_nonzero(whole):
        return False
    values, counts = np.unique(part[part != 0], return_counts=True)
    rarest = values[counts.argmin()]
    anchor = np.argwhere(part == rarest)[0]
    for mirror in MIRRORS:
        view = mirror(whole)
        for position in np.argwhere(view == rarest):
            if np.array_equal(shifted(view, *(anchor - position)), part):
                return True
    return False


def shifted(print_: NDArray[np.uint64], down: int, right: int) -> NDArray[np.uint64]:
    """Move a picture ``(Y, X)`` by whole pixels; zero, which is grey, enters."""
    rows, columns = print_.shape
    out = np.zeros_like(print_)
    out[max(0, down) : rows + min(0, down), max(0, right) : columns + min(0, right)] = print_[
        max(0, -down) : rows - max(0, down), max(0, -right) : columns - max(0, right)
    ]
    return out
