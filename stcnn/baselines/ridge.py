"""Ridge regression of traces on lagged signals, its penalty and prior chosen by cross-validation over stimuli.

    dF/F of a neuron = offset + gain * (w . lagged signals of its cell type)

Everything cross-validation asks is answered from sums that are made once, one set for each fold. Axes: F feature,
K fold, M neuron.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from stcnn.baselines.design import Design, Part, rows
from stcnn.baselines.lags import PRIORS, Lags, Prior
from stcnn.errors import TrainingError

PENALTIES = tuple(10.0 ** (exponent / 2) for exponent in range(-10, 7))
"""Penalties that are tried, relative to the mean variance of a feature under the prior."""
START = PENALTIES.index(0.1)
"""Where the search begins; it walks up or down while that helps."""
HELD_OUT_FEATURES = 2000
"""Features that are solved for in one sweep over the held-out folds: with 400 all five folds choose, with 2,000 and
more a single one, because the cost goes with the third power of the features."""


class Root(NamedTuple):
    """A root of a prior's covariance over features: the product of one over signals and one over lags.

    Args:
        in_space: ``(C, C)``.
        in_time: ``(L, L)``.
    """

    in_space: Tensor
    in_time: Tensor

    def spread(self, values: Tensor) -> Tensor:
        """Multiply rows ``(..., F)`` by the root from the right."""
        as_filters = values.reshape(-1, len(self.in_space), len(self.in_time))
        return (self.in_space.T @ (as_filters @ self.in_time)).reshape(values.shape)

    def weight(self, drawn: Tensor) -> Tensor:
        """Return the weights ``(C, L)`` of values ``(F,)`` that are drawn independently."""
        return self.in_space @ drawn.view(len(self.in_space), -1) @ self.in_time.T


@dataclass
class Sums:
    """Sums over the scored samples of one cell type, for each fold.

    Args:
        xx: features with features, weighted by squared gains, ``(K, F, F)``.
        xy: features with traces, weighted by gains, ``(K, F)``.
        x: features of each neuron, ``(K, M, F)``.
        y: trace of each neuron, ``(K, M)``.
        yy: its square, ``(K,)``.
        n: samples of each neuron, ``(K, M)``.
    """

    xx: Tensor
    xy: Tensor
    x: Tensor
    y: Tensor
    yy: Tensor
    n: Tensor

    @classmethod
    def empty(cls, n_folds: int, n_features: int, n_neurons: int) -> Sums:
        """Sums over nothing."""

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64)

        k = n_folds
        f = n_features
        m = n_neurons
        return cls(zeros(k, f, f), zeros(k, f), zeros(k, m, f), zeros(k, m), zeros(k), zeros(k, m))

    def under(self, root: Root) -> Sums:
        """The sums of features that are drawn under a prior: multiplied by a root of its covariance."""
        xx = torch.stack([root.spread(root.spread(each.T).T) for each in self.xx])
        return Sums(xx, root.spread(self.xy), root.spread(self.x), self.y, self.yy, self.n)

    def with_rest_joined(self, n_apart: int) -> Sums:
        """The same sums with all folds after the first ``n_apart`` joined into one."""
        if len(self.yy) <= n_apart + 1:
            return self
        values = (getattr(self, f.name) for f in fields(self))
        return Sums(*(torch.cat([each[:n_apart], each[n_apart:].sum(0, keepdim=True)]) for each in values))


@dataclass(frozen=True)
class Centred:
    """Normal equations with the offset of every neuron taken out.

    Args:
        xx: ``(F, F)``.
        xy: ``(F,)``.
        mean_x: ``(M, F)``, of each neuron.
        mean_y: ``(M,)``.
        known: whether a neuron has samples in these folds, ``(M,)``.
    """

    xx: Tensor
    xy: Tensor
    mean_x: Tensor
    mean_y: Tensor
    known: Tensor

    @classmethod
    def of(cls, sums: Sums, gain: Tensor, folds: list[int]) -> Centred:
        """Add up some folds."""
        n = sums.n[folds].sum(0)
        x = sums.x[folds].sum(0)
        y = sums.y[folds].sum(0)
        mean_x = x / n.clamp(min=1)[:, None]
        mean_y = y / n.clamp(min=1)
        xx = sums.xx[folds].sum(0) - (mean_x * (n * gain**2)[:, None]).T @ mean_x
        xy = sums.xy[folds].sum(0) - (mean_x * (n * gain * mean_y)[:, None]).sum(0)
        return cls(xx, xy, mean_x, mean_y, n > 0)

    def solved(self, penalty: float) -> Tensor:
        """The weights ``(F,)`` of least squares with a penalty in units of the mean variance of a feature.

        Raises:
            TrainingError: there is nothing to solve.
        """
        scale = self.xx.diagonal().mean()
        if not (torch.isfinite(scale) and scale > 0):
            raise TrainingError("no scored sample of a cell type has a stimulus before it whose contrast changes")
        regular = self.xx + penalty * scale * torch.eye(len(self.xx), dtype=self.xx.dtype)
        return torch.cholesky_solve(self.xy[:, None], torch.linalg.cholesky(regular))[:, 0]

    def error(self, weight: Tensor, sums: Sums, gain: Tensor, fold: int) -> float:
        """Squared error on another fold, with the offsets of these ones; neurons that they lack have their own."""
        n = sums.n[fold]
        y = sums.y[fold]
        predicted = gain * (sums.x[fold] @ weight)
        own = (y - predicted) / n.clamp(min=1)
        offset = torch.where(self.known, self.mean_y - gain * (self.mean_x @ weight), own)
        without = sums.yy[fold] - 2 * sums.xy[fold] @ weight + weight @ sums.xx[fold] @ weight
        return float(without - 2 * offset @ (y - predicted) + n @ offset**2)


@dataclass(frozen=True)
class Choice:
    """Choice of cross-validation for one cell type.

    Args:
        prior: shape of the penalty.
        root: a root of the prior's covariance.
        penalty: its size, one of :data:`PENALTIES`.
        strength: what it multiplies the squared weights with, beside the squared error.
        error: held-out squared error, summed over the folds.
        drawn: weights under the prior, fitted to all folds, ``(F,)``; ``root.weight`` makes filters of them.
        offset: of each neuron, ``(M,)``.
        curvature: half the second derivative of the squared error to these weights, ``(F, F)``, single precision.
    """

    prior: Prior
    root: Root
    penalty: float
    strength: float
    error: float
    drawn: Tensor
    offset: Tensor
    curvature: Tensor


def gathered(design: Design, lags: Lags, gains: list[Tensor]) -> list[Sums]:
    """Go through all recordings once and make the sums of each cell type, given the gains of its neurons."""
    n_features = design.signals.components.shape[1] * len(lags)
    n_folds = 1 + max(int(part.folds.max()) for part in design.parts)
    found = [Sums.empty(n_folds, n_features, n) for n in design.neurons.values()]
    for part in design.parts:
        _add_traces(found, part)
        for features, recordings in rows(part, lags):
            products = _Products(features)
            for index in part.batch.cell_type[recordings].unique().tolist():
                mine = [r for r in recordings if int(part.batch.cell_type[r]) == index]
                _add_features(found[index], part, products, mine, gains[index])
    return found


class _Products:
    """Weighted products of features ``(S, F)`` with themselves; cell types that weigh all samples alike share one."""

    def __init__(self, features: Tensor) -> None:
        self.features = features
        self._last: tuple[Tensor, Tensor] | None = None

    def of(self, counts: Tensor) -> Tensor:
        """Sum over the samples of ``counts`` times the outer product, ``(F, F)``."""
        if self._last is None or not torch.equal(counts, self._last[0]):
            scaled = self.features * counts.sqrt()[:, None]
            self._last = counts, scaled.T @ scaled
        return self._last[1]


def _add_traces(found: list[Sums], part: Part) -> None:
    batch = part.batch
    for r, (index, neuron) in enumerate(zip(batch.cell_type.tolist(), batch.neuron.tolist(), strict=True)):
        weight = batch.weight[r].double()
        y = batch.target[r].double()
        n_folds = len(found[index].yy)
        found[index].n[:, neuron] += torch.bincount(part.folds[r], weight, n_folds)
        found[index].y[:, neuron] += torch.bincount(part.folds[r], weight * y, n_folds)
        found[index].yy += torch.bincount(part.folds[r], weight * y**2, n_folds)


def _add_features(sums: Sums, part: Part, products: _Products, recordings: list[int], gain: Tensor) -> None:
    """Add the samples of recordings that share their features ``(S, F)``; samples before these are in grey."""
    batch = part.batch
    features = products.features
    grey = batch.target.shape[1] - len(features)
    target = batch.target[recordings, grey:]
    neurons = batch.neuron[recordings]
    gains = gain[neurons].float()[:, None]
    folds = part.folds[recordings, grey:]
    for fold in folds.unique().tolist():
        weight = batch.weight[recordings, grey:] * (folds == fold)
        counts = ((gains**2) * weight).sum(0)
        sums.xx[fold] += products.of(counts)
        sums.xy[fold] += (gains * weight * target).sum(0) @ features
        sums.x[fold].index_add_(0, neurons, (weight @ features).double())


def chosen(sums: Sums, gain: Tensor, roots: Sequence[tuple[Prior, Root]]) -> Choice:
    """Choose prior and penalty by the error on held-out folds, and fit all folds with them.

    Args:
        sums: of one cell type.
        gain: of its neurons, ``(M,)``.
        roots: priors, each with a root of its covariance.
    """
    n_features = sums.xx.shape[-1]
    n_held_out = max(1, min(len(sums.yy), HELD_OUT_FEATURES // n_features))
    sums = sums.with_rest_joined(n_held_out)
    found: list[tuple[float, int, Prior, Root]] = []
    start = START
    for prior, root in roots:
        error, place = _best_penalty(sums.under(root), gain, start, n_held_out)
        found.append((error, place, prior, root))
        start = place
    error, place, prior, root = min(found, key=lambda each: each[0])
    everything = Centred.of(sums.under(root), gain, list(range(len(sums.yy))))
    drawn = everything.solved(PENALTIES[place])
    offset = everything.mean_y - gain * (everything.mean_x @ drawn)
    strength = PENALTIES[place] * float(everything.xx.diagonal().mean())
    return Choice(prior, root, PENALTIES[place], strength, error, drawn, offset, everything.xx.float())


def _best_penalty(sums: Sums, gain: Tensor, start: int, n_held_out: int) -> tuple[float, int]:
    """Error on the first folds and place of the penalty, found by walking from ``start`` as long as the error falls."""
    n_folds = len(sums.yy)
    scored = [fold for fold in range(n_folds) if 0 < sums.n[fold].sum() < sums.n.sum()][:n_held_out]
    others = {fold: Centred.of(sums, gain, [k for k in range(n_folds) if k != fold]) for fold in scored}
    errors: dict[int, float] = {}

    def error(place: int) -> float:
        if place not in errors:
            solved = ((fold, others[fold].solved(PENALTIES[place])) for fold in scored)
            errors[place] = sum(others[fold].error(weight, sums, gain, fold) for fold, weight in solved)
        return errors[place]

    place = start
    for step in (2, -2, 1, -1):
        while 0 <= place + step < len(PENALTIES) and error(place + step) < error(place):
            place += step
    return error(place), place


def priors_of(design: Design, lags: Lags) -> list[tuple[Prior, Root]]:
    """The priors that differ for these signals and lags, each with a root of its covariance."""
    found = []
    for prior in PRIORS:
        if prior.fading and len(lags) == 1:
            continue
        if prior.smooth and design.signals.places is None:
            continue
        in_space = prior.of_signals(design.signals.places, design.signals.components)
        found.append((prior, Root(in_space, prior.of_lags(lags))))
    return found
