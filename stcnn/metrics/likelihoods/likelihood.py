"""The deviance of an exponential family, its sums, what of it a prediction explains, and the most that it could.

For measurements y of mean m the deviance of the families here is a Bregman divergence (Banerjee et al. 2005,
jmlr.org/papers/v6/banerjee05b.html) of a convex function ``phi``, the potential:

    D(y, m) = 2 [phi(y) - phi(m) - phi'(m) (y - m)]

It follows that the best constant prediction is the mean of y, that the deviance of that constant is
``2 [sum phi(y) - n phi(mean y)]``, and that of the true means mu it is expected to be less by
``2 [sum phi(mu) - n phi(mean mu)]``: the deviance that could be explained. The latter is estimated from repeated
trials, since ``phi(mean of the trials)`` exceeds ``phi(mu)`` by ``phi''(mu) var / (2 K)`` on average.

Axes: K trial, S sample, R recording; ``...`` stands for any axes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn.metrics.moments import Additive, Values

LEAST_SHARE = 1e-3
"""Least prediction, as a share of the mean of the measurements: no finite recording shows that nothing can happen."""


class Likelihood(ABC):
    """A family of distributions of the measurements around their mean, by its deviance."""

    lowest: ClassVar[float] = float("-inf")
    """No measurement is below it, and predictions are above it."""
    includes_lowest: ClassVar[bool] = True
    """Whether a measurement may be ``lowest`` itself."""
    unit: ClassVar[str] = ""
    """Unit of the deviance of a sample."""

    @abstractmethod
    def deviance(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the deviance of every sample, ``(...)``: zero where they are equal; this is what training lowers."""

    @abstractmethod
    def potential(self, mean: Tensor) -> Tensor:
        """Return ``phi`` of every value, ``(...)``."""

    @abstractmethod
    def curvature(self, mean: Tensor) -> Tensor:
        """Return ``phi''`` of every value, ``(...)``: one over the variance of a measurement, up to a factor."""

    def loss(self, prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the mean deviance of each recording over its scored samples.

        Args:
            prediction: ``(R, S)``.
            target: ``(R, S)``; may hold anything finite where ``weight`` is zero.
            weight: ``(R, S)``, 1 where a sample is scored and 0 elsewhere.

        Returns:
            ``(R,)``; NaN for a recording without scored samples.
        """
        scored = weight > 0
        deviance = self.deviance(prediction, torch.where(scored, target, prediction.detach()))
        return torch.where(scored, deviance, 0).sum(-1) / weight.sum(-1)

    def allows(self, values: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Tell which measurements are possible; NaN, which is not scored, is."""
        above = values >= self.lowest if self.includes_lowest else values > self.lowest
        return above | np.isnan(values)

    def null_deviance(self, traces: Sequence[NDArray[np.floating]]) -> float:
        """Return the mean deviance of the samples of some traces from their common mean; NaN samples do not count."""
        n = 0
        total = 0.0
        potential = 0.0
        for trace in traces:
            values = torch.from_numpy(trace[~np.isnan(trace)].astype(np.float64))
            n += len(values)
            total += float(values.sum())
            potential += float(self.potential(values).sum())
        if not n:
            return 0.0
        return 2 * (potential - n * float(self.potential(torch.tensor(total / n, dtype=torch.float64)))) / n

    def least_prediction(self, mean: float) -> float:
        """Return the least prediction for measurements of a mean: :data:`LEAST_SHARE` of it above ``lowest``."""
        return self.lowest + LEAST_SHARE * (mean - self.lowest) if np.isfinite(self.lowest) else self.lowest

    def potential_of_mean(self, trials: Tensor) -> Tensor:
        """Estimate ``phi`` of the true mean from trials ``(K, S)``, K at least 2, for every sample.

        Free of bias to second order in the noise of the mean; exactly so where ``phi`` is a square.
        """
        mean = trials.mean(0)
        excess = self.curvature(mean) * trials.var(0, unbiased=True) / (2 * len(trials))
        return self.potential(mean) - torch.where(mean > self.lowest, excess, 0)


@dataclass(frozen=True)
class DevianceSums(Additive):
    """Sums over the scored samples of single trials, which add up over recordings.

    Args:
        n: number of samples.
        y: sum of the measurements.
        potential: sum of ``phi`` of the measurements.
        deviance: sum of their deviances from the prediction.
        true_potential: sum of the estimate of ``phi`` of the true means; NaN without repeated trials.
    """

    n: Values
    y: Values
    potential: Values
    deviance: Values
    true_potential: Values

    @classmethod
    def of(cls, likelihood: Likelihood, predicted: Values, trials: Values) -> Self:
        """Sums of a prediction ``(S,)`` and each of the trials ``(K, S)``.

        A prediction that cannot be, such as a negative rate of a linear model, counts as :data:`LEAST_SHARE` of the
        mean.
        """
        y = torch.from_numpy(np.asarray(trials, np.float64))
        least = likelihood.least_prediction(float(y.mean()))
        x = torch.from_numpy(np.asarray(predicted, np.float64)).clamp(min=least).expand_as(y)
        estimate = float("nan")
        if len(trials) > 1:
            estimate = len(trials) * float(likelihood.potential_of_mean(y).sum())
        sums = (y.numel(), y.sum(), likelihood.potential(y).sum(), likelihood.deviance(x, y).sum(), estimate)
        return cls(*(np.asarray(float(each)) for each in sums))

    @classmethod
    def nothing(cls) -> Self:
        """Sums over no sample."""
        return cls(*np.zeros(5))

    def explained(self, likelihood: Likelihood) -> Values:
        """Return the share of the deviance from the mean that the prediction explains: 1 is all, 0 as a constant."""
        null = self._null(likelihood)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(1 - self.deviance / np.where(null > 0, null, np.nan))

    def ceiling(self, likelihood: Likelihood) -> Values:
        """Return the share of the deviance that the true means would explain; NaN without repeated trials."""
        null = self._null(likelihood)
        with np.errstate(invalid="ignore", divide="ignore"):
            explainable = 2 * (self.true_potential - self.n * _potential(likelihood, self.y / self.n))
            return np.asarray(explainable / np.where(null > 0, null, np.nan))

    def _null(self, likelihood: Likelihood) -> Values:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(2 * (self.potential - self.n * _potential(likelihood, self.y / self.n)))


def _potential(likelihood: Likelihood, mean: Values) -> Values:
    return np.asarray(likelihood.potential(torch.from_numpy(np.asarray(mean, np.float64))).numpy())
