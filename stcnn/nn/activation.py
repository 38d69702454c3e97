"""Activations between layers, and where their slope is all that is to be known of them.

Identity, ReLU and leaky ReLU differ in the slope for negative input alone: 1, 0 and any other. The engines take that
slope; the others are curved and run in PyTorch, layer by layer. All of them answer zero with zero, so that what lies
outside the lattice is zero before and behind them.

The slope of a hidden layer's rectifier may be learned (``learned_leaky_relu``, He et al. 2015, arXiv 1502.01852): here
it is a leaky rectifier with the slope it starts with, or with the one it has by now.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LEAKY_SLOPE = 0.01
"""Slope of the leaky rectifier for negative input."""

LEARNED = "learned_leaky_relu"
"""Name of the rectifier whose slope is trained."""
ActivationName = Literal["identity", "relu", "leaky_relu", "tanh", "elu"]
HiddenActivationName = Literal["identity", "relu", "leaky_relu", "tanh", "elu", "learned_leaky_relu"]


class Activation(NamedTuple):
    """A function of one number that stands in front of a layer."""

    name: HiddenActivationName
    slope: float
    """For negative input; of a curved one it says nothing."""

    @property
    def curved(self) -> bool:
        """Whether it is more than a slope for negative input."""
        return self.name in ("tanh", "elu")

    def __call__(self, x: Tensor) -> Tensor:
        """Apply it; the identity returns ``x`` itself."""
        if self.name == "tanh":
            return torch.tanh(x)
        if self.name == "elu":
            return F.elu(x)
        return x if self.slope == 1 else F.leaky_relu(x, self.slope)

    def in_place(self, x: Tensor) -> Tensor:
        """Apply it to a tensor without gradients, which is overwritten."""
        if self.name == "tanh":
            return torch.tanh_(x)
        if self.name == "elu":
            return F.elu_(x)
        return x if self.slope == 1 else F.leaky_relu_(x, self.slope)


def activation(name: HiddenActivationName, slope: float = LEAKY_SLOPE) -> Activation:
    """Return an activation; ``slope`` is that of the leaky rectifier for negative input."""
    slopes: dict[str, float] = {"identity": 1.0, "relu": 0.0, "leaky_relu": slope, "learned_leaky_relu": slope}
    return Activation(name, slopes.get(name, float("nan")))
