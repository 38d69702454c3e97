"""Squared error: measurements with noise of one variance."""

from __future__ import annotations

import torch
from torch import Tensor

from stcnn.metrics.likelihoods.likelihood import Likelihood
from stcnn.metrics.traces import mean_squared_error


class Squared(Likelihood):
    """``D = (y - m)^2``, half the deviance of a normal distribution: its ``phi`` is ``m^2 / 2``."""

    unit = "(dF/F)²"

    def deviance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the squared error."""
        return (prediction - target).square()

    def loss(self, prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the mean squared error of each recording, ``(R,)``."""
        return mean_squared_error(prediction, target, weight)

    def potential(self, mean: Tensor) -> Tensor:
        """Return half the square."""
        return mean.square() / 2

    def curvature(self, mean: Tensor) -> Tensor:
        """Return one."""
        return torch.ones_like(mean)
