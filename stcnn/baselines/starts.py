"""Where the fit of a cascade begins: filters and time constants by regression, nonlinearities by least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from stcnn.baselines.cascade import Cascade, Shape
from stcnn.baselines.design import Design, Part, Spectra
from stcnn.baselines.lags import Lags
from stcnn.baselines.linear import Linear, regressed, regressed_gains
from stcnn.baselines.ridge import Choice
from stcnn.nn.filters.exponential import exponential_filter

START_TAU_S = (0.005, 0.1, 0.4, 1.0)
"""Time constants of the indicator from which the best is taken to start with; the shortest is none."""
START_VOLTAGE = 1.5
"""Standard deviation of the voltage at the start, at which a softplus is neither straight nor a step."""
BEND_RIDGE = 1e-3
"""Ridge of the first estimate of the nonlinearity, in units of the mean square of its functions."""


def started(linear: Linear, shape: Shape, design: Design, tau_s: Tensor | None = None) -> tuple[Cascade, Cascade]:
    """Two cascades that begin with the filters of a regression, their voltages scaled to :data:`START_VOLTAGE`.

    The nonlinearity of the first is a softplus that may bend above rest; that of the second may bend below it too and
    begins where least squares put it. What predicts the held-back folds better is taken.
    """
    first, second = (_started(linear, shape, design, tau_s) for _ in range(2))
    with torch.no_grad():
        second.falls.fill_(True)
        second.bend.copy_(regressed_bends(second, design, linear.spectra))
        _regress_gains(second, design, linear.spectra)
    return first, second


def _started(linear: Linear, shape: Shape, design: Design, tau_s: Tensor | None) -> Cascade:
    model = Cascade(shape, design, linear.model.lags, [choice.root for choice in linear.choices])
    with torch.no_grad():
        model.drawn.copy_(torch.stack([choice.drawn for choice in linear.choices]).float())
        if tau_s is not None:
            model.tau_s.copy_(tau_s)
        model.drawn.mul_((START_VOLTAGE / spread(model, linear.spectra))[:, None])
        model.moor()
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
