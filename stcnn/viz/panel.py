"""Panels of an animation: a picture that moves, and the traces beneath it.

Axes: T frame, Y row, X column, C channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from stcnn.viz.film import Picture
from stcnn.viz.theme import DIVERGING


@dataclass(frozen=True)
class Panel:
    """A running picture with traces beneath it.

    Args:
        title: above the picture.
        pictures: ``(T, Y, X)``: uint8 grey, or ``(T, Y, X, 3)`` uint8 colour (see :func:`coloured_maps`).
        rate_hz: pictures per second.
        start_s: time of the first picture.
        traces: name to time (s) and value, ``(S,)`` each; a trace named ``measured`` is drawn in ink.
        colours: colours of traces by name; the others take those of the theme, in their order.
    """

    title: str
    pictures: Picture
    rate_hz: float
    start_s: float = 0.0
    traces: Mapping[str, tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)

    @property
    def end_s(self) -> float:
        """Time at which the last picture ends."""
        return self.start_s + len(self.pictures) / self.rate_hz

    def picture(self, time_s: float) -> Picture:
        """The picture at a time; the first stands before it runs, the last after."""
        number = int((time_s - self.start_s) * self.rate_hz + 1e-6)
        return self.pictures[min(max(number, 0), len(self.pictures) - 1)]


def grey_pictures(luminance: NDArray[np.floating]) -> Picture:
    """Turn luminance 0..1 ``(T, Y, X)`` into 8-bit pictures."""
    return np.round(np.clip(luminance, 0, 1) * 255).astype(np.uint8)


def coloured_maps(maps: NDArray[np.floating], n_columns: int = 5) -> Picture:
    """Lay the channels of feature maps ``(T, Y, X, C)`` side by side, zero pale, each channel on its own scale.

    Returns:
        Pictures ``(T, Y', X', 3)``.
    """
    frames, rows, columns, channels = maps.shape
    n_rows = -(-channels // n_columns)
    n_columns = min(n_columns, channels)
    canvas = np.full((frames, n_rows * (rows + 1) - 1, n_columns * (columns + 1) - 1, 3), 255, np.uint8)
    colour = np.round(colormaps[DIVERGING](np.linspace(0, 1, 256))[:, :3] * 255).astype(np.uint8)
    for c in range(channels):
        limit = float(np.abs(maps[..., c]).max()) or 1.0
        codes = np.round((maps[..., c] / limit + 1) * 127.5).astype(np.uint8)
        y = (c // n_columns) * (rows + 1)
        x = (c % n_columns) * (columns + 1)
        canvas[:, y : y + rows, x : x + columns] = colour[codes]
    return canvas
