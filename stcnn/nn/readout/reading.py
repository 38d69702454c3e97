"""Readings of the last maps: weighted sums over windows, at one place or where each neuron sits."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stcnn.nn.activation import Activation
from stcnn.nn.windows import Window


class PlacedReading(NamedTuple):
    """Weighted sums that neurons take of the last layer's rectified maps, each over a window of its own."""

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


class Reading(NamedTuple):
    """Weighted sums that the readouts take of the last layer's normalised maps, rectified, over one window."""

    window: Window
    weights: Tensor
    """``(N, h, w, C)``, with the gain of the filter behind them; of filters with two drives ``(2 N, h, w, C)``."""
    activation: Activation

    @property
    def slope(self) -> float:
        """Slope of the activation for negative values; of a curved one it says nothing."""
        return self.activation.slope

    def drive(self, maps: Tensor) -> Tensor:
        """Read normalised maps ``(T, B, h, w, C)`` on the window; return ``(T, B, N)``."""
        return self.activation(maps).flatten(2) @ self.weights.flatten(1).T
