"""A stimulus movie, and the one place where axes and signs are written down.

Convention:
    * Axes are ``(T, Y, X)``: time, row, column. Row 0 is the top of the picture, column 0 its left.
    * Elevation is positive upwards, azimuth positive to the right; the middle of the field is (0, 0).
    * ``t = 0`` is the onset of the stimulus; frame ``i`` is shown from ``i / rate_hz - onset_s`` seconds on.
    * Luminance runs from 0 (black) to 1 (white). Contrast is luminance minus background, so grey is exactly zero.
    * Frames are either float32 luminance or uint8 codes into ``levels``, which makes 8-bit storage exact
      for every movie of at most 256 grey values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from stcnn.errors import DataError, ShapeError

BACKGROUND = 0.498
"""Grey of the published recordings (Klapoetke et al. 2022), as a fraction of white."""
ALL = slice(None)

PRE_GREY_S = 2.0
"""Grey that a network sees before a movie, in training and whenever it is asked; 360 frames as published."""


class FramesOnDemand:
    """Frames of a movie that are read when they are asked for, for movies too long to be held.

    A slice of frames reads these alone; anything else, :func:`numpy.asarray` included, reads them all.

    Args:
        shape: ``(T, Y, X)``.
        dtype: uint8 for codes, else float32.
        read: returns frames from a first up to, not including, a last one; must survive pickling.
    """

    ndim = 3

    def __init__(self, shape: tuple[int, int, int], dtype: DTypeLike, read: Callable[[int, int], NDArray[Any]]) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.read = read

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self.read(number, number + 1)[0] for number in range(len(self)))

    @property
    def size(self) -> int:
        """Number of pixels of all frames."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all frames would take."""
        return self.size * self.dtype.itemsize

    def __getitem__(self, which: Any) -> NDArray[Any]:  # noqa: ANN401 - whatever an array can be indexed with
        if isinstance(which, slice) and which.step in (None, 1):
            start, stop, _ = which.indices(len(self))
            return self.read(start, max(start, stop))
        if isinstance(which, int | np.integer):
            number = range(len(self))[which]
            return np.asarray(self.read(number, number + 1)[0])
        return np.asarray(np.asarray(self)[which])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.read(0, len(self)), dtype)


def is_read_later(frames: object) -> bool:
    """Whether the frames of a movie are :class:`FramesOnDemand`."""
    return isinstance(frames, FramesOnDemand)


@dataclass(frozen=True)
class Movie:
    """A grey-scale movie with its units.

    Args:
        frames: ``(T, Y, X)``, float32 luminance in 0..1, or uint8 codes into ``levels``; or :class:`FramesOnDemand`,
            whose reader answers for their values.
        rate_hz: frames per second.
        deg_per_px: degrees of visual angle per pixel.
        background: luminance of the grey that surrounds the movie in space and time.
        onset_s: time from the first frame to the onset of the stimulus.
        levels: luminance of each code, float32 of at most 256 entries; only with uint8 frames
            (default: ``code / 255``).
        parameters: what the movie was made from (name to value, units in the names).
        track: time courses of the object shown, one ``(T,)`` array per name (``azimuth_deg``, ``size_deg``, ...).
        notes: sentences about what was applied or chosen when it was read from a file; no part of its identity.

    Raises:
        ShapeError: frames that are not three-dimensional, empty, not finite or outside 0..1.
    """

    frames: NDArray[Any]
    rate_hz: float
    deg_per_px: float = 1.0
    background: float = BACKGROUND
    onset_s: float = 0.0
    levels: NDArray[np.float32] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    track: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        shown = f"{self.parameters['kind']}, " if "kind" in self.parameters else ""
        rows, columns = self.frames.shape[1:]
        size = f"{self.n_frames} frames of {rows} x {columns} px at {self.rate_hz:g} Hz, {self.deg_per_px:g} deg/px"
        return f"Movie({shown}{size}, onset {self.onset_s:g} s)"

    def __post_init__(self) -> None:
        later = is_read_later(self.frames)
        frames = self.frames if later else np.asarray(self.frames)
        if frames.ndim != 3 or 0 in frames.shape:
            raise ShapeError(
                f"movie frames have shape {frames.shape}",
                expected="(T, Y, X) with at least one frame and one pixel",
                remedy="drop the colour axis and put time first",
            )
        if not 0 < self.rate_hz < np.inf or not 0 < self.deg_per_px < np.inf:
            raise ShapeError(
                f"movie has rate_hz={self.rate_hz} and deg_per_px={self.deg_per_px}", expected="two positive numbers"
            )
        if frames.dtype.kind not in "fiub":
            raise ShapeError(f"movie frames are of type {frames.dtype}", expected="numbers")
        if frames.dtype == np.uint8:
            levels = np.arange(256, dtype=np.float32) / 255 if self.levels is None else np.asarray(self.levels)
            if levels.dtype.kind not in "fiub" or levels.ndim != 1 or not 0 < len(levels) <= 256:
                found = f"movie levels are {levels.dtype} of shape {levels.shape}"
                raise ShapeError(found, expected="the luminance of each of at most 256 codes")
            object.__setattr__(self, "levels", levels.astype(np.float32))
            if not later and int(frames.max()) >= len(levels):
                raise ShapeError(
                    f"movie frames hold code {int(frames.max())} but there are {len(levels)} levels",
                    expected="every code to have its luminance",
                )
            checked = levels
        else:
            if self.levels is not None:
                raise ShapeError(f"movie has levels with {frames.dtype} frames", expected="uint8 codes")
            frames = frames if later else frames.astype(np.float32)
            checked = np.zeros(1, np.float32) if later else frames
        _require_luminance(checked)
        object.__setattr__(self, "frames", frames)

    @property
    def n_frames(self) -> int:
        """Number of frames T."""
        return int(self.frames.shape[0])

    @property
    def shape_px(self) -> tuple[int, int]:
        """Rows and columns (Y, X) of the picture."""
        return int(self.frames.shape[1]), int(self.frames.shape[2])

    @property
    def duration_s(self) -> float:
        """Duration of the movie in seconds."""
        return self.n_frames / self.rate_hz

    @cached_property
    def time_s(self) -> NDArray[np.float64]:
        """Time at which each frame appears, ``(T,)``, zero at stimulus onset."""
        return np.arange(self.n_frames) / self.rate_hz - self.onset_s

    def luminance(self, frames: slice = ALL) -> NDArray[np.float32]:
        """Luminance 0..1 of some frames, float32 ``(T, Y, X)``."""
        return self.frames[frames] if self.levels is None else self.levels[self.frames[frames]]

    def contrast(self, frames: slice = ALL) -> NDArray[np.float32]:
        """Luminance minus background of some frames, float32 ``(T, Y, X)``; exactly zero where the movie is grey."""
        return self.luminance(frames) - np.float32(self.background)

    def coded(self) -> Movie:
        """Return the same movie as uint8 codes if it has at most 256 grey values, else the movie itself."""
        if self.levels is not None:
            return self
        found = _codes_by_rounding(self.frames) or _codes_by_sorting(self.frames)
        return self if found is None else replace(self, frames=found[0], levels=found[1])

    @classmethod
    def from_luminance(cls, luminance: ArrayLike, rate_hz: float, **fields: Any) -> Movie:
        """Make a movie from luminance 0..1 (or 8-bit grey values), coded in 8 bits where that is exact."""
        return cls(np.asarray(luminance), rate_hz, **fields).coded()


