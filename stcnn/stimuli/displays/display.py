"""Pixels around a fly: corners, directions and solid angles, and the light of their levels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import ShapeError
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.directions import Floats


def solid_angle_sr(corners: Floats) -> Floats:
    """Return the solid angles of flat quadrilaterals ``(..., 4, 3)`` seen from the origin.

    Two triangles each, by the formula of Van Oosterom and Strackee 1983 (doi 10.1109/TBME.1983.325207).
    """
    first, second, third, fourth = np.moveaxis(directions.normalised(corners), -2, 0)
    return np.abs(_triangle_sr(first, second, third)) + np.abs(_triangle_sr(first, third, fourth))


def _triangle_sr(a: Floats, b: Floats, c: Floats) -> Floats:
    volume = (a * np.cross(b, c)).sum(-1)
    return 2 * np.arctan2(volume, 1 + (a * b).sum(-1) + (b * c).sum(-1) + (c * a).sum(-1))


@dataclass(frozen=True)
class Display:
    """Pixels as a fly sees them, row 0 at the top and column 0 at the left of what is shown.

    Args:
        corners: positions from the fly's head ``(Y, X, 4, 3)``, right, ahead and up, in any unit: upper left, upper
            right, lower right and lower left.
        solid_angle_sr: of every pixel ``(Y, X)``; by default that of a flat one with these corners.
        middles: positions of the middles ``(Y, X, 3)``; by default the mean of the corners.
    """

    corners: Floats
    solid_angle_sr: Floats = None  # type: ignore[assignment]
    middles: Floats = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.corners.ndim != 4 or self.corners.shape[2:] != (4, 3) or not np.isfinite(self.corners).all():
            raise ShapeError(
                f"corners of pixels have the shape {self.corners.shape}", expected="(Y, X, 4, 3), finite numbers"
            )
        sizes: object = self.solid_angle_sr
        middles: object = self.middles
        if sizes is None:
            object.__setattr__(self, "solid_angle_sr", solid_angle_sr(self.corners))
        if middles is None:
            object.__setattr__(self, "middles", self.corners.mean(axis=2))

    @property
    def shape_px(self) -> tuple[int, int]:
        """Rows and columns of pixels."""
        return int(self.corners.shape[0]), int(self.corners.shape[1])

    @cached_property
    def directions(self) -> Floats:
        """Unit vectors to the middles of pixels ``(Y, X, 3)``."""
        return directions.normalised(self.middles)

    @property
    def azimuth_deg(self) -> Floats:
        """Azimuth of the middles ``(Y, X)``."""
        return directions.azimuth_deg(self.directions)

    @property
    def elevation_deg(self) -> Floats:
        """Elevation of the middles ``(Y, X)``."""
        return directions.elevation_deg(self.directions)

    @property
    def corner_directions(self) -> Floats:
        """Unit vectors to the corners ``(Y, X, 4, 3)``."""
        return directions.normalised(self.corners)

    @property
    def coverage(self) -> float:
        """Share of the whole sphere that the pixels fill."""
        return float(self.solid_angle_sr.sum() / (4 * np.pi))

    def samples(self, per_side: int) -> tuple[Floats, Floats]:
        """Return directions inside each pixel, and how much of its solid angle each stands for.

        Args:
            per_side: a pixel is cut into ``per_side`` squared pieces.

        Returns:
            Unit vectors ``(Y, X, per_side^2, 3)``, and shares ``(Y, X, per_side^2)`` that sum to 1.
        """
        at = (np.arange(per_side) + 0.5) / per_side
        half = 0.5 / per_side
        down, right = (grid.ravel() for grid in np.meshgrid(at, at, indexing="ij"))
        pieces = [self._inside(down + y * half, right + x * half) for y, x in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
        sizes = solid_angle_sr(np.stack(pieces, axis=3))
        share = sizes / sizes.sum(-1, keepdims=True)
        return directions.normalised(self._inside(down, right)), share

    def turned(self, yaw_deg: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Display:
        """Return the display turned around the fly; see :mod:`stcnn.stimuli.sphere.directions`."""
        corners, middles = (
            directions.turned(points, yaw_deg, pitch_deg, roll_deg) for points in (self.corners, self.middles)
        )
        return Display(corners, self.solid_angle_sr, middles)

    def seen_from(self, position: tuple[float, float, float]) -> Display:
        """Return the display as a fly sees it whose head is elsewhere: right, ahead and up, in the unit of the corners.

        Pixels count as flat.
        """
        return Display(self.corners - np.array(position), middles=self.middles - np.array(position))

    def _inside(self, down: Floats, right: Floats) -> Floats:
        """Return places in each pixel ``(Y, X, n, 3)``, given as shares of its height and width."""
        upper_left, upper_right, lower_right, lower_left = np.moveaxis(self.corners[..., None, :], 2, 0)
        upper = upper_left + (upper_right - upper_left) * right[:, None]
        lower = lower_left + (lower_right - lower_left) * right[:, None]
        return upper + (lower - upper) * down[:, None]


def between(left: Floats, right: Floats) -> Floats:
    """Return corners ``(Y, X, 4, 3)`` of pixels between lines of points.

    Args:
        left: the left edges of columns of pixels ``(Y + 1, X, 3)``, from the top.
        right: their right edges.
    """
    return np.stack([left[:-1], right[:-1], right[1:], left[1:]], axis=2)


def luminance_of(
    codes: NDArray[Any], n_levels: int, measured: tuple[float, ...] | None = None
) -> NDArray[np.floating[Any]]:
    """Return the luminance of LED levels, 0 to 1.

    Args:
        codes: levels from 0.
        n_levels: how many the LEDs have.
        measured: luminance of each level in any unit, where it was measured. Without it levels are equally far apart:
            panels make them by the share of time that an LED is on.

    Raises:
        ShapeError: there are more or fewer measured values than levels, or they do not rise.
    """
    if measured is None:
        return np.asarray(codes) / (n_levels - 1)
    table = np.asarray(measured, float)
    if len(table) != n_levels or (np.diff(table) < 0).any() or not 0 <= table[0] < table[-1] < np.inf:
        raise ShapeError(
            f"the measured luminances of {n_levels} levels are {measured}",
            expected=f"{n_levels} that rise from 0 or more",
        )
    return (table / table[-1])[np.asarray(codes)]
