"""Divisive normalisation over space: what a column says is divided by the activity of the columns around it.

With the maps y of a layer, bias included,

    z[c, p] = y[c, p] / (1 + P[c, p] / sigma[c]),    P[c, p] = sum_q G(p - q) |y[., q]|,

the normalisation model of Carandini & Heeger 2012 (doi 10.1038/nrn3136) with an exponent of one, in which the constant
sigma, the semi-saturation, is the pooled activity that halves the answer: weak activity passes as it is, and above
sigma a map answers by its share of what is around it. y has a sign, so that its size is pooled, over all channels (the
mean) or a channel's own. G is a Gaussian in degrees around the column, cut off at :data:`CUT_SD` and of sum one; what
lies outside the lattice is silent. It acts within a frame, without a delay of its own.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor, nn

from stcnn.errors import ConfigError
from stcnn.nn.lattices.lattice import within
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.norms.kind import Norm, NormKind

CUT_SD = 2.5
"""Distance from its middle, in standard deviations, beyond which the Gaussian is cut off: it holds 96 % of it."""
MOST_COLUMNS_AWAY = 50
"""Rows or columns that a pool may reach in one direction."""


class DivisiveNorm(NormKind):
    """Division by a constant plus the activity of neighbouring columns."""

    kind: Literal["divisive"] = "divisive"
    """``batch`` normalises every channel over clips, frames and columns; ``divisive`` divides by the activity of
    neighbouring columns; ``none`` leaves maps as they are."""
    pool_sd_deg: NonNegativeFloat = Field(8.0, le=180)
    """Standard deviation of the Gaussian over which activity is pooled; 0 is the column alone."""
    pool_channels: Literal["all", "own"] = "all"
    """Whether a channel is divided by the mean activity of all channels or by its own."""
    semisaturation_init: PositiveFloat = 1.0
    """Pooled activity that halves a response, at the start; trained, one for each channel. Training begins with maps
    of unit variance in front of it."""

    def build(self, channels: int, lattice: MapLattice) -> PooledDivision:
        """Make the division."""
        return PooledDivision(self, channels, lattice)


class Pool(torch.autograd.Function):
    """Correlation of pictures ``(n, 1, Y, X)`` with a kernel ``(1, 1, h, w)`` that is the same turned by half a circle.

    So its gradient is the same correlation, which is quicker than PyTorch's own for a single channel.
    """

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, kernel: Tensor) -> Tensor:  # noqa: ANN401 - PyTorch says nothing of its type
        """Correlate, with silence outside the pictures."""
        ctx.save_for_backward(kernel)
        rows, columns = kernel.shape[2:]
        return F.conv2d(pictures, kernel, padding=(rows // 2, columns // 2))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        """Correlate the gradient."""
        (kernel,) = ctx.saved_tensors
        pooled: Tensor = Pool.apply(gradients[0], kernel)
        return pooled, None


class PooledDivision(Norm):
    """Division of maps by their neighbours' activity.

    Args:
        config: pool and constant.
        channels: C.
        lattice: on which the maps lie; its size says nothing.

    Raises:
        ConfigError: the pool reaches too far.
    """

    pool: Tensor
    """Weights of the columns around one, float64 ``(rows, columns)``, of sum one."""

    def __init__(self, config: DivisiveNorm, channels: int, lattice: MapLattice) -> None:
        super().__init__()
        self.config = config
        away = [int(CUT_SD * config.pool_sd_deg / apart_deg + 1e-9) for apart_deg in lattice.spacing_deg]
        if max(away) > MOST_COLUMNS_AWAY:
            raise ConfigError(
                f"model.hidden.norm.pool_sd_deg is {config.pool_sd_deg:g}, which reaches {max(away)} columns away",
                expected=f"a pool of at most {MOST_COLUMNS_AWAY} columns in each direction",
                remedy="choose a smaller pool_sd_deg",
            )
        self.reach = (away[0], away[1])
        size = (2 * away[0] + 1, 2 * away[1] + 1)
        square = lattice.window_deg(size).square().sum(-1)
        weights = torch.exp(-square / (2 * max(config.pool_sd_deg, 1e-6) ** 2))
        weights = within(lattice.kind.kernel_mask(size), weights)
        self.register_buffer("pool", weights / weights.sum(), persistent=False)
        start = torch.full((channels,), config.semisaturation_init)
        self.log_semisaturation = nn.Parameter(start.log())
        """Trained as its logarithm, so that every number stands for a positive constant."""

    @property
    def semisaturation(self) -> Tensor:
        """Pooled activity that halves the answer of each channel, ``(C,)``."""
        return self.log_semisaturation.exp()

    def forward(self, y: Tensor, multiplicity: Tensor | None = None, observe: bool = True) -> Tensor:
        """Divide maps ``(T, B, Y, X, C)``."""
        active = y.abs()
        if self.config.pool_channels == "all":
            active = active.mean(-1, keepdim=True)
        divisor = 1 + self._pooled(active) * (-self.log_semisaturation).exp().to(y)
        return y * divisor.reciprocal()

    def _pooled(self, active: Tensor) -> Tensor:
        """Return the Gaussian mean of maps ``(T, B, Y, X, C)`` around every place."""
        if self.reach == (0, 0):
            return active
        pictures = active.movedim(-1, 2).flatten(0, 2).unsqueeze(1)
        pooled: Tensor = Pool.apply(pictures, self.pool.to(active)[None, None])
        return pooled.squeeze(1).unflatten(0, (*active.shape[:2], active.shape[-1])).movedim(2, -1)
