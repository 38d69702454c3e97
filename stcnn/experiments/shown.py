"""What a trained core makes of the stimuli that new neurons saw: the drive of their cell type at candidate columns.

Axes: T frame, S sample, Q candidate (a position and a scale).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stcnn.cell_type_names import cell_type_name
from stcnn.data.batch import Batch
from stcnn.data.batching import BatchingConfig, loader, recorded_places
from stcnn.data.clocks import sample_prediction
from stcnn.data.dataset import Dataset
from stcnn.errors import DataError, nearest
from stcnn.nn.model import STCNN
from stcnn.nn.readout_map import drives, spacing_deg

REACH_DEG = 12.0
"""How far from the expected position a neuron is looked for."""


@dataclass(frozen=True)
class Shown:
    """One recording of a new neuron beside what the core makes of its stimulus.

    Args:
        drive: of its cell type at the candidate columns, ``(T, h, w)``.
        rows: of the lattice that candidates stand in, from the place the readouts are trained for, ``(h,)``, rising.
        columns: the same to the right, ``(w,)``.
        batch: the one recording, with its target, weights and clock; without pictures.
        cell_type: index of the cell type in the model.
        duration_s: how long was recorded and is scored.
    """

    drive: Tensor
    rows: Tensor
    columns: Tensor
    batch: Batch
    cell_type: int
    duration_s: float

    @property
    def key(self) -> tuple[int, int]:
        """Cell type and neuron, as indices in the data set."""
        return int(self.batch.cell_type), int(self.batch.neuron)

    @property
    def item(self) -> int:
        """Index of the recording in the data set."""
        return int(self.batch.item)

    def at_samples(self, trace: Tensor) -> Tensor:
        """Bring ``(T, Q)`` to the samples of the recording, ``(S, Q)``."""
        if self.batch.exposure is None:
            return trace
        start, stop = (ends.expand(trace.shape[1], -1) for ends in self.batch.exposure[:, 0])
        return sample_prediction(trace.T, start, stop).T


def show(
    model: STCNN, dataset: Dataset, batching: BatchingConfig, cell_type: str | None = None, reach_deg: float = REACH_DEG
) -> list[Shown]:
    """Compute the drives of all recordings of a data set.

    A core that was trained by movies is shown each movie once, on a lattice that reaches all candidates of all neurons;
    any other each presentation, shifted so that the neuron sits in the middle.

    Args:
        model: the trained core, in evaluation mode.
        dataset: recordings of new neurons.
        batching: padding and scored window, as in the training of the core.
        cell_type: cell type of the model that all of them are taken for; None goes by their names.
        reach_deg: how far from its expected place a neuron is looked for.

    Raises:
        DataError: the model knows no such cell type, or was trained at another resolution.
    """
    if dataset.deg_per_px != model.deg_per_px:
        raise DataError(f"the movies have {dataset.deg_per_px:g} deg per pixel", expected=f"{model.deg_per_px:g}")
    types = [cell_type_name(cell_type or name) for name in dataset.cell_types]
    for name in types:
        if name not in model.cell_types:
            remedy = f"say which it is to be taken for with --cell-type; {nearest(name, model.cell_types)}"
            raise DataError(f"the model has no cell type '{name}'", remedy=remedy)
    index = [model.cell_types.index(name) for name in types]
    by_movie = batching.kind == "movies"
    reach = _reach_columns(model, reach_deg)
    if by_movie:
        recorded_deg = torch.from_numpy(recorded_places(dataset))
        model = model.reaching(torch.cat([recorded_deg - reach_deg, recorded_deg + reach_deg]))
    looked_at = max(model.config.eye.lattice) if by_movie else max(reach)
    rows, columns = (
        torch.arange(max(-c, -looked_at), min(n - c, looked_at + 1))
        for c, n in zip(model.readouts.centre, model.config.eye.lattice, strict=True)
    )
    whole = {"kind": "movies" if by_movie else "presentations", "piece_s": None}
    shown = []
    for batch in loader(dataset, batching.model_copy(update=whole)):
        found = drives(model, batch, batch.rate_hz, looked_at)
        for row in range(len(batch.item)):
            place = index[int(batch.cell_type[row])]
            sits = torch.zeros(2) if batch.place_deg is None else model.config.eye.in_columns(batch.place_deg[row])
            near = [_near(axis - at, far) for axis, at, far in zip((rows, columns), sits, reach, strict=True)]
            drive = found[:, batch.clip[row], near[0][0], near[1][0], place].clone()
            duration_s = float(batch.weight[row].sum()) / float(dataset.table.rate_hz.iloc[int(batch.item[row])])
            shown.append(Shown(drive, near[0][1], near[1][1], _single(batch, row), place, duration_s))
    return shown


def _reach_columns(model: STCNN, reach_deg: float) -> tuple[int, int]:
    """Return how many rows and columns of the lattice hold all places within reach, in azimuth and in elevation."""
    spacing_deg(model)  # where places are not alike, it says so
    corners_deg = reach_deg * torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    rows, columns = (model.config.eye.in_columns(corners_deg).abs().amax(0) + 1e-9).floor().int().tolist()
    return rows, columns


def _near(away: Tensor, reach: int) -> tuple[slice, Tensor]:
    """Return which of some rows or columns are within reach, and how far each of them is away."""
    near = torch.nonzero(away.abs() <= reach + 1e-3).flatten()
    chosen = slice(int(near[0]), int(near[-1]) + 1)
    return chosen, away[chosen]


def _single(batch: Batch, row: int) -> Batch:
    """One recording of a batch, without pictures."""
    only = slice(row, row + 1)
    return Batch(
        *(batch.codes[:0].clone(), None, batch.multiplicity[:0], 0, torch.zeros(1, dtype=torch.long)),
        *(batch.cell_type[only], batch.neuron[only], batch.target[only], batch.weight[only], batch.rate_hz),
        *(batch.item[only], None if batch.exposure is None else batch.exposure[:, only]),
    )
