"""New neurons on a trained core: what the core makes of the picture is kept, and five numbers are fitted per neuron.

    dF/F = offset + gain * indicator(rectifier(rest + scale * drive(position)))

The drive of a cell type is computed once for every candidate column (:func:`stcnn.nn.readout_map.drives`) and joined by
straight lines between columns. Scale and position are searched on a grid, first coarse and then fine around the best;
gain and offset follow in closed form. Weak priors keep a neuron of few recordings near the average one.

Axes: T frame, S sample, Q candidate (a position and a scale).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from stcnn.data.dataset import Dataset
from stcnn.evaluate import Predictions
from stcnn.experiments.shown import Shown
from stcnn.metrics import correlation
from stcnn.metrics.regression import CORRELATION_S, Sums, regress
from stcnn.nn.model import STCNN
from stcnn.nn.readout_map import spacing_deg

COARSE_SCALES = tuple(2.0**octave for octave in range(-3, 4))
FINE_SCALES = tuple(2.0 ** (octave / 8) for octave in range(-4, 5))
POSITION_SD_DEG = 4.0
"""Prior of each coordinate of the position: half the diameter of a typical receptive field's centre."""
SCALE_SD_OCTAVES = 0.5
"""Prior of the readout's scale around that of the core."""
GAIN_SD = 0.5
"""Prior of the gain relative to the average neuron; wider than the 0.27 of 91 neurons (Klapoetke et al. 2022)."""
MOST_STEPS = 8
"""Fine searches, each around the best of the one before, until it stays."""


class NeuronFit(NamedTuple):
    """Fit of one neuron.

    Args:
        elevation_deg: of its position, from where the recordings put it, positive up.
        azimuth_deg: of its position, positive right.
        scale: of the drive, 1 for a neuron as those of the core.
        gain: of the calcium.
        offset_dff: of the calcium.
    """

    elevation_deg: float
    azimuth_deg: float
    scale: float
    gain: float
    offset_dff: float

    @torch.no_grad()
    def trace(self, model: STCNN, shown: Shown) -> Tensor:
        """Predict dF/F at the samples of a recording, ``(S,)``."""
        place = torch.tensor([[self.elevation_deg, self.azimuth_deg]])
        return self.offset_dff + self.gain * _indicated(model, shown, place, torch.tensor([self.scale]))[:, 0]


@torch.no_grad()
def average_neuron(model: STCNN, cell_type: int) -> NeuronFit:
    """The average neuron of a cell type (its index in the model): what to expect of a neuron without recordings."""
    gain, offset_dff = (values[cell_type].item() for values in model.calcium.average())
    return NeuronFit(0.0, 0.0, 1.0, gain, offset_dff)


@torch.no_grad()
def fit_neuron(model: STCNN, shown: Sequence[Shown]) -> NeuronFit:
    """Fit one neuron to its recordings.

    Args:
        model: the trained core.
        shown: recordings of this neuron alone.
    """
    apart_deg = spacing_deg(model)

    def around(fit: NeuronFit, reach_deg: float, step_deg: float) -> Tensor:
        steps_deg = torch.arange(-reach_deg, reach_deg + step_deg / 2, step_deg)
        places_deg = torch.cartesian_prod(fit.elevation_deg + steps_deg, fit.azimuth_deg + steps_deg)
        return _among_candidates(model, shown[0], places_deg)

    reach_deg = apart_deg * (max(len(shown[0].rows), len(shown[0].columns)) - 1)
    everywhere = around(average_neuron(model, shown[0].cell_type), reach_deg, apart_deg / 2)
    fit = _best(model, shown, everywhere, torch.tensor(COARSE_SCALES))
    for _ in range(MOST_STEPS):
        near = around(fit, apart_deg / 2, apart_deg / 8)
        former = fit
        fit = _best(model, shown, near, fit.scale * torch.tensor(FINE_SCALES))
        if fit == former:
            break
    return fit


def _among_candidates(model: STCNN, shown: Shown, places_deg: Tensor) -> Tensor:
    """Return places, elevation and azimuth ``(P, 2)``, the nearest between candidates for those beyond; each once."""
    eye = model.config.eye
    columns = eye.in_columns(places_deg.flip(1))
    first = torch.stack([shown.rows[0], shown.columns[0]])
    last = torch.stack([shown.rows[-1], shown.columns[-1]])
    nearest = columns.clamp(first, last)
    beyond = (nearest != columns).any(1)
    places_deg[beyond] = eye.in_degrees(nearest[beyond]).flip(1)
    return places_deg.unique(dim=0)


