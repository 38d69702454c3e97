"""Gain and offset of every neuron by regression of its traces on what the network makes of their stimuli.

    dF/F = offset + gain * x,        x = indicator(rectifier(voltage))

For given x the most probable gain and offset follow in closed form. Gains within a cell type differ by factors of ten:
found by gradient steps of one length for all, they come too late, and the weights that all neurons share are fitted to
wrong amplitudes meanwhile. Here they are found anew after every epoch, from the predictions that its steps made anyway
(alternating least squares), and gradient steps leave them alone.

A neuron without any recording to learn from, where neurons or animals are held out, is given the average of its type
each time. With the offset it started with, the held-out loss would rise and fall with the resting voltage of the type.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.data.batch import Batch
from stcnn.data.dataset import Dataset
from stcnn.metrics.regression import CORRELATION_S, Sums, average_where_unknown, regress
from stcnn.nn.model import STCNN
from stcnn.ranks import ranks, summed
from stcnn.training.offsets import LeastOffsets, inverse_softplus

GAIN_SD = 1.0
"""Prior of the gain relative to the usual one of its cell type, that of all its neurons together."""
LEAST_GAIN = 0.02
"""Relative to the usual gain; a neuron that does not follow the model keeps so much, and may come back."""


class NeuronRegression:
    """Sums of the steps of an epoch for every neuron.

    Args:
        model: whose neurons are fitted; their gains and offsets no longer take gradients.
        train: the recordings that batches are made of.
        offsets: how low the likelihood lets offsets be; None leaves them free.
    """

    def __init__(self, model: STCNN, train: Dataset, offsets: LeastOffsets | None = None) -> None:
        self.model = model
        self.offsets = offsets
        self.samples_per_s = torch.tensor(train.table.rate_hz.tolist(), dtype=torch.float64)
        recorded = set(zip(train.table.cell_type, train.table.neuron, strict=True))
        self.recorded = [
            torch.tensor([(name, neuron) in recorded for neuron in of_type], dtype=torch.bool)
            for name, of_type in model.population.neurons.items()
        ]
        """Which neurons have a recording to learn from, ``(N,)`` for each cell type."""
        self.first = [0]
        for neurons in model.calcium.each:
            self.first.append(self.first[-1] + len(neurons.gain))
            neurons.gain.requires_grad_(False)
            neurons.offset.requires_grad_(False)
        self.forget()

    def forget(self) -> None:
        """Begin an epoch."""
        self.sums = torch.zeros(len(Sums._fields) + 1, self.first[-1], dtype=torch.float64)
        """Columns of :class:`~stcnn.metrics.regression.Sums` and seconds, for all neurons ``(7, N)``."""

    @torch.no_grad()
    def observe(self, batch: Batch, prediction: Tensor) -> None:
        """Take in the predictions ``(R, S)`` of one step."""
        gain, offset = self.model.calcium.neuron(batch.cell_type, batch.neuron)
        x = (prediction.double() - offset[:, None]) / gain[:, None]
        sums = Sums.of(x, batch.target, batch.weight)
        seconds = sums.n.cpu() / self.samples_per_s[batch.item.cpu()]
        index = torch.tensor(self.first)[batch.cell_type.cpu()] + batch.neuron.cpu()
        columns = torch.stack([*(each.cpu() for each in sums), seconds])
        if ranks().number == 1:
            self.sums.index_add_(1, index, columns)
        else:
            self.sums += summed(torch.zeros_like(self.sums).index_add_(1, index, columns))

    @torch.no_grad()
    def fit(self) -> None:
        """Give every neuron seen in the epoch its gain and offset; a type that the model does not drive stays.

        The mean gain of a type stays as it was: its readout's weights can say the same, and gains as small as an
        untrained network earns would slow down all that the weights still have to learn.
        """
        means: list[Tensor] = []
        inputs: list[Tensor] = []
        each_type = zip(self.model.calcium.each, self.recorded, pairwise(self.first), strict=True)
        for neurons, recorded, (first, end) in each_type:
            *columns, seconds = self.sums[:, first:end]
            sums = Sums(*columns)
            means.append(sums.y / sums.n)
            inputs.append(sums.x / sums.n)
            variance, covariance, _ = (each.sum() for each in sums.squares)
            usual = (covariance / variance).item() if variance > 0 else 0.0
            if not usual > 0:
                continue
            fit = regress(sums, seconds / CORRELATION_S, usual, GAIN_SD * usual)
            seen = sums.n > 0
            former = F.softplus(neurons.gain.double().cpu())
            gain = fit.gain.clamp(min=LEAST_GAIN * usual)
            gain = gain * (former[seen].mean() / gain[seen].mean())
            offset = (sums.y - gain * sums.x) / sums.n.clamp(min=1)
            for parameter, found in ((neurons.gain, inverse_softplus(gain)), (neurons.offset, offset)):
                parameter.copy_(torch.where(seen.to(parameter.device), found.to(parameter), parameter))
                parameter.copy_(average_where_unknown(parameter, recorded.to(parameter.device)))
        if self.offsets is not None:
            self.offsets.keep_means(means, inputs)
