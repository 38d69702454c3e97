"""The least offset of every neuron under a likelihood that allows no prediction at or below some number.

The rectifier's output is never negative, so that a prediction stays above the offset of its neuron. It is kept at a
thousandth of the mean of the neuron's traces or above (:meth:`stcnn.metrics.likelihoods.Likelihood.least_prediction`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stcnn.data.dataset import Dataset
from stcnn.errors import DataError
from stcnn.metrics.likelihoods import LIKELIHOODS, Likelihood
from stcnn.nn.model import STCNN
from stcnn.training.traces import Samples, all_samples, samples_of_neurons


class LeastOffsets:
    """Keeps the offsets of a model where its likelihood needs them; without such a need does nothing.

    Args:
        model: the model, changed in place.
        train: the recordings it learns from; a neuron without any has the bound of its cell type.
        likelihood: of the training.
    """

    def __init__(self, model: STCNN, train: Dataset, likelihood: Likelihood) -> None:
        self.model = model
        self.least: list[Tensor] | None = None
        """Least offset of each neuron, ``(N,)`` for each cell type."""
        if not math.isfinite(likelihood.lowest):
            return
        samples = samples_of_neurons(train)
        self.least = []
        for name in model.cell_types:
            of_type = samples.get(name, {})
            usual = all_samples(of_type.values())
            mine = [of_type.get(neuron, Samples()) for neuron in model.population.neurons[name]]
            means = [each.mean if each.n and each.mean > 0 else usual.mean for each in mine]
            least = [likelihood.least_prediction(mean) if mean > 0 else TINY for mean in means]
            self.least.append(torch.tensor(least, dtype=torch.float64))

    @torch.no_grad()
    def keep(self) -> None:
        """Raise offsets that are too low to their least value."""
        if self.least is None:
            return
        for neurons, least in zip(self.model.calcium.each, self.least, strict=True):
            neurons.offset.copy_(torch.maximum(neurons.offset, least.to(neurons.offset)))

    @torch.no_grad()
    def keep_means(self, means: list[Tensor], inputs: list[Tensor]) -> None:
        """The same, and give what an offset was raised by back through the gain, so that the mean stays.

        Args:
            means: mean trace of each neuron, NaN where it is not known, ``(N,)`` for each cell type.
            inputs: mean of what the gain scales, likewise.
        """
        if self.least is None:
            return
        for neurons, least, mean, x in zip(self.model.calcium.each, self.least, means, inputs, strict=True):
            offset = neurons.offset.double().cpu()
            gain = (mean - least) / x
            low = (offset < least) & (gain > 0) & gain.isfinite()
            raw = torch.where(low, inverse_softplus(gain.clamp(min=TINY)), neurons.gain.double().cpu())
            neurons.gain.copy_(raw)
        self.keep()


TINY = 1e-6
"""Least offset, in the unit of the recording, of neurons that never answered."""


def inverse_softplus(gain: Tensor) -> Tensor:
    """Return the raw value whose softplus is a positive gain."""
    return gain + torch.log(-torch.expm1(-gain))


def require_possible(dataset: Dataset, loss: str) -> None:
    """Refuse traces that cannot have been measured under a likelihood.

    Raises:
        DataError: a sample is out of its range.
    """
    likelihood = LIKELIHOODS[loss]
    if not math.isfinite(likelihood.lowest):
        return
    for recording in dataset.recordings:
        impossible = ~likelihood.allows(recording.trace)
        if impossible.any():
            place = int(impossible.argmax())
            raise DataError(
                f"the trace of neuron '{recording.neuron}' ({recording.cell_type}, stimulus '{recording.stimulus}') is "
                f"{recording.trace[place]:.4g} at {recording.time_s[place]:.4g} s, which training.loss={loss} cannot "
                "have",
                expected=f"samples {'from' if likelihood.includes_lowest else 'above'} {likelihood.lowest:g}"
                f"{' on' if likelihood.includes_lowest else ''}",
                remedy="choose training.loss=squared, or import counts or rates",
            )
