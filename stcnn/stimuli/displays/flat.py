"""A flat screen at a distance: a monitor, or the picture of a projector."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from stcnn.stimuli.displays.display import Display, between
from stcnn.validation import Config

Side = Annotated[int, Field(gt=0, le=10_000)]


class FlatScreen(Config):
    """A screen whose middle is seen at a right angle."""

    kind: Literal["flat"] = "flat"
    shape_px: tuple[Side, Side]
    """Rows and columns."""
    px_mm: PositiveFloat
    """Width and height of a pixel."""
    distance_mm: PositiveFloat
    """From the fly's head to the nearest point of the screen, its middle."""
    azimuth_deg: float = 0.0
    """Where the middle is."""
    elevation_deg: float = 0.0
    """Where the middle is."""
    roll_deg: float = 0.0
    """How far the screen is turned clockwise around its middle, as the fly sees it."""

    def geometry(self) -> Display:
        """Return its pixels around the fly, in millimetres."""
        rows, columns = self.shape_px
        up_mm = (rows / 2 - np.arange(rows + 1)) * self.px_mm
        right_mm = (np.arange(columns + 1) - columns / 2) * self.px_mm
        z, x = np.meshgrid(up_mm, right_mm, indexing="ij")
        points = np.stack([x, np.full_like(x, self.distance_mm), z], -1)
        flat = Display(between(points[:, :-1], points[:, 1:]))
        return flat.turned(self.azimuth_deg, self.elevation_deg, self.roll_deg)
