"""Cascades fitted to the squared error by L-BFGS, from where linear regression leaves them.

Penalties are those of the regression times a factor. The factor of each cell type, and whether its nonlinearity may
also rise below rest, are what predicts best a fold of the training set that is held back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from stcnn.baselines.cascade import BENDS, FALLING_BENDS, Cascade, Shape
from stcnn.baselines.design import Design, Spectra
from stcnn.baselines.linear import Linear, mean_where_unseen, regressed_gains
from stcnn.baselines.starts import regressed_behind_indicators, started
from stcnn.errors import TrainingError

SHORT_MEMORY_S = 0.6
"""How far a filter reaches behind which an indicator follows."""
TAU_BOUNDS_S = (0.005, 3.0)
"""Time constants between which the indicator's is fitted; spikes have next to none."""
FACTORS = (256.0, 64.0, 16.0, 4.0, 1.0, 0.25, 0.06)
"""Multiples of the linear filter's penalty that are tried."""
STEPS = 100
"""Steps of L-BFGS for each start and factor, so that they are judged by where they lead, and for the last fit."""


@dataclass(frozen=True)
class Problem:
    """Objective that is minimised.

    Args:
        design: recordings.
        spectra: signals of its parts.
        unit: squared error of the mean of each cell type, ``(N,)``; that of a fit is divided by it.
        penalty: of the squared weights under the prior of each cell type, ``(N,)``, in the same unit.
    """

    design: Design
    spectra: Sequence[Spectra]
    unit: Tensor
    penalty: Tensor

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
    errors = torch.stack([held_back_errors(each, problem) for each in starts])
    of_type = errors.amin(1).argmin(0)
    factor = torch.tensor(FACTORS)[errors.argmin(1)[of_type, torch.arange(len(of_type))]]
    model = merged(starts, of_type, problem.design)
    everything = torch.ones(problem.n_folds)
    minimise(model, replace(problem, penalty=factor * problem.penalty), everything, STEPS)
    seen = samples_of_neurons(model, problem, everything) > 0
    neurons = list(problem.design.neurons.values())
    with torch.no_grad():
        for values in (model.gain, model.offset):
            values.copy_(mean_where_unseen(values, seen, neurons))
    return model.eval()


def held_back_errors(model: Cascade, problem: Problem) -> Tensor:
    """Error of each cell type on the first fold, for each of :data:`FACTORS`, ``(K, N)``; the model stays as it is.

    Every fit begins at the model, as the last one does: from where a strong penalty left it, with a drive so small that
    every nonlinearity is straight, it would not find back.
    """
    kept = torch.ones(problem.n_folds)
    kept[0] = 0
    start = parameters_to_vector(model.parameters()).detach().clone()
    found = []
    for factor in FACTORS:
        minimise(model, replace(problem, penalty=factor * problem.penalty), kept, STEPS)
        regress_unseen(model, problem, kept)
        with torch.no_grad():
            found.append(problem.errors(model, 1 - kept))
        vector_to_parameters(start, model.parameters())
    return torch.stack(found)


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


def minimise(model: Cascade, problem: Problem, folds: Tensor, steps: int) -> None:
    """Minimise the penalised error on some folds by L-BFGS-B, from where the model stands.

    Raises:
        TrainingError: the error is not finite.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    parameters = [p for _, p in named]
    bounds = {"tau_s": TAU_BOUNDS_S, "gain": (0.0, None)}
    bends = [interval for falls in model.falls.tolist() for interval in _bounds_of_bends(falls)]
    intervals = [
        interval
        for name, p in named
        for interval in (bends if name == "bend" else [bounds.get(name, (None, None))] * p.numel())
    ]

    def loss(vector: np.ndarray) -> tuple[float, np.ndarray]:
        vector_to_parameters(torch.from_numpy(vector).float(), parameters)
        model.zero_grad()
        size = model.drawn.square().sum(1) + model.drawn_squared.square().sum(1)
        total = (problem.errors(model, folds) + problem.penalty * size + 1e-3 * model.bend.square().sum(1)).sum()
        total.backward()
        gradient = parameters_to_vector([torch.zeros_like(p) if p.grad is None else p.grad for p in parameters])
        return total.item(), gradient.double().numpy()

    start = parameters_to_vector(parameters).detach().double().numpy()
    options = {"maxiter": steps, "ftol": 1e-6, "maxcor": 20}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=intervals, options=options)
    if not np.isfinite(found.fun):
        raise TrainingError("the squared error of the fit is not finite", expected="traces without huge values")
    vector_to_parameters(torch.from_numpy(found.x).float(), parameters)


def _bounds_of_bends(falls: bool) -> list[tuple[float | None, float | None]]:
    fixed = (0.0, 0.0)
    return [(None, None)] * len(BENDS) + [(None, None) if falls else fixed] * len(FALLING_BENDS)


def problem_of(linear: Linear, model: Cascade, design: Design) -> Problem:
    """The error of a cascade with the penalty that its regression had, in units of the scaled voltage."""
    unit = squared_deviation(design)
    size = torch.stack([choice.drawn.norm() for choice in linear.choices]).float()
    scale = model.drawn.detach().norm(dim=1) / size.clamp(min=1e-12)
    penalty = torch.tensor([choice.strength for choice in linear.choices])
    return Problem(design, linear.spectra, unit, penalty / unit / scale.square().clamp(min=1e-12))


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
