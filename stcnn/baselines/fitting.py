"""Cascades fitted to the squared error by L-BFGS, from where linear regression leaves them.

The penalty draws filters back to where they began, with the regression's strength times a factor. The factor of each
cell type, and whether its nonlinearity may also rise below rest, are what predicts best the folds of the training set
that are held back.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from stcnn.baselines.cascade import BENDS, FALLING_BENDS, Cascade, Shape
from stcnn.baselines.descent import FREE, Coordinates, Interval, descend, root_of
from stcnn.baselines.design import Design, Spectra
from stcnn.baselines.linear import Linear, mean_where_unseen, regressed_gains
from stcnn.baselines.starts import regressed_behind_indicators, started

SHORT_MEMORY_S = 0.6
"""How far a filter reaches behind which an indicator follows."""
TAU_BOUNDS_S = (0.005, 3.0)
"""Time constants between which the indicator's is fitted; spikes have next to none."""
FACTORS = (64.0, 8.0, 1.0, 0.125)
"""Multiples of the linear filter's penalty that are tried, each from where the one before it led."""
HELD_BACK = 2
"""Folds on which they are judged, one at a time."""
STEPS = 80
"""Steps of L-BFGS for each factor."""


@dataclass(frozen=True)
class Problem:
    """Objective that is minimised.

    Args:
        design: recordings.
        spectra: signals of its parts.
        unit: squared error of the mean of each cell type, ``(N,)``; that of a fit is divided by it.
        penalty: of the squared weights under the prior of each cell type, ``(N,)``, in the same unit.
        curvature: half the second derivative of the regression's error to these weights, ``(N, F, F)``, likewise.
    """

    design: Design
    spectra: Sequence[Spectra]
    unit: Tensor
    penalty: Tensor
    curvature: Tensor

    def times(self, factor: Tensor) -> Problem:
        """The same with the penalty of each cell type multiplied, ``(N,)``."""
        return replace(self, penalty=factor * self.penalty)

    @cached_property
    def root(self) -> Tensor:
        """Of the curvature with the penalty, ``(N, F, F)``."""
        return root_of(self.curvature, self.penalty)

    def errors(self, model: Cascade, folds: Tensor) -> Tensor:
        """Squared error of each cell type on some folds, ``(N,)``, in units of :attr:`unit`.

        Args:
            model: the cascade.
            folds: 1 for a fold that counts, else 0, ``(K,)``.
        """
        total = torch.zeros(len(self.unit))
        for part, spectra in zip(self.design.parts, self.spectra, strict=True):
            trace = model.scaled(part.batch, model.traces(part.batch, spectra))
            error = part.batch.weight * folds[part.folds] * (trace - part.batch.target).square()
            total = total.index_add(0, part.batch.cell_type, error.sum(1))
        return total / self.unit

    @cached_property
    def n_folds(self) -> int:
        """Number of folds K."""
        return 1 + max(int(part.folds.max()) for part in self.design.parts)


def fit_nonlinear(linear: Linear, design: Design) -> Cascade:
    """Fit a filter and an output nonlinearity, from a linear filter.

    Raises:
        TrainingError: the error is not finite.
    """
    starts = started(linear, Shape(nonlinear=True, indicator=False), design)
    return fit_cascade(starts, problem_of(linear, starts[0], design))


def fit_behind_indicator(design: Design, memory_s: float = SHORT_MEMORY_S) -> tuple[Cascade, Problem]:
    """Fit a filter, an output nonlinearity and an indicator; also returns what was minimised.

    Raises:
        TrainingError: the error is not finite.
    """
    linear, tau_s = regressed_behind_indicators(design, memory_s)
    starts = started(linear, Shape(nonlinear=True, indicator=True), design, tau_s)
    problem = problem_of(linear, starts[0], design)
    return fit_cascade(starts, problem), problem


def fit_cascade(starts: Sequence[Cascade], problem: Problem) -> Cascade:
    """Choose the start and the factor of the penalty of each cell type on what is held back, then fit everything.

    Args:
        starts: cascades of one shape; where two do equally well, the first is taken.
        problem: what is minimised.

    Raises:
        TrainingError: the error is not finite.
    """
    errors = held_back_errors(starts, problem)
    of_type = errors.amin(1).argmin(0)
    factor = torch.tensor(FACTORS)[errors.argmin(1)[of_type, torch.arange(len(of_type))]]
    model = merged(starts, of_type, problem.design)
    everything = torch.ones(problem.n_folds)
    for least in FACTORS:
        minimise(model, problem.times(factor.clamp(min=least)), everything)
    seen = samples_of_neurons(model, problem, everything) > 0
    neurons = list(problem.design.neurons.values())
    with torch.no_grad():
        for values in (model.gain, model.offset):
            values.copy_(mean_where_unseen(values, seen, neurons))
    return model.eval()


