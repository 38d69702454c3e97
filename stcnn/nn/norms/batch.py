"""Batch normalisation, as in the published network: every channel over clips, frames and columns."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.norms.kind import Norm, NormKind
from stcnn.ranks import summed, summed_with_gradient


class BatchNorm(NormKind):
    """Batch normalisation over clips, frames and columns."""

    kind: Literal["batch"] = "batch"
    """``batch`` normalises every channel over clips, frames and columns; ``divisive`` divides by the activity of
    neighbouring columns; ``none`` leaves maps as they are."""
    STANDARDISES: ClassVar[bool] = True
    eps: PositiveFloat = 1e-5
    """Added to the variance before its root is divided by."""
    momentum: PositiveFloat = Field(0.1, le=1)
    """Share of a batch in the running mean and variance that evaluation uses."""

    def build(self, channels: int, lattice: MapLattice) -> WeightedBatchNorm:
        """Make a normalisation that changes nothing before it has seen a batch."""
        return WeightedBatchNorm(channels, self)


class WeightedBatchNorm(Norm):
    """Batch normalisation whose clips count with a multiplicity.

    With all multiplicities one it is ``torch.nn.BatchNorm2d``: biased variance for the output, unbiased variance in
    the running estimate. A clip of multiplicity m counts like m copies of it.
    """

    def __init__(self, channels: int, config: BatchNorm) -> None:
        super().__init__()
        self.eps = config.eps
        self.momentum = config.momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.running_mean: Tensor
        self.running_var: Tensor

    def forward(self, x: Tensor, multiplicity: Tensor | None = None, observe: bool = True) -> Tensor:
        """Normalise ``(T, B, Y, X, C)``; ``multiplicity`` ``(B,)`` weights the clips in the statistics.

        ``observe``: whether, in training, the running statistics move towards those of ``x``.
        """
        if not self.training:
            scale, shift = self.affine()
            return torch.addcmul(shift, x, scale)
        if multiplicity is None:
            multiplicity = x.new_ones(x.shape[1])
        per_clip = x[0, 0, ..., 0].numel() * x.shape[0]
        count = summed(multiplicity.sum()) * per_clip
        weight = (multiplicity / count).view(-1, 1, 1, 1)
        mean = summed_with_gradient((x * weight).sum((0, 1, 2, 3)))
        centred = x - mean
        var = summed_with_gradient((centred.square() * weight).sum((0, 1, 2, 3)))
        if observe:
            self.observe(mean.detach(), var.detach(), float(count))
        return torch.addcmul(self.bias, centred, self.weight * torch.rsqrt(var + self.eps))

    def observe(self, mean: Tensor, var: Tensor, count: float) -> None:
        """Move the running statistics towards those of a batch of ``count`` values per channel."""
        unbiased = var * (count / max(count - 1, 1))
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift per channel of the normalisation in evaluation."""
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale
