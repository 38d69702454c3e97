"""From a model and recordings to predictions and their scores.

Axes: R recording, S sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from stcnn.data.batch import Batch
from stcnn.data.batching import BatchingConfig, loader, recorded_places
from stcnn.data.dataset import Dataset
from stcnn.metrics import correlation
from stcnn.metrics.likelihoods import LIKELIHOODS, Likelihood
from stcnn.nn.model import STCNN
from stcnn.nn.sites import Neurons


def predict_batch(model: STCNN, batch: Batch) -> Tensor:
    """Return the predicted dF/F of every recording at its own samples, ``(R, S)``; each clip passes through once.

    Raises:
        ShapeError: a neuron reads beyond the lattice, see :meth:`stcnn.nn.model.STCNN.reaching`.
    """
    if batch.place_deg is not None:
        neurons = Neurons(batch.clip, batch.cell_type, batch.neuron, batch.place_deg)
        return batch.at_samples(model.dff_at(batch, neurons, batch.rate_hz, batch.multiplicity, batch.n_grey))
    voltage = model.voltage_of(batch, batch.rate_hz, batch.multiplicity, batch.n_grey)
    return batch.at_samples(model.calcium_of(voltage, batch.clip, batch.cell_type, batch.neuron, batch.rate_hz))


@dataclass(frozen=True)
class Predictions:
    """Predicted and measured traces, on the CPU; traces shorter than the longest are padded and not scored there.

    Args:
        prediction: ``(R, S)``, dF/F.
        target: ``(R, S)``, dF/F.
        weight: ``(R, S)``, 1 where a sample is scored, else 0.
        cell_type: ``(R,)``, index of the cell type.
        neuron: ``(R,)``, index of the neuron within its cell type.
        item: ``(R,)``, index of the recording in its data set.
    """

    prediction: Tensor
    target: Tensor
    weight: Tensor
    cell_type: Tensor
    neuron: Tensor
    item: Tensor

    @classmethod
    def of(cls, prediction: Tensor, batch: Batch) -> Predictions:
        """Keep what scoring needs of one batch and its prediction ``(R, S)``."""
        rows = (prediction.detach(), batch.target, batch.weight, batch.cell_type, batch.neuron, batch.item)
        return cls(*(row.cpu() for row in rows))

    @classmethod
    def concatenated(cls, parts: Sequence[Predictions]) -> Predictions:
        """Put the recordings of several batches into one, padded to the longest."""
        length = max(part.target.shape[1] for part in parts)

        def join(name: str) -> Tensor:
            rows = [getattr(part, name) for part in parts]
            return torch.cat([F.pad(row, (0, length - row.shape[1])) if row.ndim == 2 else row for row in rows])

        return cls(*(join(field.name) for field in fields(cls)))

    def scores(self, cell_types: Sequence[str], likelihood: Likelihood = LIKELIHOODS["squared"]) -> pd.DataFrame:
        """Score each cell type.

        Args:
            cell_types: their names in index order.
            likelihood: whose deviance is the loss.

        Returns:
            One row per cell type that has recordings: ``cell_type``, ``n_neurons``, ``n_recordings``, ``loss`` (mean
            deviance, of a squared loss the mean squared error; mean over recordings), ``correlation`` (all traces of
            the type joined) and
            ``neuron_correlation`` (those of each neuron joined, mean over neurons for which it is defined). The latter
            is mostly one of noise where a neuron's few held-out stimuli are ones it does not answer to.
        """
        error = likelihood.loss(self.prediction, self.target, self.weight)
        rows = []
        for index, name in enumerate(cell_types):
            mine = self.cell_type == index
            if not mine.any():
                continue
            neurons, group = self.neuron[mine].unique(return_inverse=True)
            joined, single = (
                correlation(self.prediction[mine], self.target[mine], self.weight[mine], g)
                for g in (torch.zeros_like(group), group)
            )
            counts = (name, len(neurons), int(mine.sum()))
            rows.append((*counts, error[mine].mean().item(), joined.item(), single.nanmean().item()))
        names = ("cell_type", "n_neurons", "n_recordings", "loss", "correlation", "neuron_correlation")
        return pd.DataFrame(rows, columns=list(names))


@torch.no_grad()
def reaching_all(model: STCNN, dataset: Dataset) -> STCNN:
    """Return the model with a lattice on which all neurons of a data set read where they sit."""
    table = dataset.table
    index = {(name, neuron): i for name, neurons in dataset.neurons.items() for i, neuron in enumerate(neurons)}
    cell_type = torch.tensor([dataset.cell_types.index(name) for name in table.cell_type])
    neuron = torch.tensor([index[pair] for pair in zip(table.cell_type, table.neuron, strict=True)])
    device = model.calcium.tau_s.device
    neurons = Neurons(torch.zeros_like(neuron), cell_type, neuron, torch.from_numpy(recorded_places(dataset)))
    return model.reaching(model.place_deg(Neurons(*(each.to(device) for each in neurons))))


def predict(model: STCNN, dataset: Dataset, batching: BatchingConfig) -> Predictions:
    """Predict every recording of a data set.

    Args:
        model: the model, on the device where it is to run.
        dataset: recordings whose neurons the model knows.
        batching: padding and scored window, as in training.
    """
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            wide = reaching_all(model, dataset) if batching.kind == "movies" else model
            batches = (batch.to(device) for batch in loader(dataset, batching))
            return Predictions.concatenated([Predictions.of(predict_batch(wide, batch), batch) for batch in batches])
    finally:
        model.train(training)
