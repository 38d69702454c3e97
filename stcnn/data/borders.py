"""Movies with a border of their background, so that pictures of several sizes become pictures of one.

A movie says which grey surrounds it (:class:`stcnn.movie.Movie`), so that a border of that grey around the picture, the
same on opposite sides, is the same stimulus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset, with_notes
from stcnn.data.on_demand import ByName, MoviesOnDemand
from stcnn.data.pictures import codes_with_grey
from stcnn.data.splitting.duplicates import fingerprint_of
from stcnn.errors import ShapeError
from stcnn.movie import FramesOnDemand, Movie, is_read_later


def with_border(data: Dataset, shape_px: tuple[int, int]) -> Dataset:
    """The same data with pictures of ``shape_px``, ``(Y, X)``, the own ones in the middle; nothing is read.

    Raises:
        ShapeError: the pictures are larger, or their middle would lie between two pixels of the new ones.
    """
    if data.shape_px == shape_px:
        return data
    _widths(data.shape_px, shape_px)
    movies = MoviesOnDemand(data.movies, BorderedMovies(data.movies, shape_px))
    own, new = (f"{rows} x {columns}" for rows, columns in (data.shape_px, shape_px))
    note = f"pictures of {own} px have a border of their background, to {new} px."
    prints = PrintsWithoutBorder(data)
    return with_notes(replace(data, movies=movies, shape_px=shape_px, known_hash=None, known_prints=prints), note)


class PrintsWithoutBorder(ByName[NDArray[np.uint64]]):
    """Fingerprints of the movies as they were, by which a border hides neither a copy nor where a copy is cut off.

    Args:
        data: with the movies as they were.
    """

    def __init__(self, data: Dataset) -> None:
        self.names = dict.fromkeys(data.movies)
        self.data = data
        self.found: dict[str, NDArray[np.uint64]] = {}

    def __getitem__(self, name: str) -> NDArray[np.uint64]:
        if name not in self.found:
            self.found[name] = fingerprint_of(self.data, name)
        return self.found[name]


@dataclass(frozen=True)
class BorderedMovies:
    """Name to movie with a border; a class, so that it survives pickling.

    Args:
        movies: without.
        shape_px: rows and columns with it.
    """

    movies: Mapping[str, Movie]
    shape_px: tuple[int, int]

    def __call__(self, name: str) -> Movie:
        """The movie with its border."""
        return bordered(self.movies[name], self.shape_px)


def bordered(movie: Movie, shape_px: tuple[int, int]) -> Movie:
    """The movie in the middle of a picture of ``shape_px``, ``(Y, X)``, its background around it.

    Frames stay codes unless all 256 have a luminance that is not the background's.

    Raises:
        ShapeError: as :func:`with_border`.
    """
    widths = _widths(movie.shape_px, shape_px)
    levels, outside = movie.levels, movie.background
    if levels is not None:
        grey = int(codes_with_grey(movie)[1])  # the first that is free where none is grey, or of 256 the nearest
        levels = np.append(levels, np.float32(movie.background))[: max(len(levels), grey + 1)]
        levels, outside = (levels, grey) if levels[grey] == np.float32(movie.background) else (None, movie.background)
    frames = BorderedFrames(movie, widths, outside, coded=levels is not None)
    if is_read_later(movie.frames):
        dtype = np.uint8 if levels is not None else np.float32
        pictures: Any = FramesOnDemand((movie.n_frames, *shape_px), dtype, frames)
    else:
        pictures = frames(0, movie.n_frames)
    return replace(movie, frames=pictures, levels=levels)


@dataclass(frozen=True)
class BorderedFrames:
    """Frames of a movie with a border, read when asked for.

    Args:
        movie: without.
        widths: pixels before and behind, of rows and of columns.
        outside: code of the border, or its luminance.
        coded: whether frames stay codes.
    """

    movie: Movie
    widths: tuple[tuple[int, int], tuple[int, int]]
    outside: float
    coded: bool

    def __call__(self, first: int, last: int) -> NDArray[Any]:
        """Frames from ``first`` up to, not including, ``last``."""
        some = slice(first, last)
        own = self.movie.frames[some] if self.coded else self.movie.luminance(some)
        return np.pad(own, ((0, 0), *self.widths), constant_values=self.outside)


def _widths(own: tuple[int, int], shape_px: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pixels of the border above and below, and to the left and right."""
    more = [new - old for old, new in zip(own, shape_px, strict=True)]
    if any(n < 0 or n % 2 for n in more):
        raise ShapeError(
            f"pictures of {own[0]} x {own[1]} px are to be put in the middle of {shape_px[0]} x {shape_px[1]} px",
            expected="a border of whole pixels, as wide on one side as on the other",
            remedy="draw or crop the movies so that their rows, and their columns, differ by even numbers",
        )
    rows, columns = (n // 2 for n in more)
    return (rows, rows), (columns, columns)
