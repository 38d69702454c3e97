"""The contact sheet of an import: every movie by its first, middle and last frame, its clock and its size."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib import image
from numpy.typing import NDArray

from stcnn.data.summary import sampled
from stcnn.movie import Movie

MOST_MOVIES = 60
MOST_SECONDS = 60.0
"""After so long no further movie is read; the page says how many are shown."""
MOST_PIXELS = 160
"""Rows and columns of a thumbnail; larger pictures are thinned out by whole pixels."""
MOST_POINTS = 200
"""Points of the course of luminance."""


@dataclass(frozen=True)
class Thumbnail:
    """A frame of a movie.

    Args:
        data: the picture as a data URL.
        time: since stimulus onset, in words.
        width_px: columns of the picture.
        height_px: rows of the picture.
    """

    data: str
    time: str
    width_px: int
    height_px: int


@dataclass(frozen=True)
class MovieCard:
    """Caption of a movie in the contact sheet.

    Args:
        name: of the stimulus.
        frames: first, middle and last.
        course: mean luminance over time as an SVG path in a box of 100 by 20, black at the bottom.
        onset_percent: place of stimulus onset in the box.
        luminance: least and greatest luminance, in words.
        facts: duration, rate, size and so on, in words.
    """

    name: str
    frames: tuple[Thumbnail, ...]
    course: str
    onset_percent: float
    luminance: str
    facts: tuple[str, ...]


def contact_sheet(
    movies: Mapping[str, Movie], names: Iterable[str], progress: Callable[[str, int, int], None]
) -> list[MovieCard]:
    """Look at movies one after the other, at most :data:`MOST_MOVIES` and for :data:`MOST_SECONDS`.

    Args:
        movies: by name, in memory or read when asked for.
        names: those to show.
        progress: told what is done, how far, and of how much.
    """
    chosen = sampled(names, MOST_MOVIES)
    cards = []
    started_s = time.monotonic()
    for done, name in enumerate(chosen, 1):
        cards.append(movie_card(name, movies[name]))
        progress("movies of the page", done, len(chosen))
        if time.monotonic() - started_s > MOST_SECONDS:
            break
    return cards


def movie_card(name: str, movie: Movie) -> MovieCard:
    """Return what the contact sheet says of a movie."""
    last = movie.n_frames - 1
    strongest = strongest_frame(movie)
    course = np.array([_luminance(movie, number).mean() for number in sampled(range(movie.n_frames), MOST_POINTS)])
    values = movie.frames if movie.levels is None else movie.levels[np.unique(movie.frames)]
    rows, columns = movie.shape_px
    changing = 1 + int((np.diff(movie.frames, axis=0) != 0).any(axis=(1, 2)).sum()) if last else 1
    return MovieCard(
        name=name,
        frames=tuple(_thumbnail(movie, number) for number in middle_frames(strongest, last)),
        course=_path(course),
        onset_percent=round(100 * min(max(movie.onset_s / movie.duration_s, 0.0), 1.0), 2),
        luminance=f"{float(values.min()):.3g} to {float(values.max()):.3g}",
        facts=(
            f"{movie.duration_s:.3f} s",
            f"{movie.n_frames} frames at {movie.rate_hz:g} Hz",
            f"{changing} different from the one before" if changing < movie.n_frames else "every frame different",
            f"{columns * movie.deg_per_px:.4g}° wide, {rows * movie.deg_per_px:.4g}° high",
            f"{rows} × {columns} px of {movie.deg_per_px:g}°",
            f"onset {movie.onset_s:.3f} s after the first frame",
            f"luminance {float(values.min()):.3g} to {float(values.max()):.3g}, background {movie.background:.3g}",
        ),
    )


def middle_frames(strongest: int, last: int) -> tuple[int, int, int]:
    """Return the first frame, the one that shows most, and the last; the middle one where the first two are one."""
    return 0, strongest or last // 2, last


def strongest_frame(movie: Movie) -> int:
    """Return the number of the frame that differs most from the first, of at most :data:`MOST_POINTS` looked at."""
    numbers = sampled(range(movie.n_frames), MOST_POINTS)
    first = _luminance(movie, 0)
    differences = [float(np.abs(_luminance(movie, number) - first).mean()) for number in numbers]
    return numbers[int(np.argmax(differences))]


def thumbnail(movie: Movie, most_px: int = MOST_PIXELS) -> Thumbnail:
    """Return a picture of the frame that differs most from the first, of at most so many rows and columns."""
    return _thumbnail(movie, strongest_frame(movie), most_px)


def _luminance(movie: Movie, number: int) -> NDArray[np.float32]:
    frame = movie.frames[number]
    return frame if movie.levels is None else movie.levels[frame]


def _thumbnail(movie: Movie, number: int, most_px: int = MOST_PIXELS) -> Thumbnail:
    step = -(-max(movie.shape_px) // most_px)
    picture = _luminance(movie, number)[::step, ::step]
    file = io.BytesIO()
    image.imsave(file, picture, cmap="gray", vmin=0, vmax=1, format="png")
    data = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return Thumbnail(data, f"{number / movie.rate_hz - movie.onset_s:.3f} s", picture.shape[1], picture.shape[0])


def _path(course: NDArray[np.floating]) -> str:
    """A step for each mean luminance: a frame stands until the next one."""
    edges = np.linspace(0, 100, len(course) + 1)
    heights = 19.5 - 19 * np.clip(course, 0, 1)
    steps = [f"V{height:.2f}H{edge:.2f}" for height, edge in zip(heights, edges[1:], strict=True)]
    return f"M0 {heights[0]:.2f}{''.join(steps)}"
