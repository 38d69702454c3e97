"""From a display to an eye: one sparse matrix, made once, of how much each column sees of each pixel.

A column accepts light with the Gaussian ``exp(-4 ln 2 angle^2 / fwhm^2)`` of the angle from where it looks. A pixel
weighs by its solid angle times the acceptance there, divided by the acceptance over the whole sphere; pixels are cut
into pieces small beside the acceptance angle. What of a column's acceptance falls beside the display is its share
outside, so that all shares of a column sum to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import quad
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from stcnn.errors import ShapeError
from stcnn.reading import require_room
from stcnn.stimuli.displays.display import Display
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.directions import Floats

REACH = 2.5
"""Acceptance angles from where a column looks, beyond which it sees nothing: 3e-8 of the Gaussian lies there."""
PIECES_PER_FWHM = 6
"""Pieces of pixels across an acceptance angle, at least."""
MOST_PIECES = 16
"""Pieces along the side of a pixel, at most."""
COVERED = 1e-3
"""Share outside the display that counts as none: the rest is of cutting pixels into pieces."""


@dataclass(frozen=True)
class Optics:
    """What the columns of an eye see of a display.

    Args:
        weights: of each pixel (in rows) for each column, ``(columns, pixels)``.
        outside: what of each column's acceptance falls beside the display ``(columns,)``.
        shape: of the columns.
        shape_px: rows and columns of the display.
    """

    weights: csr_array
    outside: NDArray[np.float64]
    shape: tuple[int, ...]
    shape_px: tuple[int, int]

    @classmethod
    def of(cls, display: Display, columns: Floats, fwhm_deg: ArrayLike = 5.0, most_pieces: int = MOST_PIECES) -> Optics:
        """Return the matrix.

        Args:
            display: around the fly.
            columns: where columns look, unit vectors ``(..., 3)``, for instance
                ``sphere.directions.unit(azimuth_deg, elevation_deg)``.
            fwhm_deg: acceptance angle of all columns, or of each ``(...)``.
            most_pieces: pieces along the side of a pixel, at most.

        Raises:
            ShapeError: directions or angles are no finite numbers, or angles not from 0 to 180 degrees.
        """
        columns = np.asarray(columns, float)
        shape = columns.shape[:-1]
        angles_deg = np.broadcast_to(np.asarray(fwhm_deg, float), shape).ravel()
        looks = _judged(columns.reshape(-1, columns.shape[-1]), angles_deg)
        pieces, sizes_sr, pixel = _pieces(display, float(angles_deg.min()), most_pieces)
        at, column = _within_reach(pieces, looks, angles_deg)
        away_deg = directions.angle_deg(pieces[at], looks[column])
        accepted = np.exp(-4 * math.log(2) * (away_deg / angles_deg[column]) ** 2) * sizes_sr[at]
        unique, which = np.unique(angles_deg, return_inverse=True)
        accepted /= np.array([acceptance_sr(angle) for angle in unique])[which][column]
        n_px = display.solid_angle_sr.size
        weights = csr_array((accepted, (column, pixel[at])), shape=(len(looks), n_px))
        weights.sum_duplicates()
        inside = np.asarray(weights.sum(axis=1)).ravel()
        outside = np.where(inside > 1 - COVERED, 0.0, 1 - inside)
        scale = np.where(inside > 1 - COVERED, 1 / np.maximum(inside, COVERED), 1.0)
        weights.data *= np.repeat(scale, np.diff(weights.indptr))
        return cls(weights, outside, shape, display.shape_px)

    def see(self, luminance: NDArray[Any], surround: float) -> NDArray[Any]:
        """Return what columns see of frames.

        Args:
            luminance: of the pixels ``(..., Y, X)``.
            surround: luminance beside the display.

        Returns:
            Luminance ``(..., *shape)``, of the type of ``luminance``.

        Raises:
            ShapeError: the frames have other rows and columns than the display.
        """
        if luminance.shape[-2:] != self.shape_px:
            raise ShapeError(f"frames have {luminance.shape[-2:]} pixels", expected=f"{self.shape_px} of the display")
        frames = luminance.reshape(-1, luminance.shape[-2] * luminance.shape[-1])
        seen = (self.weights.astype(luminance.dtype, copy=False) @ frames.T).T
        seen = seen + (surround * self.outside).astype(luminance.dtype)
        return seen.reshape((*luminance.shape[:-2], *self.shape))


def acceptance_sr(fwhm_deg: float) -> float:
    """Return the solid angle that a column accepts: its Gaussian over the sphere."""
    fwhm = math.radians(fwhm_deg)

    def ring(angle: float) -> float:
        return math.exp(-4 * math.log(2) * (angle / fwhm) ** 2) * 2 * math.pi * math.sin(angle)

    return float(quad(ring, 0, min(REACH * fwhm, math.pi), epsabs=0, epsrel=1e-12)[0])


def _judged(looks: Floats, angles_deg: Floats) -> Floats:
    """Return directions of length 1."""
    length = np.linalg.norm(looks, axis=-1) if looks.shape[-1] == 3 else np.zeros(1)
    if not len(looks) or not np.isfinite(length).all() or not (length > 0).all():
        raise ShapeError(f"directions of columns have the shape {looks.shape}", expected="vectors (..., 3), not zero")
    if not ((angles_deg > 0) & (angles_deg <= 180)).all():
        raise ShapeError(
            f"acceptance angles run from {angles_deg.min():g} to {angles_deg.max():g} degrees",
            expected="angles above 0 and at most 180 degrees",
        )
    return directions.normalised(looks)


def _pieces(display: Display, fwhm_deg: float, most: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return directions and solid angles of pieces of pixels, and the numbers of their pixels."""
    corners = display.corner_directions
    sides_deg = directions.angle_deg(corners, np.roll(corners, 1, axis=2))
    per_side = int(np.clip(np.ceil(sides_deg.max() * PIECES_PER_FWHM / fwhm_deg), 1, most))
    n_px = display.solid_angle_sr.size
    require_room(8 * 24 * n_px * per_side**2, "the pieces of a display", "a display")
    vectors, share = display.samples(per_side)
    sizes_sr = share * display.solid_angle_sr[..., None]
    return vectors.reshape(-1, 3), sizes_sr.ravel(), np.repeat(np.arange(n_px), per_side**2)


def _within_reach(pieces: Floats, looks: Floats, angles_deg: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of pieces and columns near each other, by their numbers."""
    chords = 2 * np.sin(np.radians(np.minimum(REACH * angles_deg, 180) / 2))
    near = cKDTree(pieces).query_ball_point(looks, chords)
    counts = np.array([len(one) for one in near])
    at = np.concatenate([np.asarray(one, np.int64) for one in near])
    return at, np.repeat(np.arange(len(looks)), counts)
