"""A movie on another screen: other pixels, another frame rate, another place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stcnn.movie import Movie
from stcnn.stimuli.coverage import overlaps
from stcnn.stimuli.screen import INSTANT_S, Screen


class Placement:
    """Where the pixels of a picture lie on a screen.

    Args:
        shape_px: rows and columns of the picture.
        deg_per_px: size of its pixels.
        screen: on which it is shown.
        centre_deg: azimuth and elevation of its middle.
    """

    def __init__(
        self,
        shape_px: tuple[int, int],
        deg_per_px: float,
        screen: Screen,
        centre_deg: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        picture = Screen(shape_px=shape_px, deg_per_px=deg_per_px)
        rows = overlaps(-screen.y_edges_deg, -picture.y_edges_deg - centre_deg[1])
        columns = overlaps(screen.x_edges_deg, picture.x_edges_deg + centre_deg[0])
        self.rows = rows.astype(np.float32)
        self.columns = columns.T.astype(np.float32)

    @property
    def coverage(self) -> NDArray[np.float32]:
        """Fraction of each pixel of the screen inside the picture, ``(Y, X)``."""
        covered: NDArray[np.float32] = np.outer(self.rows.sum(1), self.columns.sum(0))
        return np.clip(covered, 0, 1)

    def place(self, luminance: NDArray[np.float32], background: float) -> NDArray[np.float32]:
        """Average the pictures ``(T, Y, X)`` over the pixels of the screen, ``background`` around them."""
        contrast: NDArray[np.float32] = self.rows @ (luminance - np.float32(background)) @ self.columns
        contrast += np.float32(background)
        return np.clip(contrast, 0, 1, out=contrast)


def on_screen(movie: Movie, screen: Screen, azimuth_deg: float = 0.0, elevation_deg: float = 0.0) -> Movie:
    """Show a movie on another screen: pixels averaged by area, frames held, its own background around it.

    Args:
        movie: of any rate and resolution.
        screen: whose pixels and rate to take; its background is not used.
        azimuth_deg: where the middle of the movie goes.
        elevation_deg: likewise.
    """
    placement = Placement(movie.shape_px, movie.deg_per_px, screen, (azimuth_deg, elevation_deg))
    frames = placement.place(movie.luminance(), movie.background)
    return at_rate(replace(movie, frames=frames, levels=None, deg_per_px=screen.deg_per_px), screen.rate_hz)


def at_rate(movie: Movie, rate_hz: float) -> Movie:
    """The movie at another frame rate: each frame shows what is seen when it starts."""
    if movie.rate_hz == rate_hz:
        return movie
    n_frames = n_frames_at(rate_hz, movie.duration_s)
    source = frame_at(movie.rate_hz, movie.n_frames, np.arange(n_frames) / rate_hz)
    track = {name: values[source] for name, values in movie.track.items()}
    return replace(movie, frames=movie.frames[source], rate_hz=rate_hz, track=track)


def n_frames_at(rate_hz: float, duration_s: float) -> int:
    """Number of frames that fill a duration."""
    return max(1, int(np.ceil((duration_s - INSTANT_S) * rate_hz)))


def frame_at(rate_hz: float, n_frames: int, time_s: NDArray[np.floating]) -> NDArray[np.intp]:
    """Number of the frame that is seen at each time, counted from the first of ``n_frames``."""
    return np.clip(np.floor((time_s + INSTANT_S) * rate_hz).astype(int), 0, n_frames - 1)
