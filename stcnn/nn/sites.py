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
from stcnn.nn.windows import Pair


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


def between_columns(weights: Tensor, fraction: Tensor) -> Tensor:
    """Return readout weights at a fraction of a column: ``(N, h, w, C)`` become ``(N, h + 1, w + 1, C)``.

    Args:
        weights: of each site.
        fraction: rows down and columns right, 0 to 1, ``(N, 2)``.
    """
    down, right = (f.view(-1, 1, 1, 1) for f in fraction.unbind(1))
    weights = F.pad(weights, (0, 0, 0, 0, 0, 1)) * (1 - down) + F.pad(weights, (0, 0, 0, 0, 1, 0)) * down
    return F.pad(weights, (0, 0, 0, 1)) * (1 - right) + F.pad(weights, (0, 0, 1, 0)) * right


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
