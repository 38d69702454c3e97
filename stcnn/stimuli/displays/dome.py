"""A dome: pixels at equal steps of azimuth and elevation on a sphere around the fly."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from stcnn.stimuli.displays.display import Display, between
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.directions import Floats
from stcnn.validation import Config

Side = Annotated[int, Field(gt=0, le=10_000)]
Azimuth = Annotated[float, Field(ge=-360, le=360)]
Elevation = Annotated[float, Field(ge=-90, le=90)]


class Dome(Config):
    """A part of a sphere, as a projector with its warping shows it."""

    kind: Literal["dome"] = "dome"
    shape_px: tuple[Side, Side]
    """Rows and columns."""
    azimuth_deg: tuple[Azimuth, Azimuth] = (-180.0, 180.0)
    """Left and right edge."""
    elevation_deg: tuple[Elevation, Elevation] = (-90.0, 90.0)
    """Lower and upper edge."""

    @model_validator(mode="after")
    def _has_an_inside(self) -> Self:
        left, right = self.azimuth_deg
        lower, upper = self.elevation_deg
        if not 0 < right - left <= 360 or lower >= upper:
            raise ValueError("a dome goes from left to right by at most 360 degrees, and from below to above")
        return self

    def geometry(self) -> Display:
        """Return its pixels around the fly, on a sphere of radius 1."""
        rows, columns = self.shape_px
        azimuth_deg = np.linspace(*self.azimuth_deg, columns + 1)
        elevation_deg = np.linspace(*self.elevation_deg, rows + 1)[::-1]
        points = directions.unit(azimuth_deg, elevation_deg[:, None])
        heights = np.sin(np.radians(elevation_deg))
        size_sr = (heights[:-1] - heights[1:])[:, None] * np.diff(np.radians(azimuth_deg))
        middles = directions.unit(_between(azimuth_deg), _between(elevation_deg)[:, None])
        return Display(between(points[:, :-1], points[:, 1:]), size_sr, middles)


def _between(edges: Floats) -> Floats:
    return (edges[:-1] + edges[1:]) / 2