def _require_luminance(values: NDArray[Any]) -> None:
    if values.min() >= -1e-6 and values.max() <= 1 + 1e-6:  # false where a value is not a number
        return
    finite = values[np.isfinite(values)]
    runs = f"runs from {finite.min():.4g} to {finite.max():.4g}" if len(finite) else "is not finite anywhere"
    raise ShapeError(
        f"movie luminance {runs}" + (" and holds values that are not finite" if 0 < len(finite) < values.size else ""),
        expected="luminance from 0 (black) to 1 (white)",
        remedy="divide 8-bit pictures by 255 or pass them as uint8",
    )


Coded = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""Codes ``(T, Y, X)`` and the luminance of each, ascending."""


def _codes_by_rounding(frames: NDArray[np.float32]) -> Coded | None:
    """Codes of a movie whose grey values all differ by more than 1/255, found without sorting; None for any other."""
    nearest = np.empty(frames.shape, np.uint8)
    luminance, used = np.zeros(256, np.float32), np.zeros(256, bool)
    for picture, codes in zip(frames, nearest, strict=True):
        np.rint(picture * 255, casting="unsafe", out=codes)
        new = ~used[codes]
        luminance[codes[new]], used[codes[new]] = picture[new], True
        if not np.array_equal(luminance[codes], picture):
            return None
    place = (np.cumsum(used) - 1).astype(np.uint8)
    return place[nearest], luminance[used]


def _codes_by_sorting(frames: NDArray[np.float32]) -> Coded | None:
    """Codes of a movie of at most 256 grey values, whatever they are; None for any other."""
    if len(np.unique(frames[len(frames) // 2])) > 256:
        return None
    levels, codes = np.unique(frames, return_inverse=True)
    return (codes.reshape(frames.shape).astype(np.uint8), levels) if len(levels) <= 256 else None


class OnScreen(Protocol):
    """Anything that says how large a movie is."""

    @property
    def shape_px(self) -> tuple[int, int]:
        """Rows and columns."""

    @property
    def deg_per_px(self) -> float:
        """Degrees of visual angle per pixel."""


def require_one_screen(movies: Mapping[str, OnScreen]) -> tuple[tuple[int, int], float]:
    """The size in pixels and degrees per pixel that all movies share; they are asked for one after the other.

    Raises:
        ShapeError: they differ.
        DataError: there are none.
    """
    if not movies:
        raise DataError("there are no movies", expected="a movie for each stimulus that was shown")
    each = iter(movies.items())
    first_name, first = next(each)
    for name, movie in each:
        if (movie.shape_px, movie.deg_per_px) != (first.shape_px, first.deg_per_px):
            raise ShapeError(
                f"movie '{name}' has {movie.shape_px[0]} x {movie.shape_px[1]} px of {movie.deg_per_px:g} deg but "
                f"'{first_name}' has {first.shape_px[0]} x {first.shape_px[1]} px of {first.deg_per_px:g} deg",
                expected="movies of one size and resolution",
                remedy="resample the movies to one screen",
            )
    return first.shape_px, float(first.deg_per_px)
