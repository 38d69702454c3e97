"""Filters, an output nonlinearity and an indicator in a row: the models whose parameters baselines fit.

    voltage = bias + w . signals + sign (q . signals)^2        (the square only with two filters)
    dF/F    = offset + gain * indicator(nonlinearity(voltage))

One set of filters per cell type, one gain and offset per neuron. Axes: T frame, B clip, R recording, S sample,
C signal, L lag, N cell type, M neuron (of all types, one after the other).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stcnn.baselines.design import Design, Signals, Spectra, centred
from stcnn.baselines.lags import Lags
from stcnn.baselines.ridge import Root
from stcnn.data.batch import Batch
from stcnn.data.batching import BatchingConfig, loader
from stcnn.data.dataset import Dataset
from stcnn.evaluate import Predictions
from stcnn.nn.filters.exponential import exponential_filter

BENDS = (1.0, 2.0, 4.0)
"""Voltages above which the slope of a fitted nonlinearity may change: it saturates or accelerates."""
FALLING_BENDS = (0.0, 1.0, 2.0, 4.0)
"""Voltages below the negative of which it may change too, where a held-back fold asks for it: it rises on both."""


class Shape(NamedTuple):
    """Stages of a cascade.

    Args:
        nonlinear: whether the voltage passes a fitted nonlinearity, a softplus whose slope changes at :data:`BENDS` and
            :data:`FALLING_BENDS`.
        indicator: whether an exponential filter follows.
        two_filters: whether a second filter is squared and added.
    """

    nonlinear: bool
    indicator: bool
    two_filters: bool = False


class Cascade(nn.Module):
    """A cascade of one shape, and what of it is fitted how.

    ``falls``, ``(N,)``, says for which cell types :data:`FALLING_BENDS` are fitted; ``anchor`` and ``anchor_squared``,
    ``(N, F)``, are where the fit of the filters began, to which its penalty draws them.

    Args:
        shape: its parts.
        design: signals that are filtered, and the neurons.
        lags: lags of the filters.
        roots: of the prior of each cell type.
    """

    falls: Tensor
    anchor: Tensor
    anchor_squared: Tensor

    def __init__(self, shape: Shape, design: Design, lags: Lags, roots: Sequence[Root]) -> None:
        super().__init__()
        self.shape = shape
        self.lags = lags
        self.deg_per_px = design.deg_per_px
        self.signals: Signals = design.signals
        self.roots = roots
        n_types = len(design.neurons)
        n_neurons = sum(design.neurons.values())
        n_features = design.signals.components.shape[1] * len(lags)
        self.first = torch.tensor([0, *design.neurons.values()][:n_types]).cumsum(0)
        self.drawn = nn.Parameter(torch.zeros(n_types, n_features))
        self.drawn_squared = nn.Parameter(torch.zeros(n_types, n_features), requires_grad=shape.two_filters)
        self.sign = nn.Parameter(torch.ones(n_types), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(n_types), requires_grad=shape.nonlinear)
        self.bend = nn.Parameter(torch.zeros(n_types, len(BENDS) + len(FALLING_BENDS)), requires_grad=shape.nonlinear)
        self.register_buffer("falls", torch.zeros(n_types, dtype=torch.bool))
        self.register_buffer("anchor", torch.zeros(n_types, n_features))
        self.register_buffer("anchor_squared", torch.zeros(n_types, n_features))
        self.tau_s = nn.Parameter(torch.full((n_types,), 0.4), requires_grad=shape.indicator)
        self.gain = nn.Parameter(torch.ones(n_neurons))
        self.offset = nn.Parameter(torch.zeros(n_neurons))

    def moor(self) -> None:
        """Take the filters as they are for where the fit begins."""
        self.anchor.copy_(self.drawn.detach())
        self.anchor_squared.copy_(self.drawn_squared.detach())

    def moved(self) -> Tensor:
        """Return the squared distance of the filters of each cell type from where the fit began, ``(N,)``."""
        squared = (self.drawn_squared - self.anchor_squared).square().sum(1)
        return (self.drawn - self.anchor).square().sum(1) + squared

    def weight(self, drawn: Tensor) -> Tensor:
        """Return the filters ``(C, L, N)`` of values ``(N, F)`` that are independent under the priors of the types."""
        each = [
            Root(root.in_space.float(), root.in_time.float()).weight(mine)
            for root, mine in zip(self.roots, drawn, strict=True)
        ]
        return torch.stack(each, -1)

    def voltage(self, spectra: Spectra, n_grey: int) -> Tensor:
        """Return voltages ``(T, B, N)``; the signals start after ``n_grey`` frames of grey."""
        voltage = spectra.filtered(self.weight(self.drawn))
        if self.shape.two_filters:
            voltage = voltage + self.sign * spectra.filtered(self.weight(self.drawn_squared)).square()
        return F.pad(voltage, (0, 0, 0, 0, n_grey, 0)) + self.bias

    def output(self, voltage: Tensor, rate_hz: float) -> Tensor:
        """Return what the average neuron says, ``(T, B, N)``."""
        if self.shape.nonlinear:
            bent = sum(self.bend[:, k] * each for k, each in enumerate(self.turns(voltage)))
            voltage = F.softplus(voltage) + bent
        return self.behind_indicator(voltage, rate_hz)

    def behind_indicator(self, signal: Tensor, rate_hz: float) -> Tensor:
        """Return what the indicator, if there is one, makes of a signal ``(T, B, N)``."""
        return exponential_filter(signal, self.tau_s, 1 / rate_hz)[0] if self.shape.indicator else signal

    def turns(self, voltage: Tensor) -> list[Tensor]:
        """Return functions of voltages ``(T, B, N)`` at which the slope of the nonlinearity may change."""
        rising = [F.softplus(voltage - above) for above in BENDS]
        return rising + [F.softplus(-voltage - below) for below in FALLING_BENDS]

    def neuron(self, batch: Batch) -> Tensor:
        """Return the index of the neuron of each recording among all, ``(R,)``."""
        return self.first[batch.cell_type] + batch.neuron

    def traces(self, batch: Batch, spectra: Spectra) -> Tensor:
        """Return dF/F of a neuron of gain one and offset zero at the samples of each recording, ``(R, S)``."""
        output = self.output(self.voltage(spectra, batch.n_grey), batch.rate_hz)
        return batch.at_samples(output[:, batch.clip, batch.cell_type].T)

    def scaled(self, batch: Batch, traces: Tensor) -> Tensor:
        """Apply gain and offset of each recording's neuron to traces ``(R, S)``."""
        neuron = self.neuron(batch)
        return self.offset[neuron, None] + self.gain[neuron, None] * traces

    def predict(self, dataset: Dataset, batching: BatchingConfig) -> Predictions:
        """Predict every recording of a data set."""
        found = []
        with torch.no_grad():
            for batch in loader(dataset, centred(batching)):
                spectra = Spectra.of(self.signals.of(batch, self.deg_per_px), self.lags, batch.rate_hz)
                found.append(Predictions.of(self.scaled(batch, self.traces(batch, spectra)), batch))
        return Predictions.concatenated(found)
