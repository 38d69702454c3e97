"""The linear filter: a space-time filter per cell type, a gain and an offset per neuron, by ridge regression."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stcnn.baselines.cascade import Cascade, Shape
from stcnn.baselines.design import Design, Spectra
from stcnn.baselines.lags import Lags, Prior
from stcnn.baselines.ridge import Choice, chosen, gathered, priors_of
from stcnn.metrics.regression import average_where_unknown

MEMORY_S = 2.0
"""How far a filter reaches that has to stand for the indicator too."""
PASSES = 2
"""How often filters and gains are fitted in turn; once where every type has a single neuron."""


@dataclass(frozen=True)
class Linear:
    """A fitted linear filter.

    Args:
        model: predicts recordings.
        choices: prior and penalty of each cell type.
        spectra: signals of each part of the design, for what is fitted next.
    """

    model: Cascade
    choices: list[Choice]
    spectra: list[Spectra]


def regressed(design: Design, memory_s: float, passes: int = PASSES, priors: Collection[Prior] | None = None) -> Linear:
    """Fit filters, gains and offsets by turns, penalties chosen by cross-validation.

    Args:
        design: recordings to fit.
        memory_s: how far the filter reaches back.
        passes: how often filters and gains are fitted in turn.
        priors: to choose from; all of them by default.
    """
    lags = Lags.up_to(memory_s, design.slowest_hz)
    spectra = [Spectra.of(part.signals, lags, part.batch.rate_hz) for part in design.parts]
    roots = [(prior, root) for prior, root in priors_of(design, lags) if priors is None or prior in priors]
    gains = _spreads(design)
    for _ in range(passes if max(design.neurons.values()) > 1 else 1):
        sums = gathered(design, lags, gains)
        choices = [chosen(mine, gain, roots) for mine, gain in zip(sums, gains, strict=True)]
        roots = [(prior, root) for prior, root in roots if prior in {choice.prior for choice in choices}]
        model = _model(design, lags, choices)
        gain, offset = regressed_gains(model, design, spectra)
        with torch.no_grad():
            model.gain.copy_(gain)
            model.offset.copy_(offset)
        gains = [_about_one(each) for each in gain.double().split(list(design.neurons.values()))]
    return Linear(model, choices, spectra)


def _about_one(gain: Tensor) -> Tensor:
    """Gains divided by their root mean square, so that the scale stays in the filter."""
    size = gain.square().mean().sqrt()
    return gain / size if size > 0 else torch.ones_like(gain)


def _model(design: Design, lags: Lags, choices: list[Choice]) -> Cascade:
    model = Cascade(Shape(nonlinear=False, indicator=False), design, lags, [choice.root for choice in choices])
    with torch.no_grad():
        for drawn, choice in zip(model.drawn, choices, strict=True):
            drawn.copy_(choice.drawn)
    return model.eval()


def _spreads(design: Design) -> list[Tensor]:
    """The standard deviation of each neuron's traces, divided by the root mean square of its type's; a first gain."""
    found = []
    for index, n_neurons in enumerate(design.neurons.values()):
        sums = torch.zeros(3, n_neurons, dtype=torch.float64)
        for part in design.parts:
            mine = part.batch.cell_type == index
            weight = part.batch.weight[mine].double()
            target = part.batch.target[mine].double()
            values = torch.stack([weight.sum(1), (weight * target).sum(1), (weight * target**2).sum(1)])
            sums.index_add_(1, part.batch.neuron[mine], values)
        n, y, yy = sums
        variance = (yy - y**2 / n.clamp(min=1)).clamp(min=0) / n.clamp(min=1)
        found.append(_about_one(variance.sqrt()) if n_neurons > 1 else torch.ones(1, dtype=torch.float64))
    return found


def regressed_gains(model: Cascade, design: Design, spectra: Sequence[Spectra]) -> tuple[Tensor, Tensor]:
    """Gain, not negative, and offset of every neuron by least squares on what the model says, both ``(M,)``.

    A neuron without samples has the means of its type, as a network's has.
    """
    sums = torch.zeros(5, len(model.gain), dtype=torch.float64)
    with torch.no_grad():
        for part, mine in zip(design.parts, spectra, strict=True):
            x = model.traces(part.batch, mine).double()
            y = part.batch.target.double()
            weight = part.batch.weight.double()
            values = torch.stack([(weight * each).sum(1) for each in (torch.ones_like(x), x, y, x * x, x * y)])
            sums.index_add_(1, model.neuron(part.batch), values)
    seen = sums[0] > 0
    n, x, y, xx, xy = sums
    n = n.clamp(min=1)
    variance = xx - x * x / n
    gain = ((xy - x * y / n) / variance.clamp(min=1e-12)).clamp(min=0)
    gain = torch.where(variance > 1e-12, gain, 1.0)
    gain = torch.where(n > 1, gain, 1.0)
    offset = (y - gain * x) / n
    neurons = list(design.neurons.values())
    return mean_where_unseen(gain, seen, neurons).float(), mean_where_unseen(offset, seen, neurons).float()


def mean_where_unseen(values: Tensor, seen: Tensor, neurons: Sequence[int]) -> Tensor:
    """Put the mean of the seen neurons of its cell type in place of the value of one that was not.

    Args:
        values: ``(M,)``.
        seen: ``(M,)``.
        neurons: number of neurons of each cell type.
    """
    of_types = zip(values.split(list(neurons)), seen.split(list(neurons)), strict=True)
    return torch.cat([average_where_unknown(each, known) for each, known in of_types])