def _best(model: STCNN, shown: Sequence[Shown], places: Tensor, scales: Tensor) -> NeuronFit:
    """The most probable candidate, with its gain (not negative) and offset.

    The likelihood is that of Gaussian errors of unknown variance, profiled over it, with as many independent samples as
    the recordings hold correlation times; the priors are those of :data:`POSITION_SD_DEG` and beside it.
    """
    parts = [
        Sums.of(_indicated(model, each, places, scales).T, each.batch.target[0], each.batch.weight[0]) for each in shown
    ]
    n_independent = sum(each.duration_s for each in shown) / CORRELATION_S
    usual = average_neuron(model, shown[0].cell_type).gain
    fit = regress(reduce(Sums.and_of, parts), n_independent, usual, GAIN_SD * usual)
    cost = n_independent * fit.squared_error.log() + ((fit.gain - usual) / (GAIN_SD * usual)).square()
    away = (places / POSITION_SD_DEG).square().sum(1, keepdim=True) + (scales.log2() / SCALE_SD_OCTAVES).square()
    chosen = int((cost + away.flatten()).argmin())
    elevation_deg, azimuth_deg = places[chosen // len(scales)].tolist()
    gain = fit.gain[chosen].item()
    offset_dff = fit.offset[chosen].item()
    return NeuronFit(elevation_deg, azimuth_deg, scales[chosen % len(scales)].item(), gain, offset_dff)


def _indicated(model: STCNN, shown: Shown, places: Tensor, scales: Tensor) -> Tensor:
    """Calcium of gain one at the samples, ``(S, Q)``; Q counts scales fastest."""
    drive = _between_columns(shown, model.config.eye.in_columns(places.flip(1)))
    rest = model.readouts.each[shown.cell_type].bias
    voltage = (rest + drive.unsqueeze(-1) * scales).flatten(1).unsqueeze(-1)
    constants = model.calcium.constants().of(slice(shown.cell_type, shown.cell_type + 1))
    return shown.at_samples(model.calcium.filtered(voltage, constants, shown.batch.rate_hz)[0].squeeze(-1))


def _between_columns(shown: Shown, places: Tensor) -> Tensor:
    """Drives at places ``(P, 2)``, rows down and columns right, bilinear between columns, ``(T, P)``."""
    rows, columns = (
        torch.relu(1 - (place[:, None] - grid).abs())
        for place, grid in zip(places.T, (shown.rows, shown.columns), strict=True)
    )
    return torch.einsum("tyx,py,px->tp", shown.drive, rows, columns)


def fit_neurons(model: STCNN, shown: Sequence[Shown]) -> dict[tuple[int, int], NeuronFit]:
    """Fit every neuron on its own; keys are its cell type and neuron, as indices in the data set."""
    return {key: fit_neuron(model, mine) for key, mine in by_neuron(shown).items()}


def by_neuron(shown: Sequence[Shown]) -> dict[tuple[int, int], list[Shown]]:
    """Recordings of each neuron."""
    found: dict[tuple[int, int], list[Shown]] = defaultdict(list)
    for each in shown:
        found[each.key].append(each)
    return found


def predict_new(model: STCNN, shown: Sequence[Shown], fits: Mapping[tuple[int, int], NeuronFit]) -> Predictions:
    """Predict recordings of fitted neurons."""
    parts = [Predictions.of(fits[each.key].trace(model, each)[None], each.batch) for each in shown]
    return Predictions.concatenated(parts)


def fit_table(dataset: Dataset, fits: Mapping[tuple[int, int], NeuronFit], shown: Sequence[Shown]) -> pd.DataFrame:
    """Describe fits, one row per neuron: ``cell_type``, ``neuron``, ``minutes`` recorded, and the fitted numbers."""
    rows = []
    for key, mine in by_neuron(shown).items():
        name = dataset.cell_types[key[0]]
        minutes = sum(each.duration_s for each in mine) / 60
        about = {"cell_type": name, "neuron": dataset.neurons[name][key[1]], "minutes": minutes}
        rows.append(about | fits[key]._asdict())
    return pd.DataFrame(rows)


def fitted_and_scored(model: STCNN, dataset: Dataset, shown: Sequence[Shown], train: Collection[int]) -> pd.DataFrame:
    """Fit every neuron to the recordings one may train on and score it on the others.

    Args:
        model: whose core they are read from.
        dataset: their recordings.
        shown: what the core answers to each of them (:func:`stcnn.experiments.shown.show`).
        train: indices of the recordings that are fitted.

    Returns:
        A row per neuron: the columns of :func:`fit_table`, and where something was held out those of
        :func:`held_out_correlation`.
    """
    seen = [each for each in shown if each.item in train]
    held_out = [each for each in shown if each.item not in train]
    fits = fit_neurons(model, seen)
    table = fit_table(dataset, fits, seen)
    return table.merge(held_out_correlation(model, dataset, held_out, fits), how="left") if held_out else table


def held_out_correlation(
    model: STCNN, dataset: Dataset, held_out: Sequence[Shown], fits: Mapping[tuple[int, int], NeuronFit]
) -> pd.DataFrame:
    """Correlate the predictions of each fitted neuron with what was held out, its traces joined.

    Returns:
        ``cell_type``, ``neuron``, ``n_held_out`` recordings, ``correlation``.
    """
    rows = []
    for key, mine in by_neuron([each for each in held_out if each.key in fits]).items():
        found = predict_new(model, mine, fits)
        name = dataset.cell_types[key[0]]
        joined = torch.zeros(len(mine), dtype=torch.long)
        score = correlation(found.prediction, found.target, found.weight, joined).item()
        rows.append((name, dataset.neurons[name][key[1]], len(mine), score))
    return pd.DataFrame(rows, columns=["cell_type", "neuron", "n_held_out", "correlation"])
