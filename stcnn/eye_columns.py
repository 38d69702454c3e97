"""Columns of a measured eye: their places in a hexagonal array, and where they look from its middle.

Axial coordinates p and q: a step along p, along q, and along both lead to neighbours, the last one upwards (Zhao et al.
2025, doi 10.1038/s41586-025-09276-5). In the array a step down is a step down the visual field, a step to the right
goes to the right and half a column down.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stcnn.errors import DataError

Floats = NDArray[np.floating[Any]]
MOST_PLACES = 100_000
"""Places of an array, columns or not."""


def array_of(axial: ArrayLike, right: ArrayLike) -> NDArray[np.int64]:
    """Return the numbers of columns in the array of a hexagonal lattice ``(rows, columns)``; -1 where none is.

    A step along both p and q is a step up; of the two ways to lay p and q, the one is taken in which columns farther
    right look farther right.

    Args:
        axial: p and q of each column ``(n, 2)``.
        right: how far right each looks ``(n,)``, such as its azimuth from the middle.

    Raises:
        DataError: two have the same p and q, or they lie farther apart than an eye is wide.
    """
    p, q = np.asarray(axial, np.int64).T
    ways = [np.stack([-q, q - p], -1), np.stack([-p, p - q], -1)]
    slopes = [_slope(way[:, 1].astype(float), np.asarray(right, float)) for way in ways]
    place = ways[int(np.argmax(slopes))]
    place = place - place.min(axis=0)
    rows, columns = (int(size) for size in place.max(axis=0) + 1)
    if rows * columns > MOST_PLACES:
        raise DataError(
            f"columns have p and q that make an array of {rows} x {columns}", expected=f"at most {MOST_PLACES} places"
        )
    array = np.full((rows, columns), -1)
    array[tuple(place.T)] = np.arange(len(place))
    if (array >= 0).sum() < len(place):
        raise DataError("two columns have the same p and q", expected="one place for each column")
    return array


def from_middle_deg(looks_deg: ArrayLike, middle_deg: tuple[float, float] | None = None) -> tuple[Floats, Floats]:
    """Return where columns look as azimuth and elevation from a middle, which is turned ahead.

    Args:
        looks_deg: azimuth and elevation of each column ``(n, 2)``, around the fly.
        middle_deg: of the middle; None is the mean direction of the columns.

    Returns:
        Azimuth and elevation from the middle ``(n, 2)``, and the middle itself ``(2,)``.
    """
    azimuth, elevation = np.radians(np.asarray(looks_deg, float)).T
    vectors = np.stack(
        [np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth), np.sin(elevation)], -1
    )
    mean = vectors.mean(axis=0)
    found = np.array([np.arctan2(mean[0], mean[1]), np.arctan2(mean[2], np.hypot(mean[0], mean[1]))])
    yaw, pitch = found if middle_deg is None else np.radians(middle_deg)
    right, ahead, up = vectors.T
    ahead, right = ahead * np.cos(yaw) + right * np.sin(yaw), right * np.cos(yaw) - ahead * np.sin(yaw)
    ahead, up = ahead * np.cos(pitch) + up * np.sin(pitch), up * np.cos(pitch) - ahead * np.sin(pitch)
    away = np.stack([np.arctan2(right, ahead), np.arctan2(up, np.hypot(right, ahead))], -1)
    return np.degrees(away), np.degrees(np.array([yaw, pitch]))


def _slope(x: Floats, y: Floats) -> float:
    """Return by how much y grows with x."""
    away = x - x.mean()
    return float((away * (y - y.mean())).sum() / max((away**2).sum(), 1e-12))
