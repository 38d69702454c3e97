"""Where and when a stimulus is shown: the screen in degrees and hertz, and the phases of one presentation."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stcnn.errors import ConfigError
from stcnn.movie import BACKGROUND
from stcnn.validation import Config

Array = NDArray[np.floating[Any]]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Point = tuple[float, float]
"""Azimuth and elevation in degrees; right and up are positive, (0, 0) is the middle of the field."""

MOST_FRAMES = 10_000_000
"""Longest presentation: fifteen hours at 180 Hz."""
INSTANT_S = 1e-9
"""Two times closer than this are one: far below a frame, far above the rounding of ``i / rate_hz``."""


class Screen(Config):
    """A screen of square pixels in degrees of visual angle (the grid is equidistant in azimuth and elevation).

    Args:
        shape_px: rows and columns (Y, X).
        deg_per_px: degrees of visual angle per pixel.
        rate_hz: frames per second.
        background: luminance 0..1 of the grey around and between stimuli.
    """

    shape_px: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] = (83, 83)
    deg_per_px: Positive = 1.0
    rate_hz: Positive = 180.0
    background: Fraction = BACKGROUND

    @cached_property
    def x_edges_deg(self) -> Array:
        """Azimuth of the pixel borders from left to right, ``(X + 1,)``."""
        return (np.arange(self.shape_px[1] + 1) - self.shape_px[1] / 2) * self.deg_per_px

    @cached_property
    def y_edges_deg(self) -> Array:
        """Elevation of the pixel borders from top to bottom (falling), ``(Y + 1,)``."""
        return (self.shape_px[0] / 2 - np.arange(self.shape_px[0] + 1)) * self.deg_per_px

    @property
    def x_deg(self) -> Array:
        """Azimuth of the pixel centres, ``(X,)``."""
        return (self.x_edges_deg[1:] + self.x_edges_deg[:-1]) / 2

    @property
    def y_deg(self) -> Array:
        """Elevation of the pixel centres from top to bottom, ``(Y,)``."""
        return (self.y_edges_deg[1:] + self.y_edges_deg[:-1]) / 2

    @property
    def height_deg(self) -> float:
        """Height of the field."""
        return self.shape_px[0] * self.deg_per_px

    @property
    def width_deg(self) -> float:
        """Width of the field."""
        return self.shape_px[1] * self.deg_per_px

    def extent_deg(self, direction_deg: float) -> float:
        """Length of the field's shadow on a line in ``direction_deg`` (0 rightward, 90 upward)."""
        angle = math.radians(direction_deg)
        return self.width_deg * abs(math.cos(angle)) + self.height_deg * abs(math.sin(angle))


class Timing(Config):
    """Phases of one presentation: grey, first picture held, the course itself, last picture held, grey.

    Stimulus onset (t = 0) is the end of ``before_s``.

    Args:
        before_s: grey before onset.
        hold_first_s: how long the first picture stands still after onset.
        hold_last_s: how long the last picture stands still.
        after_s: grey at the end.
    """

    before_s: NonNegative = 0.0
    hold_first_s: NonNegative = 0.0
    hold_last_s: NonNegative = 0.0
    after_s: NonNegative = 0.0

    def clock(self, course_s: float, rate_hz: float) -> Array:
        """Time from onset of every frame, ``(T,)``, of a presentation whose course lasts ``course_s``.

        Raises:
            ConfigError: there would be more than :data:`MOST_FRAMES`.
        """
        total_s = self.before_s + self.hold_first_s + course_s + self.hold_last_s + self.after_s
        if not total_s * rate_hz <= MOST_FRAMES:
            raise ConfigError(
                f"a stimulus lasts {total_s:g} s at {rate_hz:g} frames per second",
                expected=f"at most {MOST_FRAMES} frames",
                remedy="shorten it, or correct its speed",
            )
        n_frames = max(1, math.ceil((total_s - INSTANT_S) * rate_hz))
        return np.arange(n_frames) / rate_hz - self.before_s


AT_ONCE = Timing()
"""The course alone, without holds or grey."""
