"""What a display shows of a scene around the fly or of a movie, and the picture that a model sees of it.

Every pixel shows the mean over its solid angle, so that sizes are true however pixels lie. A movie is flat: its pixels
count as degrees of azimuth and elevation, as in :class:`~stcnn.stimuli.screen.Screen`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stcnn.movie import Movie
from stcnn.reading import require_room
from stcnn.stimuli.displays.display import Display
from stcnn.stimuli.displays.optics import Optics
from stcnn.stimuli.screen import Screen
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.scenes import Scene

PER_SIDE = 4
"""Pieces along the side of a pixel over which it shows the mean."""


def shown(display: Display, scene: Scene, times_s: ArrayLike, per_side: int = PER_SIDE) -> NDArray[np.float32]:
    """Return the luminance of pixels ``(T, Y, X)``, 0 to 1.

    Args:
        display: around the fly.
        scene: what is to be seen.
        times_s: time of every frame ``(T,)``.
        per_side: pieces along the side of a pixel over which it shows the mean.
    """
    times = np.atleast_1d(np.asarray(times_s, float))
    rows, columns = display.shape_px
    require_room(4 * len(times) * rows * columns + 64 * rows * columns * per_side**2, "the frames of a display")
    vectors, share = display.samples(per_side)
    frames = np.empty((len(times), rows, columns), np.float32)
    for frame, time_s in zip(frames, times, strict=True):
        frame[:] = (scene.luminance(vectors, float(time_s)) * share).sum(-1)
    return frames


def screen_of(display: Display, rate_hz: float, background: float) -> Screen:
    """Return the screen on which a movie for a display is best drawn: all around it, in pixels half of its smallest."""
    corners = display.corner_directions
    sides_deg = directions.angle_deg(corners, np.roll(corners, 1, axis=2))
    deg_per_px = float(np.percentile(sides_deg, 5)) / 2
    height_deg = 2 * float(np.abs(directions.elevation_deg(corners)).max())
    width_deg = min(360.0, 2 * float(np.abs(directions.azimuth_deg(corners)).max()))
    shape_px = (int(np.ceil(height_deg / deg_per_px)), int(np.ceil(width_deg / deg_per_px)))
    return Screen(shape_px=shape_px, deg_per_px=deg_per_px, rate_hz=rate_hz, background=background)


def movie_on(display: Display, movie: Movie, per_side: int = PER_SIDE) -> NDArray[np.float32]:
    """Return the luminance of pixels ``(T, Y, X)`` that show a movie; beside the movie is its background."""
    vectors, share = display.samples(per_side)
    rows, columns = movie.shape_px
    row = np.floor(rows / 2 - directions.elevation_deg(vectors) / movie.deg_per_px).astype(int)
    column = np.floor(columns / 2 + directions.azimuth_deg(vectors) / movie.deg_per_px).astype(int)
    beside = (row < 0) | (row >= rows) | (column < 0) | (column >= columns)
    place = np.where(beside, 0, row * columns + column)
    require_room(4 * movie.n_frames * beside[..., 0].size + 8 * beside.size, "the frames of a display")
    frames = np.empty((movie.n_frames, *display.shape_px), np.float32)
    for number, frame in enumerate(frames):
        flat = movie.luminance(slice(number, number + 1))[0].ravel()
        frame[:] = (np.where(beside, movie.background, flat[place]) * share).sum(-1)
    return frames


def picture_optics(display: Display, screen: Screen) -> Optics:
    """Return the matrix from a display to a flat picture in degrees, for models whose eye looks at one.

    Each pixel of the picture sees by a Gaussian as wide as itself at half maximum, so that an eye of acceptance a sees
    by one of ``sqrt(a^2 + deg_per_px^2)``. Close to straight above and below, the picture is not what is there.
    """
    columns = directions.unit(screen.x_deg, np.clip(screen.y_deg, -90, 90)[:, None])
    return Optics.of(display, columns, screen.deg_per_px, PER_SIDE)


def as_picture(display: Display, luminance: NDArray[Any], screen: Screen, optics: Optics | None = None) -> Movie:
    """Return the movie that a model sees of a display.

    Args:
        display: around the fly.
        luminance: of its pixels ``(T, Y, X)``, at the rate of the screen.
        screen: of the movie; its background lies beside the display.
        optics: of :func:`picture_optics`, where it is there from another call.
    """
    optics = optics or picture_optics(display, screen)
    seen = optics.see(np.asarray(luminance, np.float32), screen.background)
    return Movie(np.clip(seen, 0, 1), screen.rate_hz, deg_per_px=screen.deg_per_px, background=screen.background)
