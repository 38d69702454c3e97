"""Neurons that read where they sit: the readout of a cell type at any place of the lattice, whole columns or between.

A convolution answers a shifted picture with a shifted map. So one pass of a movie serves every neuron, each of which
reads the last map around its own place ``p``, in columns:

    drive(t) = sum_{k, c} w[c, k] map(t, p + k)[c] = sum_{j, c} (A_y w A_x)[c, j] map(t, floor(p) + j)[c]

The map between columns is that of straight lines, down and across. With hat functions this is the same as a readout
whose weights are interpolated, by ``A[j, k] = max(0, 1 - |j - k - f|)`` of the fraction ``f = p - floor(p)``: a window
one column wider, and differentiable in ``p`` (Lurz et al. 2021, arXiv 2010.08708, learn positions so).

Axes: N site (a cell type at one place), P reader (a site and the clip it looks at), B clip.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.errors import ShapeError
from stcnn.nn.activation import Activation
from stcnn.nn.lattice import Pair, Window


class Neurons(NamedTuple):
    """Who looks at what: one entry per recording, ``(R,)``."""

    clip: Tensor
    """Clip that it sees."""
    cell_type: Tensor
    """Index of its cell type."""
    neuron: Tensor
    """Index within its cell type."""
    place_deg: Tensor
    """Azimuth and elevation of its place from that of the readouts, ``(R, 2)``."""

    def distinct(self) -> tuple[Neurons, Tensor]:
        """Return each of them once, sorted by clip, and where in them every recording finds its own, ``(R,)``."""
        named = (self.clip, self.cell_type, self.neuron, *self.place_deg.T)
        keys, found = torch.stack([each.double() for each in named], 1).unique(dim=0, return_inverse=True)
        clip, cell_type, neuron = keys[:, :3].long().unbind(1)
        return Neurons(clip, cell_type, neuron, keys[:, 3:].to(self.place_deg)), found


class PlacedReading(NamedTuple):
    """What neurons take from the last layer: weighted sums of its rectified maps, each over a window of its own."""

    window: Window
    """All of the lattice that any of them reads."""
    weights: Tensor
    """Interpolated, on windows of one size, with the gain of the filter behind them: ``(N, h, w, C)``."""
    windows: Tensor
    """Rows ``top, bottom`` and columns ``left, right`` of each site on the lattice, ``(N, 4)`` on the CPU."""
    inside: Tensor
    """Rows ``top, bottom`` and columns ``left, right`` of the weights of each site that are not zero, ``(N, 4)``."""
    site: Tensor
    """Site of each reader, ``(P,)``."""
    clip: Tensor
    """Clip of each reader, ``(P,)``, rising."""
    activation: Activation

    @property
    def slope(self) -> float:
        """Slope of the activation for negative values; of a curved one it says nothing."""
        return self.activation.slope

    def dense(self) -> Tensor:
        """Return the weights on the window that they all share, ``(N, H, W, C)``."""
        n, rows, columns, channels = self.weights.shape
        height = self.window.bottom - self.window.top
        width = self.window.right - self.window.left
        sites = torch.arange(n, device=self.weights.device)
        windows = self.windows.to(sites.device)
        down = (windows[:, 0] - self.window.top)[:, None] + torch.arange(rows, device=sites.device)
        right = (windows[:, 2] - self.window.left)[:, None] + torch.arange(columns, device=sites.device)
        found = self.weights.new_zeros(n, height, width, channels)
        return found.index_put((sites[:, None, None], down[:, :, None], right[:, None, :]), self.weights)

    def drive(self, maps: Tensor) -> Tensor:
        """Read normalised maps ``(T, B, H, W, C)`` on the window; return ``(T, P)``.

        Maps of one clip serve all readers: those of the frames that all clips share.
        """
        x = self.activation(maps).flatten(2)
        weights = self.dense().flatten(1)
        if maps.shape[1] == 1:
            return (x[:, 0] @ weights.T)[:, self.site]
        return torch.cat([x[:, b] @ weights[self.site[self.clip == b]].T for b in range(maps.shape[1])], 1)


def between_columns(weights: Tensor, fraction: Tensor) -> Tensor:
    """Return readout weights at a fraction of a column: ``(N, h, w, C)`` become ``(N, h + 1, w + 1, C)``.

    Args:
        weights: of each site.
        fraction: rows down and columns right, 0 to 1, ``(N, 2)``.
    """
    down, right = (f.view(-1, 1, 1, 1) for f in fraction.unbind(1))
    weights = F.pad(weights, (0, 0, 0, 0, 0, 1)) * (1 - down) + F.pad(weights, (0, 0, 0, 0, 1, 0)) * down
    return F.pad(weights, (0, 0, 0, 1)) * (1 - right) + F.pad(weights, (0, 0, 1, 0)) * right


def in_columns(place_deg: Tensor, spacing_deg: tuple[float, float]) -> Tensor:
    """Return rows down and columns right ``(..., 2)`` of places given as azimuth and elevation ``(..., 2)``."""
    azimuth_deg, elevation_deg = place_deg.unbind(-1)
    down_deg, right_deg = spacing_deg
    return torch.stack([-elevation_deg / down_deg, azimuth_deg / right_deg], -1)


def require_on_lattice(windows: Tensor, lattice: Pair) -> None:
    """Raise a ShapeError where a window, a row of ``(N, 4)``, reaches beyond the lattice."""
    top, bottom, left, right = windows.unbind(1)
    outside = (top < 0) | (left < 0) | (bottom > lattice[0]) | (right > lattice[1])
    if outside.any():
        window = windows[outside][0].tolist()
        raise ShapeError(
            f"a neuron reads rows {window[0]} to {window[1]} and columns {window[2]} to {window[3]}, beyond the "
            f"lattice of {lattice}",
            expected="places whose windows lie on the lattice",
            remedy="ask model.reaching(places) instead of the model",
        )
