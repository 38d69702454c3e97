"""Directions as unit vectors, and as azimuth and elevation in degrees.

Convention: x to the right of the fly, y ahead, z up. Azimuth counts from ahead, positive to the right; elevation from
the horizon, positive up. A turn by yaw moves what is ahead to the right, by pitch up; by roll it moves what is up to
the right.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating[Any]]
Point = tuple[float, float]
"""Azimuth and elevation in degrees."""


def unit(azimuth_deg: ArrayLike, elevation_deg: ArrayLike) -> Floats:
    """Return unit vectors ``(..., 3)``."""
    azimuth, elevation = np.broadcast_arrays(np.radians(azimuth_deg), np.radians(elevation_deg))
    level = np.cos(elevation)
    return np.stack([level * np.sin(azimuth), level * np.cos(azimuth), np.sin(elevation)], -1)


def azimuth_deg(vectors: Floats) -> Floats:
    """Return the azimuth of vectors ``(..., 3)`` of any length, from -180 to 180."""
    return np.degrees(np.arctan2(vectors[..., 0], vectors[..., 1]))


def elevation_deg(vectors: Floats) -> Floats:
    """Return the elevation of vectors ``(..., 3)`` of any length."""
    return np.degrees(np.arctan2(vectors[..., 2], np.hypot(vectors[..., 0], vectors[..., 1])))


def normalised(vectors: Floats) -> Floats:
    """Return vectors of length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def angle_deg(vectors: Floats, direction: Floats) -> Floats:
    """Return the angles between unit vectors, exact for small and for wide ones."""
    return 2 * np.degrees(np.arctan2(_length(vectors - direction), _length(vectors + direction)))


def turned(vectors: Floats, yaw_deg: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> Floats:
    """Return vectors ``(..., 3)`` turned around the fly, first by roll, then by pitch, then by yaw."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    by_roll = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    by_pitch = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    by_yaw = np.array([[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    return vectors @ (by_yaw @ by_pitch @ by_roll).T


class Around(NamedTuple):
    """Axes at a direction: there, to its right, and up, unit vectors ``(3,)``."""

    pole: Floats
    right: Floats
    up: Floats


def around(pole_deg: Point) -> Around:
    """Return the axes at a direction; above and below the fly, right and up are those that its azimuth leads to."""
    azimuth = np.radians(pole_deg[0])
    right = np.array([np.cos(azimuth), -np.sin(azimuth), 0.0])
    pole = unit(*pole_deg)
    return Around(pole, right, np.cross(right, pole))


def _length(vectors: Floats) -> Floats:
    return np.sqrt((vectors**2).sum(-1))
