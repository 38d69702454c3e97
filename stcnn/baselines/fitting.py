"""Cascades fitted to the squared error by L-BFGS, from where linear regression leaves them.

Penalties are those of the regression times a factor; the factor of each cell type is the one that predicts best what
is held back, a fold of whole stimuli of the training part.
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

from stcnn.baselines.cascade import Cascade, Shape
from stcnn.baselines.design import Design, Part, Spectra
from stcnn.baselines.lags import Lags
from stcnn.baselines.linear import Linear, regressed, regressed_gains
from stcnn.baselines.ridge import Choice
from stcnn.errors import TrainingError
from stcnn.nn.filters.exponential import exponential_filter

SHORT_MEMORY_S = 0.6
"""How far a filter reaches behind which an indicator follows."""
START_TAU_S = (0.005, 0.1, 0.4, 1.0)
"""Time constants of the indicator from which the best is taken to start with; the shortest is none."""
TAU_BOUNDS_S = (0.005, 3.0)
"""Time constants between which the indicator's is fitted; spikes have next to none."""
FACTORS = (256.0, 64.0, 16.0, 4.0, 1.0, 0.25, 0.06)
"""Multiples of the linear filter's penalty that are tried."""
START_VOLTAGE = 1.5
"""Standard deviation of the voltage at the start, at which a softplus is neither straight nor a step."""
BEND_RIDGE = 1e-3
"""Ridge of the first estimate of the nonlinearity, in units of the mean square of its functions."""
STEPS_TRIED = 30
STEPS = 100
"""Steps of L-BFGS for each factor, and for the fit to all recordings."""


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
    model = started(linear, Shape(nonlinear=True, indicator=False), design)
    return fit_cascade(model, problem_of(linear, model, design))


def fit_behind_indicator(design: Design, memory_s: float = SHORT_MEMORY_S) -> tuple[Cascade, Problem]:
    """Fit a filter, an output nonlinearity and an indicator; also returns what was minimised.

    Raises:
        TrainingError: the error is not finite.
    """
    linear, tau_s = regressed_behind_indicators(design, memory_s)
    model = started(linear, Shape(nonlinear=True, indicator=True), design, tau_s)
    problem = problem_of(linear, model, design)
    return fit_cascade(model, problem), problem


def fit_cascade(model: Cascade, problem: Problem) -> Cascade:
    """Choose the factor of the penalty on what is held back, then fit everything."""
    kept = torch.ones(problem.n_folds)
    kept[0] = 0
    start = parameters_to_vector(model.parameters()).detach().clone()
    held_back = []
    for factor in FACTORS:
        minimise(model, replace(problem, penalty=factor * problem.penalty), kept, STEPS_TRIED)
        regress_unseen(model, problem, kept)
        with torch.no_grad():
            held_back.append(problem.errors(model, 1 - kept))
    best = torch.stack(held_back).argmin(0)
    vector_to_parameters(start, model.parameters())
    penalty = torch.tensor(FACTORS)[best] * problem.penalty
    minimise(model, replace(problem, penalty=penalty), torch.ones(problem.n_folds), STEPS)
    return model.eval()


def regress_unseen(model: Cascade, problem: Problem, folds: Tensor) -> None:
    """Give neurons without samples in some folds their own gain and offset, as every neuron has them.

    Args:
        model: the cascade, fitted to those folds.
        problem: what it was fitted to.
        folds: 1 for a fold that counts, else 0, ``(K,)``.
    """
    seen = torch.zeros(len(model.gain))
    for part in problem.design.parts:
        counted = (part.batch.weight * folds[part.folds]).sum(1)
        seen.index_add_(0, model.neuron(part.batch), counted)
    if bool((seen > 0).all()):
        return
    gain, offset = regressed_gains(model, problem.design, problem.spectra)
    with torch.no_grad():
        model.gain.copy_(torch.where(seen > 0, model.gain, gain))
        model.offset.copy_(torch.where(seen > 0, model.offset, offset))


