"""Optics of the eye: how much each pixel of a picture contributes to what each column sees.

The acceptance Gaussian is separable and sampled at the columns only. Where columns stand in straight rows a frame ``F``
becomes ``A_y F A_x^T`` with two small matrices, whatever the resolution of the movie. Where the columns of the lattice
are straight lines but its rows are not, as on a hexagonal lattice, every line has an ``A_y`` of its own; and where
neither are straight, every column of the eye is such a line.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

ROUNDING = 1 + 1e-9
"""Factor within which an angle counts as equal to the edge of a window."""


def acceptance_matrix(n_px: int, deg_per_px: float, columns_deg: Tensor, window_deg: float, fwhm_deg: float) -> Tensor:
    """Return how much each pixel along one axis contributes to each column, float64 ``(..., n_px)``.

    The weight is ``exp(-4 ln 2 r^2 / fwhm^2)`` within the window, normalised to sum 1 over a picture without edge.
    Where pixels are so wide that none has its middle in the window, the column sees the pixel it lies on.

    Args:
        n_px: pixels along the axis.
        deg_per_px: degrees per pixel.
        columns_deg: where columns lie from the middle of the picture, float64 ``(...)``.
        window_deg: width of the window outside which the Gaussian is cut.
        fwhm_deg: acceptance angle.
    """
    px_deg = (torch.arange(n_px, dtype=torch.float64) - (n_px - 1) / 2) * deg_per_px
    reach = math.ceil(window_deg / deg_per_px)
    # The normalisation runs over the endless pixel grid, whose phase relative to the column is that of the picture.
    phase = torch.remainder(px_deg[0] - columns_deg, deg_per_px)[..., None]
    grid_deg = phase + torch.arange(-reach, reach + 1, dtype=torch.float64) * deg_per_px

    def weight(r_deg: Tensor) -> Tensor:
        gauss = torch.exp(-4 * math.log(2) * (r_deg / fwhm_deg) ** 2)
        inside = r_deg.abs() <= window_deg / 2 * ROUNDING  # a pixel on the edge is in it on both sides
        return torch.where(inside, gauss, torch.zeros_like(gauss))

    def lies_on(r_deg: Tensor) -> Tensor:
        return (r_deg.abs() <= deg_per_px / 2 * ROUNDING).double()

    away_deg = px_deg - columns_deg[..., None]
    total = weight(grid_deg).sum(-1, keepdim=True)
    nearest = lies_on(away_deg) / lies_on(grid_deg).sum(-1, keepdim=True)  # on an edge, both pixels alike
    return torch.where(total > 0, weight(away_deg) / total, nearest)


class Sampling(NamedTuple):
    """Matrices by which columns see a picture: those of L lines, of which each has M places."""

    down: Tensor
    """``(M, Y)`` where all lines have their places at the same elevations, else ``(L, M, Y)``."""
    across: Tensor
    """``(L, X)``."""
    shape: tuple[int, int]
    """Rows and columns of the lattice."""

    @classmethod
    def of(
        cls,
        positions_deg: Tensor,
        shape_px: tuple[int, int],
        deg_per_px: float,
        window_deg: tuple[float, float],
        fwhm_deg: float,
    ) -> Sampling:
        """Return the sampling of a picture.

        Args:
            positions_deg: azimuth and elevation of every column, float64 ``(rows, columns, 2)``.
            shape_px: rows and columns of the picture.
            deg_per_px: degrees per pixel.
            window_deg: height and width of the window outside which the Gaussian is cut.
            fwhm_deg: acceptance angle.
        """
        shape = (positions_deg.shape[0], positions_deg.shape[1])
        azimuth_deg, elevation_deg = positions_deg.unbind(-1)
        if not _all_alike(azimuth_deg):
            azimuth_deg = azimuth_deg.reshape(1, -1)
            elevation_deg = elevation_deg.reshape(1, -1)
        lines_deg = elevation_deg.T
        if _all_alike(lines_deg):
            lines_deg = lines_deg[0]
        down = acceptance_matrix(shape_px[0], deg_per_px, -lines_deg, window_deg[0], fwhm_deg)
        across = acceptance_matrix(shape_px[1], deg_per_px, azimuth_deg[0], window_deg[1], fwhm_deg)
        return cls(down, across, shape)

    @property
    def is_straight(self) -> bool:
        """Whether all lines have their places at the same elevations."""
        return self.down.dim() == 2

    def to(self, like: Tensor) -> Sampling:
        """Return the same matrices with the type and on the device of ``like``."""
        return self._replace(down=self.down.to(like), across=self.across.to(like))

    def times(self, gain: Tensor) -> Sampling:
        """Return the sampling with a factor."""
        return self._replace(down=self.down * gain)

    def sample(self, contrast: Tensor) -> Tensor:
        """Return what the columns see of contrast ``(B, T, Y, X)``, ``(T, B, rows, columns)``."""
        across = contrast @ self.across.T
        if self.is_straight:
            seen = self.down @ across
        else:
            by_line = across.flatten(0, 1).permute(2, 0, 1)
            seen = (by_line @ self.down.transpose(1, 2)).permute(1, 2, 0)
        return seen.reshape(*contrast.shape[:2], *self.shape).transpose(0, 1)


def _all_alike(lines: Tensor) -> bool:
    """Tell whether all rows of a matrix are the same numbers."""
    return bool((lines == lines[:1]).all())
