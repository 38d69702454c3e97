"""Movies of movies: stimuli with the traces growing beneath them, and feature maps while a stimulus runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stcnn.viz.film import Picture, write_film
from stcnn.viz.panel import Panel
from stcnn.viz.stage import DENSE, MANY, Look, Stage
from stcnn.viz.theme import LIGHT, Theme


@dataclass(frozen=True)
class Clock:
    """Frames of the animation.

    Args:
        fps: frames per second of the file.
        speed: seconds of the stimulus per second of the animation; below one is slow motion.
    """

    fps: float = 30.0
    speed: float = 1.0

    def times_s(self, start_s: float, end_s: float) -> NDArray[np.float64]:
        """Return the time of the stimulus at each frame, ``(F,)``."""
        return np.arange(start_s, end_s, self.speed / self.fps)


def animate(
    panels: Sequence[Panel],
    clock: Clock | None = None,
    *,
    n_columns: int = 4,
    look: Look | None = None,
    theme: Theme = LIGHT,
) -> Iterator[Picture]:
    """Yield the frames of an animation, colour ``(H, W, 3)`` with even sides.

    Args:
        panels: what runs, in a grid row by row; all traces share one scale, all panels one time.
        clock: frame rate and speed; by default 30 frames per second in real time.
        n_columns: panels in a row.
        look: how large things are; by default smaller where there are many panels.
        theme: light or dark.
    """
    clock = clock or Clock()
    stage = Stage(panels, min(n_columns, len(panels)), look or (DENSE if len(panels) > MANY else Look()), theme)
    for time_s in clock.times_s(*stage.span_s):
        yield stage.frame(float(time_s))


def write_animation(
    path: str | Path, panels: Sequence[Panel], clock: Clock | None = None, *, n_columns: int = 4, theme: Theme = LIGHT
) -> Path:
    """Write an animation of panels as mp4 or gif; arguments as of :func:`animate`.

    Raises:
        FileError: the ending is another, no panel lasts a frame, or the folder cannot be written to.
    """
    clock = clock or Clock()
    return write_film(path, animate(panels, clock, n_columns=n_columns, theme=theme), clock.fps)
