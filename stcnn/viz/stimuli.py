"""Stimuli as pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from stcnn.movie import Movie
from stcnn.viz.theme import LIGHT, Margins, Theme, panels, themed


def filmstrip(movies: Mapping[str, Movie], n_frames: int = 6, theme: Theme = LIGHT) -> Figure:
    """Draw stimuli as frames at even times while there is something to see, a row per stimulus, black to white.

    Args:
        movies: name to movie.
        n_frames: frames of each.
        theme: light or dark.
    """
    with themed(theme):
        longest_in = 0.3 + 0.065 * max(map(len, movies))
        margins = Margins(left=longest_in + 0.35, top=0.3, bottom=0.45, across=0.08, down=0.24)
        figure, grid = panels(len(movies), n_frames, (1.0, 1.0), margins)
        for line, (name, movie) in zip(grid, movies.items(), strict=True):
            half_y, half_x = (side * movie.deg_per_px / 2 for side in movie.shape_px)
            for axes, place in zip(line, _places(movie, n_frames), strict=True):
                frame = movie.frames[place] if movie.levels is None else movie.levels[movie.frames[place]]
                axes.imshow(frame, cmap="gray", vmin=0, vmax=1, extent=(-half_x, half_x, -half_y, half_y))
                axes.set_title(f"{movie.time_s[place]:.2f} s", fontsize=7, pad=2)
                axes.tick_params(labelsize=6, length=2, labelleft=axes is line[0], labelbottom=line is grid[-1])
            line[0].set_ylabel("elevation (°)", fontsize=7, labelpad=1)
            line[0].text(-0.45, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=8)
        for axes in grid[-1]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("azimuth (°)", fontsize=7)
    return figure


def _places(movie: Movie, n_frames: int) -> list[int]:
    """Frames at even times, from the first that is not grey to the last."""
    seen = np.flatnonzero(movie.contrast().any((1, 2)))
    first, last = (seen[0], seen[-1]) if len(seen) else (0, movie.n_frames - 1)
    return np.linspace(first, last, n_frames).round().astype(int).tolist()
