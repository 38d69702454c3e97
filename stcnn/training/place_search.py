"""Where neurons sit of which nothing is known: every column of the lattice is tried, before gradients refine a place.

A gradient finds a place from a few degrees away; from farther off nothing that a neuron answers to lies in its window.
So each neuron is compared with what it could answer to at every column: at first with light and dark in that column
themselves, as its indicator would show them (a map of its receptive field without any model), later with what its cell
type says there, as in ``fit-neuron``. The most probable column has the lowest

    n log(1 - r^2) + |d|^2 / sd^2

with the correlation ``r`` of all its recordings joined, ``n`` of their correlation times, and the prior of the distance
``d`` from the recorded place. Only columns with ``r > 0`` count.

Axes: T frame, B clip, R recording, Q column, K kind of answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from stcnn.data.batch import Batch
from stcnn.data.clocks import sample_prediction
from stcnn.data.dataset import Dataset
from stcnn.metrics.regression import CORRELATION_S
from stcnn.nn.filters.kind import Constants
from stcnn.nn.hidden import convolve_columns
from stcnn.nn.model import STCNN

MOST_BATCHES = 40
"""Batches that are looked at: more would hardly move a correlation."""
SEARCHED_EPOCHS = 4
"""Epochs after which neurons are compared with what their cell type says at other columns."""
AWAY_COLUMNS = 1.5
"""A learned place moves to a better column only if that lies farther away; nearer ones gradients reach."""

Answers = Callable[[STCNN, Batch], Tensor]
"""Traces of gain one ``(T, B, Q, K)`` of a kind of answer at every column; K is one for each cell type, or two."""


@torch.no_grad()
def light_and_dark(model: STCNN, batch: Batch) -> Tensor:
    """Return what an indicator shows of light and of dark in every column, ``(T, B, Q, 2)``."""
    seen = model.eye.sample_columns(batch, batch.rate_hz, model.deg_per_px).flatten(2)
    both = torch.stack([seen.clamp(min=0), -seen.clamp(max=0)], -1)
    typical = Constants({name: values.mean().expand(2) for name, values in model.calcium.constants().items()})
    return model.calcium.filtered(both, typical, batch.rate_hz)[0]


@torch.no_grad()
def of_cell_types(model: STCNN, batch: Batch) -> Tensor:
    """Return the trace of each cell type at every column, ``(T, B, Q, N)``."""
    maps = model.readouts.activation(model.last_maps(batch, batch.rate_hz, batch.multiplicity))
    found = []
    constants = model.calcium.constants()
    for i, readout in enumerate(model.readouts.each):
        weights = torch.stack(readout.weights)
        gain = readout.filter.gain(batch.rate_hz)
        drive = convolve_columns(maps, weights if gain is None else weights * gain)
        voltage = readout.filter(drive, batch.rate_hz)[0] + readout.bias
        found.append(model.calcium.filtered(voltage, constants.of(slice(i, i + 1)), batch.rate_hz)[0])
    return torch.cat(found, -1).flatten(2, 3)


class PlaceSearch:
    """Correlations of every neuron with every column.

    Args:
        model: whose places are learned.
        train: the recordings to learn from.
    """

    def __init__(self, model: STCNN, train: Dataset) -> None:
        self.model = model
        self.samples_per_s = torch.tensor(train.table.rate_hz.tolist(), dtype=torch.float64)
        self.counts = [len(readout.displacement_deg) for readout in model.readouts.each]
        self.first = torch.tensor([0, *self.counts[:-1]]).cumsum(0)
        self.columns_deg = columns_deg(model)
        """Azimuth and elevation of every column from the origin of places, ``(Q, 2)``."""

    @torch.no_grad()
    def move(self, batches: Iterable[Batch], answers: Answers, farther_than_columns: float = 0.0) -> int:
        """Move neurons to their most probable columns, in place; return how many moved.

        Args:
            batches: recordings to compare with, of which the first :data:`MOST_BATCHES` are taken.
            answers: what they could answer at every column.
            farther_than_columns: neurons stay where a better column lies nearer.
        """
        sums, recorded_deg, seconds = self._sums(batches, answers)
        n, x, y, xx, xy, yy = sums
        covariance = n * xy - x * y
        spread = ((n * xx - x * x) * (n * yy - y * y)).clamp(min=1e-30).sqrt()
        r = torch.where(n > 1, covariance / spread, 0.0).clamp(0.0, 0.999)
        r = r.amax(-1) if answers is light_and_dark else r[..., 0]
        away_deg = self.columns_deg - recorded_deg[:, None]
        sd_deg = self.model.config.readout.place_sd_deg
        independent = (seconds / CORRELATION_S)[:, None]
        cost = independent * torch.log1p(-r.square()) + (away_deg / sd_deg).square().sum(-1)
        cost = torch.where(self._within(away_deg), cost, torch.inf)
        chosen = cost.argmin(1)
        best_deg = away_deg[torch.arange(len(chosen)), chosen]
        known = (r.amax(1) > 0) & cost.amin(1).isfinite()
        return self._take(best_deg, known, farther_than_columns)

    def _take(self, best_deg: Tensor, known: Tensor, farther_than_columns: float) -> int:
        moved = 0
        parts = zip(self.model.readouts.each, best_deg.split(self.counts), known.split(self.counts), strict=True)
        for readout, best, sure in parts:
            distance = self.model.config.eye.in_columns(best - readout.displacement_deg.cpu()).abs().amax(1)
            wanted = sure & (distance > farther_than_columns)
            readout.displacement_deg[wanted] = best[wanted].to(readout.displacement_deg)
            moved += int(wanted.sum())
        return moved

    def _within(self, away_deg: Tensor) -> Tensor:
        """Return which displacements ``(neurons, Q, 2)`` are no farther than three standard deviations."""
        return (away_deg.abs() <= 3 * self.model.config.readout.place_sd_deg).all(-1) & self._readable()

    def _readable(self) -> Tensor:
        """Return which columns ``(Q,)`` have the whole window of every cell type around them."""
        rows, columns = self.model.readouts.lattice
        row, column = (
            place.flatten() for place in torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        )
        top, bottom, left, right = self.model.readouts.around
        return (row + top >= 0) & (row + bottom < rows) & (column + left >= 0) & (column + right < columns)

    def _sums(self, batches: Iterable[Batch], answers: Answers) -> tuple[Tensor, Tensor, Tensor]:
        """Return moments ``(6, neurons, Q, K)``, recorded places ``(neurons, 2)`` and seconds ``(neurons,)``."""
        n_neurons = sum(self.counts)
        n_columns = len(self.columns_deg)
        kinds = 2 if answers is light_and_dark else 1
        sums = torch.zeros(6, n_neurons, n_columns, kinds, dtype=torch.float64)
        recorded_deg = torch.zeros(n_neurons, 2)
        seconds = torch.zeros(n_neurons, dtype=torch.float64)
        for batch, _ in zip(batches, range(MOST_BATCHES), strict=False):
            shown = answers(self.model, batch.to(self.model.calcium.tau_s.device)).cpu()
            batch = batch.to("cpu")
            recorded = torch.as_tensor(batch.place_deg)
            for row in range(len(batch.item)):
                neuron = int(self.first[batch.cell_type[row]] + batch.neuron[row])
                trace = shown[:, batch.clip[row]]
                if answers is not light_and_dark:
                    trace = trace[..., batch.cell_type[row], None]
                sums[:, neuron] += moments(trace, batch, row)
                recorded_deg[neuron] = recorded[row]
                seconds[neuron] += batch.weight[row].sum() / self.samples_per_s[batch.item[row]]
        return sums, recorded_deg, seconds


def moments(trace: Tensor, batch: Batch, row: int) -> Tensor:
    """Return sums of 1, x, y, x^2, x y and y^2 over the scored samples of a recording, ``(6, Q, K)``.

    Args:
        trace: ``(T, Q, K)`` at the movie's frames.
        batch: with the recording.
        row: of the recording in the batch.
    """
    x = trace.flatten(1)
    if batch.exposure is not None:
        start, stop = (ends.expand(x.shape[1], -1) for ends in batch.exposure[:, row])
        x = sample_prediction(x.T, start, stop).T
    weight = batch.weight[row]
    y = batch.target[row] * weight
    x2 = x * x
    ones = torch.ones_like(x[0])
    found = (weight.sum() * ones, weight @ x, y.sum() * ones, weight @ x2, y @ x, (y * batch.target[row]).sum() * ones)
    return torch.stack(found).double().unflatten(1, trace.shape[1:])


def columns_deg(model: STCNN) -> Tensor:
    """Return azimuth and elevation ``(Q, 2)`` of every column from where places are counted."""
    rows, columns = model.readouts.lattice
    row, column = model.readouts.origin
    each = torch.cartesian_prod(torch.arange(rows) - row, torch.arange(columns) - column)
    return model.config.eye.in_degrees(each.float())
