"""Positive measurements whose noise grows in proportion to their mean, such as photometry and rates of bursts."""

from __future__ import annotations

import torch
from torch import Tensor

from stcnn.metrics.likelihoods.likelihood import Likelihood


class Gamma(Likelihood):
    """``D = 2 [(y - m)/m - log(y/m)]`` (McCullagh & Nelder 1989, section 2.3), ``phi = -log m``; it has no unit."""

    lowest = 0.0
    includes_lowest = False

    def deviance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the deviance."""
        ratio = target / prediction
        return 2 * (ratio - 1 - torch.log(ratio))

    def potential(self, mean: Tensor) -> Tensor:
        """Return ``-log m``."""
        return -torch.log(mean)

    def curvature(self, mean: Tensor) -> Tensor:
        """Return ``1 / m^2``."""
        return 1 / mean.square()
