"""Counts of spikes, or rates: the variance of a measurement grows with its mean."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stcnn.metrics.likelihoods.likelihood import Likelihood


class Poisson(Likelihood):
    """``D = 2 [y log(y/m) - y + m]`` (McCullagh & Nelder 1989, section 2.3), ``phi = m log m - m``.

    Rates in spikes per second, which are counts times a constant, have the same best prediction and the same share of
    deviance explained.
    """

    lowest = 0.0

    def deviance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the deviance; a prediction of nothing where there was something is infinitely far off."""
        return 2 * (torch.special.xlogy(target, target) - torch.special.xlogy(target, prediction) - target + prediction)

    def potential(self, mean: Tensor) -> Tensor:
        """Return ``m log m - m``."""
        return torch.special.xlogy(mean, mean) - mean

    def curvature(self, mean: Tensor) -> Tensor:
        """Return ``1 / m``."""
        return 1 / mean

    def potential_of_mean(self, trials: Tensor) -> Tensor:
        """Estimate ``phi`` of the true mean of counts ``(K, S)`` with little bias however few they are.

        For a Poisson count N of mean L, ``N G(N)`` has the mean ``L log L`` up to a term that falls exponentially
        (Grassberger 2003, arXiv physics/0307138), with ``G(n) = psi(n) + (-1)^n / 2 [psi((n+1)/2) - psi(n/2)]``.
        What the counts vary more or less than Poisson counts do is taken off in second order, from all samples
        together. Rates that are no counts are estimated as by any other likelihood.
        """
        if not torch.equal(trials, trials.round()):
            return super().potential_of_mean(trials)
        n_trials = len(trials)
        count = trials.sum(0)
        n = count.clamp(min=1)
        sign = 1 - 2 * (n % 2)
        g = torch.special.digamma(n) + sign / 2 * (torch.special.digamma((n + 1) / 2) - torch.special.digamma(n / 2))
        mean = count / n_trials
        logarithmic = torch.where(count > 0, mean * (g - math.log(n_trials)), 0)
        total = mean.sum()
        fano = trials.var(0, unbiased=True).sum() / total if total > 0 else torch.ones_like(total)
        shown = (count > 0).to(mean)
        return logarithmic - mean - shown * (fano - 1) / (2 * n_trials)
