"""From a model and recordings to predictions and their scores.

Axes: R recording, S sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from stcnn.data.batch import Batch
from stcnn.data.batching import BatchingConfig, loader, recorded_places
from stcnn.data.dataset import Dataset
from stcnn.metrics import correlation
from stcnn.metrics.likelihoods import LIKELIHOODS, Likelihood
from stcnn.metrics.traces import correlation_or_zero
from stcnn.nn.model import STCNN
from stcnn.nn.pieces import Carried
from stcnn.nn.sites import Neurons
from stcnn.ranks import rows_of_all

LONGEST_EXPOSURE_S = 5.0
"""How far the exposure of a sample may reach back into the piece of a movie before."""


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


class Passes:
    """Predicts batch after batch; pieces of long movies from where the one before ended.

    Args:
        model: the network.
    """

    def __init__(self, model: STCNN) -> None:
        self.model = model
        self.before: Carried | None = None
        """State after the piece before."""
        self.earlier: Tensor | None = None
        """What was predicted at its last frames, ``(R, any)``."""

    def predict(self, batch: Batch) -> Tensor:
        """Return the predicted dF/F of every recording of the next batch at its own samples, ``(R, S)``.

        Raises:
            ShapeError: as :func:`predict_batch`.
        """
        if batch.piece is None or batch.place_deg is None:
            return predict_batch(self.model, batch)
        if batch.piece == 0:
            self.before = self.earlier = None
        neurons = Neurons(batch.clip, batch.cell_type, batch.neuron, batch.place_deg)
        dff, self.before = self.model.piece_at(batch, neurons, batch.rate_hz, self.before, batch.n_grey)
        prediction = batch.at_samples(dff, self.earlier)
        known = dff.detach() if self.earlier is None else torch.cat([self.earlier, dff.detach()], 1)
        self.earlier = known[:, -math.ceil(LONGEST_EXPOSURE_S * batch.rate_hz) - 2 :].clone()
        return prediction

    def state(self) -> dict[str, Any]:
        """Return what the next piece goes on from, for a checkpoint."""
        if self.before is None or self.earlier is None:
            return {}
        return {"before": self.before.to_dict(), "earlier": self.earlier}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` returned."""
        self.before = Carried.from_dict(state["before"]) if state else None
        self.earlier = state["earlier"] if state else None


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

    @classmethod
    def of_batches(cls, answered: Iterable[tuple[Tensor, Batch]]) -> Predictions:
        """Put predictions ``(R, S)`` of batches together, pieces of long movies into whole rows."""
        parts = [(batch.first_sample, batch.piece, cls.of(prediction, batch)) for prediction, batch in answered]
        if all(piece is None for _, piece, _ in parts):
            return cls.concatenated([part for *_, part in parts])
        wholes: list[list[tuple[int, Predictions]]] = []
        for first, piece, part in parts:
            if not piece:
                wholes.append([])
            wholes[-1].append((first, part))
        return cls.concatenated([_whole(pieces) for pieces in wholes])

    def of_all_processes(self) -> Predictions:
        """Return the predictions of all processes that train together, in the order of the data set."""
        together = {field.name: rows_of_all(getattr(self, field.name)) for field in fields(self)}
        order = together["item"].argsort()
        return Predictions(**{name: rows[order] for name, rows in together.items()})

    def scores(self, cell_types: Sequence[str], likelihood: Likelihood = LIKELIHOODS["squared"]) -> pd.DataFrame:
        """Score each cell type.

        Args:
            cell_types: their names in index order.
            likelihood: whose deviance is the loss.

        Returns:
            One row per cell type that has recordings: ``cell_type``, ``n_neurons``, ``n_recordings``, ``loss`` (mean
            deviance, of a squared loss the mean squared error; mean over recordings), ``correlation`` (all traces of
            the type joined) and ``neuron_correlation`` (those of each neuron joined, zero where the prediction is
            constant, mean over neurons whose traces are not). The latter is mostly one of noise where a neuron's few
            held-out stimuli are ones it does not answer to.
        """
        error = likelihood.loss(self.prediction, self.target, self.weight)
        rows = []
        for index, name in enumerate(cell_types):
            mine = self.cell_type == index
            if not mine.any():
                continue
            neurons, group = self.neuron[mine].unique(return_inverse=True)
            scored = (self.prediction[mine], self.target[mine], self.weight[mine])
            joined = correlation(*scored, torch.zeros_like(group))
            single = correlation_or_zero(*scored, group)
            counts = (name, len(neurons), int(mine.sum()))
            rows.append((*counts, error[mine].mean().item(), joined.item(), single.nanmean().item()))
        names = ("cell_type", "n_neurons", "n_recordings", "loss", "correlation", "neuron_correlation")
        return pd.DataFrame(rows, columns=list(names))


def _whole(pieces: Sequence[tuple[int, Predictions]]) -> Predictions:
    """Return the predictions of whole movies from those of their pieces, each with the number of its first sample."""
    length = max(first + part.target.shape[1] for first, part in pieces)
    prediction, target, weight = torch.zeros(3, len(pieces[0][1].item), length)
    for first, part in pieces:
        columns = slice(first, first + part.target.shape[1])
        scored = part.weight > 0
        prediction[:, columns] = torch.where(scored, part.prediction, prediction[:, columns])
        target[:, columns] = torch.where(scored, part.target, target[:, columns])
        weight[:, columns] += part.weight
    return replace(pieces[0][1], prediction=prediction, target=target, weight=weight)


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
            passes = Passes(wide)
            return Predictions.of_batches((passes.predict(batch), batch.without_pictures()) for batch in batches)
    finally:
        model.train(training)