def held_back_errors(starts: Sequence[Cascade], problem: Problem) -> Tensor:
    """Error of each cell type on folds held back, for each start and each of :data:`FACTORS`, ``(I, K, N)``.

    The starts stay as they are.
    """
    folds = range(min(HELD_BACK, problem.n_folds))
    paths = [(i, fold, deepcopy(start)) for i, start in enumerate(starts) for fold in folds]
    total = torch.zeros(len(starts), len(FACTORS), len(problem.unit))
    for k, factor in enumerate(FACTORS):
        mine = problem.times(torch.full_like(problem.unit, factor))
        for i, fold, model in paths:
            kept = torch.ones(problem.n_folds)
            kept[fold] = 0
            minimise(model, mine, kept)
            regress_unseen(model, mine, kept)
            with torch.no_grad():
                total[i, k] += mine.errors(model, 1 - kept)
    return total


def merged(starts: Sequence[Cascade], of_type: Tensor, design: Design) -> Cascade:
    """The first cascade, each cell type and its neurons as in the cascade of index ``of_type``, ``(N,)``."""
    of_neuron = of_type.repeat_interleave(torch.tensor(list(design.neurons.values())))
    states = [{name: value.clone() for name, value in each.state_dict().items()} for each in starts]
    for name, value in starts[0].state_dict().items():
        index = of_neuron if name in ("gain", "offset") else of_type
        value.copy_(torch.stack([each[name] for each in states])[index, torch.arange(len(index))])
    return starts[0]


def regress_unseen(model: Cascade, problem: Problem, folds: Tensor) -> None:
    """Give neurons without samples in some folds their own gain and offset, as every neuron has them.

    Args:
        model: the cascade, fitted to those folds.
        problem: what it was fitted to.
        folds: 1 for a fold that counts, else 0, ``(K,)``.
    """
    seen = samples_of_neurons(model, problem, folds)
    if bool((seen > 0).all()):
        return
    gain, offset = regressed_gains(model, problem.design, problem.spectra)
    with torch.no_grad():
        model.gain.copy_(torch.where(seen > 0, model.gain, gain))
        model.offset.copy_(torch.where(seen > 0, model.offset, offset))


def samples_of_neurons(model: Cascade, problem: Problem, folds: Tensor) -> Tensor:
    """Number of samples of every neuron in some folds, ``(M,)``; arguments as of :func:`regress_unseen`."""
    found = torch.zeros(len(model.gain))
    for part in problem.design.parts:
        counted = (part.batch.weight * folds[part.folds]).sum(1)
        found.index_add_(0, model.neuron(part.batch), counted)
    return found


def minimise(model: Cascade, problem: Problem, folds: Tensor) -> None:
    """Minimise the penalised error on some folds, from where the model stands.

    Raises:
        TrainingError: the error is not finite.
    """

    def loss() -> Tensor:
        penalty = problem.penalty * model.moved() + 1e-3 * model.bend.square().sum(1)
        return (problem.errors(model, folds) + penalty).sum()

    bounds: dict[str, list[Interval]] = {
        "tau_s": [TAU_BOUNDS_S] * len(model.tau_s),
        "gain": [(0.0, None)] * len(model.gain),
        "bend": [interval for falls in model.falls.tolist() for interval in _bounds_of_bends(falls)],
    }
    coordinates = Coordinates(model, dict.fromkeys(("drawn", "drawn_squared"), problem.root))
    descend(coordinates, loss, bounds, STEPS)


def _bounds_of_bends(falls: bool) -> list[Interval]:
    fixed: Interval = (0.0, 0.0)
    return [FREE] * len(BENDS) + [FREE if falls else fixed] * len(FALLING_BENDS)


def problem_of(linear: Linear, model: Cascade, design: Design) -> Problem:
    """The error of a cascade with the penalty that its regression had, in units of the scaled voltage."""
    unit = squared_deviation(design)
    size = torch.stack([choice.drawn.norm() for choice in linear.choices]).float()
    scale = model.drawn.detach().norm(dim=1) / size.clamp(min=1e-12)
    to_unit = 1 / unit / scale.square().clamp(min=1e-12)
    penalty = torch.tensor([choice.strength for choice in linear.choices])
    curvature = torch.stack([each * choice.curvature for each, choice in zip(to_unit, linear.choices, strict=True)])
    return Problem(design, linear.spectra, unit, penalty * to_unit, curvature)


def squared_deviation(design: Design) -> Tensor:
    """Squared deviation of the traces from the mean of their cell type, ``(N,)``."""
    sums = torch.zeros(3, len(design.neurons), dtype=torch.float64)
    for part in design.parts:
        weight = part.batch.weight.double()
        target = part.batch.target.double()
        values = torch.stack([weight.sum(1), (weight * target).sum(1), (weight * target**2).sum(1)])
        sums.index_add_(1, part.batch.cell_type, values)
    n, y, yy = sums
    return (yy - y**2 / n.clamp(min=1)).clamp(min=1e-12).float()