def minimise(model: Cascade, problem: Problem, folds: Tensor, steps: int) -> None:
    """Minimise the penalised error on some folds by L-BFGS-B, from where the model stands.

    Raises:
        TrainingError: the error is not finite.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    parameters = [p for _, p in named]
    bounds = {"tau_s": TAU_BOUNDS_S, "gain": (0.0, None)}
    intervals = [bounds.get(name, (None, None)) for name, p in named for _ in range(p.numel())]

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


def started(linear: Linear, shape: Shape, design: Design, tau_s: Tensor | None = None) -> Cascade:
    """A cascade that begins with the filters of a regression, their voltages scaled to :data:`START_VOLTAGE`."""
    model = Cascade(shape, design, linear.model.lags, [choice.root for choice in linear.choices])
    with torch.no_grad():
        model.drawn.copy_(torch.stack([choice.drawn for choice in linear.choices]).float())
        if tau_s is not None:
            model.tau_s.copy_(tau_s)
        model.drawn.mul_((START_VOLTAGE / spread(model, linear.spectra))[:, None])
        _regress_gains(model, design, linear.spectra)
        if shape.nonlinear:
            model.bend.copy_(regressed_bends(model, design, linear.spectra))
            _regress_gains(model, design, linear.spectra)
    return model


def _regress_gains(model: Cascade, design: Design, spectra: Sequence[Spectra]) -> None:
    gain, offset = regressed_gains(model, design, spectra)
    model.gain.copy_(gain)
    model.offset.copy_(offset)


def regressed_bends(model: Cascade, design: Design, spectra: Sequence[Spectra]) -> Tensor:
    """Slopes of the nonlinearity by least squares, given filters and gains, ``(N, K)``; each neuron has its offset."""
    n_turns = model.bend.shape[1]
    neurons = list(design.neurons.values())
    n, of_neuron = torch.zeros(len(model.gain), 1).double(), torch.zeros(len(model.gain), n_turns + 1).double()
    products = torch.zeros(len(neurons), n_turns + 1, n_turns + 1).double()
    for part, mine in zip(design.parts, spectra, strict=True):
        batch = part.batch
        voltage = model.voltage(mine, batch.n_grey)
        turned = (model.behind_indicator(each, batch.rate_hz) for each in model.turns(voltage))
        at_samples = [batch.at_samples(each[:, batch.clip, batch.cell_type].T) for each in turned]
        neuron = model.neuron(batch)
        gain = model.gain[neuron, None]
        left = batch.target - model.scaled(batch, model.traces(batch, mine))
        rows = torch.stack([*(gain * each for each in at_samples), left], -1).double()
        weighted = rows * batch.weight[..., None]
        n.index_add_(0, neuron, batch.weight.sum(1, keepdim=True).double())
        of_neuron.index_add_(0, neuron, weighted.sum(1))
        products.index_add_(0, batch.cell_type, weighted.transpose(1, 2) @ rows)
    means = of_neuron / n.clamp(min=1)
    within = (n[:, None] * means[:, :, None] * means[:, None]).split(neurons)
    found = []
    for squares, taken in zip(products, within, strict=True):
        centred = squares - taken.sum(0)
        ridge = BEND_RIDGE * centred[:-1, :-1].diagonal().mean().clamp(min=1e-12)
        regular = centred[:-1, :-1] + ridge * torch.eye(n_turns).double()
        found.append(torch.linalg.solve(regular, centred[:-1, -1]).float())
    return torch.stack(found)


def spread(model: Cascade, spectra: Sequence[Spectra]) -> Tensor:
    """Root mean square of the voltages without bias while the stimulus is shown, ``(N,)``."""
    voltages = [each.filtered(model.weight(model.drawn)).flatten(0, 1) for each in spectra]
    return torch.cat(voltages).square().mean(0).sqrt().clamp(min=1e-6)


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


def regressed_behind_indicators(design: Design, memory_s: float) -> tuple[Linear, Tensor]:
    """Linear filters followed by an indicator: for each cell type of the time constants the best, and that, ``(N,)``.

    An indicator behind a linear filter is one in front of it: the signals are low-passed and regressed.
    """
    tried: list[tuple[float, Linear]] = []
    for tau_s in START_TAU_S:
        priors = {choice.prior for _, linear in tried[:1] for choice in linear.choices} or None
        tried.append((tau_s, regressed(_low_passed(design, tau_s), memory_s, 1, priors)))
    errors = torch.tensor([[choice.error for choice in linear.choices] for _, linear in tried])
    best = errors.argmin(0).tolist()
    choices: list[Choice] = [tried[k][1].choices[index] for index, k in enumerate(best)]
    bare = tried[0][1]
    lags: Lags = bare.model.lags
    spectra = [Spectra.of(part.signals, lags, part.batch.rate_hz) for part in design.parts]
    return Linear(bare.model, choices, spectra), torch.tensor([tried[k][0] for k in best])


def _low_passed(design: Design, tau_s: float) -> Design:
    def low_passed(part: Part) -> Part:
        filtered, _ = exponential_filter(part.signals.unsqueeze(-1), torch.tensor([tau_s]), 1 / part.batch.rate_hz)
        return replace(part, signals=filtered.squeeze(-1))

    return replace(design, parts=[low_passed(part) for part in design.parts])
