"""Scores of a prediction against repeated trials, from sums that add up across recordings.

A recording is one neuron's trials of one stimulus. All that a score needs of it are a few sums over its samples; the
sums of a neuron, a cell type or a bootstrap sample are weighted sums of those, so that thousands of resamples are one
matrix product. Recordings that are scored together are joined end to end: means are taken over all their samples.

Axes: K trial, S sample, R recording, H way of halving the trials; ``...`` stands for any leading axes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations
from math import comb
from typing import Self, SupportsFloat

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

ROUNDING = 1e-12
"""A variance below this share of the mean square is nothing but rounding."""
MOST_HALVINGS = 20
"""Ways of dividing the trials in two that a split-half reliability averages at most."""


@dataclass(frozen=True)
class Additive:
    """Sums of which every field is an array ``(...)``, that of a single recording a number."""

    @classmethod
    def stacked(cls, parts: list[Self]) -> Self:
        """Put the sums of recordings beside each other, ``(R, ...)``."""
        return cls(*(np.stack([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def take(self, places: NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """The sums of some recordings."""
        return type(self)(*(getattr(self, field.name)[places] for field in fields(self)))

    def weighted(self, weights: Values) -> Self:
        """Sums over recordings, each counted so many times.

        Args:
            weights: ``(..., R)``.

        Returns:
            Sums ``(...)``.
        """
        return type(self)(*(np.tensordot(weights, getattr(self, field.name), 1) for field in fields(self)))


@dataclass(frozen=True)
class Moments(Additive):
    """Sums over scored samples of predictions x and measurements y, and over the noise of the measurements.

    Args:
        n: number of samples.
        x: sum of x, dF/F.
        xx: sum of x squared.
        y: sum of y, dF/F.
        yy: sum of y squared.
        xy: sum of x times y.
        noise: sum over samples of the variance of the noise in y; NaN where it is not known.
        level_noise: variance of the noise in the sum of y, which slow drifts make large; NaN where it is not known.
    """

    n: Values
    x: Values
    xx: Values
    y: Values
    yy: Values
    xy: Values
    noise: Values
    level_noise: Values

    @classmethod
    def of_trial_mean(cls, predicted: Values, trials: Values) -> Self:
        """Sums of a prediction ``(S,)`` and the mean of the trials ``(K, S)``.

        The variance across trials, with K - 1 in the denominator, is an unbiased estimate of the noise of one trial
        whatever its time course; divided by K, of that of the mean.
        """
        n_trials = len(trials)
        noise = level_noise = np.nan
        if n_trials > 1:
            noise = trials.var(0, ddof=1).sum() / n_trials
            level_noise = trials.sum(1).var(ddof=1) / n_trials
        x = predicted.astype(float)
        y = trials.mean(0, dtype=float)
        return cls._of(len(x), x.sum(), x @ x, y.sum(), y @ y, x @ y, noise, level_noise)

    @classmethod
    def of_single_trials(cls, predicted: Values, trials: Values) -> Self:
        """Sums of a prediction ``(S,)`` and each of the trials ``(K, S)``, over all K S samples."""
        n = len(trials)
        mean = cls.of_trial_mean(predicted, trials)
        yy = np.einsum("ks,ks->", trials, trials, dtype=float)
        noise = n**2 * mean.noise
        level_noise = n**2 * mean.level_noise
        return cls._of(n * mean.n, n * mean.x, n * mean.xx, n * mean.y, yy, n * mean.xy, noise, level_noise)

    @classmethod
    def of_one_trial(cls, predicted: Values, trial: Values, others: Values) -> Self:
        """Sums of a prediction ``(S,)`` and a trial ``(S,)`` whose noise is told by others ``(J, S)``.

        The noise of different trials is independent, so that the product of two of them holds their signal alone, even
        where the others were sampled at times of their own and interpolated. What the square of a trial
        has beyond its product with the others, on average, is its noise. Averaged over trials that were sampled at the
        same times that is the variance of :meth:`of_trial_mean`.
        """
        x = predicted.astype(float)
        y = trial.astype(float)
        noise = y @ (y - others.mean(0))
        level_noise = y.sum() * (y.sum() - others.sum(1).mean())
        return cls._of(len(x), x.sum(), x @ x, y.sum(), y @ y, x @ y, noise, level_noise)

    @classmethod
    def _of(cls, *sums: SupportsFloat) -> Self:
        return cls(*(np.asarray(float(total)) for total in sums))

    @property
    def error(self) -> Values:
        """Sum of squared differences of x and y."""
        return self.xx - 2 * self.xy + self.yy

    @property
    def signal(self) -> Values:
        """Sum of squared deviations of the noise-free y from its mean: the unbiased signal power times ``n``.

        The power of y less that of its noise. Of the noise, the part that went into the mean of y was taken away with
        the mean. For one recording this is the signal power of Sahani & Linden (2003, eq. 1).
        """
        return _centred(self.n, self.y, self.y, self.yy) - (self.noise - _ratio(self.level_noise, self.n))

    def mean_squared_error(self) -> Values:
        """Mean of the squared difference, dF/F squared."""
        return _ratio(self.error, self.n)

    def correlation(self) -> Values:
        """Pearson correlation of x and y; NaN where one of them is constant."""
        covariance = self.xy - _ratio(self.x * self.y, self.n)
        return _ratio(covariance, _root(self._power_x() * _centred(self.n, self.y, self.y, self.yy))).clip(-1, 1)

    def says_nothing(self) -> NDArray[np.bool_]:
        """Where the prediction is constant and the measurement is not, so that no correlation is defined."""
        return np.isnan(self._power_x()) & ~np.isnan(_centred(self.n, self.y, self.y, self.yy))

    def ceiling(self) -> Values:
        """The correlation with y that the noise-free y would have: CC_max of Schoppe et al. (2016, eq. 5).

        NaN where the signal power is not positive, that is where the trials show no response in common.
        """
        return _root(_ratio(self._positive_signal(), _centred(self.n, self.y, self.y, self.yy)))

    def normalised_correlation(self) -> Values:
        """Correlation of x with the noise-free y: CC_norm of Schoppe et al. (2016, eq. 6); may exceed 1 by chance."""
        covariance = self.xy - _ratio(self.x * self.y, self.n)
        return _ratio(covariance, _root(self._power_x() * self._positive_signal()))

    def explained(self) -> Values:
        """Fraction of the explainable variance explained, FEVE (Cadena et al. 2019): at most 1 but for chance.

        One minus the squared error less the noise in it, over the power of the signal. Offset and scale of the
        prediction count, unlike in a correlation.
        """
        return 1 - _ratio(self.error - self.noise, self._positive_signal())

    def explainable(self) -> Values:
        """Share of the variance of y that is signal; the reliability of y, and the square of :meth:`ceiling`."""
        return _ratio(self.signal, _centred(self.n, self.y, self.y, self.yy))

    def _power_x(self) -> Values:
        return _centred(self.n, self.x, self.x, self.xx)

    def _positive_signal(self) -> Values:
        signal = self.signal
        return np.where(signal > ROUNDING * self.yy, signal, np.nan)


def _centred(n: Values, a: Values, b: Values, ab: Values) -> Values:
    """Sum of products of deviations; NaN where nothing but rounding is left."""
    with np.errstate(invalid="ignore", divide="ignore"):
        power = ab - a * b / n
    return np.where(power > ROUNDING * ab, power, np.nan)


def _ratio(a: Values, b: Values) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(a / b)


def _root(power: Values) -> Values:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(power))


@dataclass(frozen=True)
class HalfMoments(Additive):
    """Sums over scored samples of the means a and b of two halves of the trials, ``(..., H)``; zero without repeats.

    Args:
        n: number of samples.
        a: sum of a, dF/F.
        aa: sum of a squared.
        b: sum of b, dF/F.
        bb: sum of b squared.
        ab: sum of a times b.
        lengthening: number of samples times how many halves make up all trials.
    """

    n: Values
    a: Values
    aa: Values
    b: Values
    bb: Values
    ab: Values
    lengthening: Values

    @classmethod
    def of(cls, trials: Values, seed: int = 0) -> Self:
        """Halve the trials ``(K, S)`` in different ways, all of them where they are few.

        An odd trial is left out, another one each time.
        """
        n_trials, n_samples = trials.shape
        if n_trials < 2:
            return cls(*np.zeros((7, MOST_HALVINGS)))
        size = n_trials // 2
        membership = _halvings(n_trials, np.random.default_rng(seed))
        a, b = (((membership == half) / size) @ trials.astype(float) for half in (1, 2))
        n = np.full(MOST_HALVINGS, float(n_samples))
        squares = ((a * a).sum(1), b.sum(1), (b * b).sum(1), (a * b).sum(1))
        return cls(n, a.sum(1), *squares, n * n_trials / size)

    def reliability(self) -> Values:
        """Reliability of the mean of all trials: mean correlation of its halves, stepped up by Spearman and Brown.

        ``k r / (1 + (k - 1) r)`` for halves of which k make up the whole (Spearman 1910, Brown 1910).
        """
        power = _centred(self.n, self.a, self.a, self.aa) * _centred(self.n, self.b, self.b, self.bb)
        with np.errstate(invalid="ignore", divide="ignore"):
            r = ((self.ab - self.a * self.b / self.n) / np.sqrt(power)).mean(-1)
            k = (self.lengthening / self.n).mean(-1)
        return np.asarray(k * r / (1 + (k - 1) * r))


def _halvings(n_trials: int, rng: np.random.Generator) -> NDArray[np.int_]:
    """Half (1, 2, or 0 for left out) of each trial, ``(MOST_HALVINGS, K)``, which half is which drawn by chance."""
    size = n_trials // 2
    if comb(n_trials, size) <= 4 * MOST_HALVINGS:
        first = list(combinations(range(n_trials), size))
        ways = [(f, s) for f in first for s in combinations(sorted({*range(n_trials)} - {*f}), size) if f < s]
        ways = [ways[i] for i in rng.permutation(len(ways))]
    else:
        orders = (rng.permutation(n_trials) for _ in range(MOST_HALVINGS))
        ways = [(tuple(order[:size]), tuple(order[size : 2 * size])) for order in orders]
    membership = np.zeros((MOST_HALVINGS, n_trials), int)
    for row, (one, other) in zip(membership, ways * MOST_HALVINGS, strict=False):
        row[list(one)], row[list(other)] = rng.permutation([1, 2])
    return membership
