"""The weights of a readout: what a neuron takes of the last maps around it, with a filter and an indicator as trained.

A readout is linear but for its rectifier: features are the maps in its window, rectified, filtered by the readout and
by the indicator. Of their many columns the principal ones over all stimuli are kept. The prior of the weights is
Gaussian and the same for all directions, of a size that gives the predictions the variance of the model's own; a
constant goes with it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.experiments.design.sources.source import Rows, Shown, Told, source
from stcnn.experiments.optimal.answers import AFTER_S
from stcnn.movie import PRE_GREY_S, Movie
from stcnn.nn.frames import as_clips
from stcnn.nn.model import STCNN

MOST_FEATURES = 64
"""Principal features that are kept."""
KEPT_POWER = 0.999
"""Share of the power of all features that the kept ones need not exceed."""
LEAST_VARIANCE = 1e-12


@source("readout", "the weights of the readout", knows_recorded=False)
def readout(shown: Shown, cell_type: str) -> dict[str, Told]:
    """Principal features of the first model, scaled by the prior of their weights, and a constant, ``(K, P + 1)``."""
    model = shown.asked.models[0]
    maps = {name: shown.sampled(last_features(model, cell_type, movie)) for name, movie in shown.movies.items()}
    everything = np.concatenate(list(maps.values()))
    axes = principal_axes(everything)
    place = shown.asked.cell_types.index(cell_type)
    answers = np.concatenate([each[:, 0, place] for each in shown.answers.values()])
    signal = max(float(answers.var()), LEAST_VARIANCE)
    power = max(float(((everything @ axes) ** 2).sum(1).mean()), LEAST_VARIANCE)
    scale = np.sqrt(signal / power)
    constant = np.sqrt(signal)
    return {
        name: Told(np.zeros(len(rows)), np.column_stack([scale * (rows @ axes), np.full(len(rows), constant)]))
        for name, rows in maps.items()
    }


def principal_axes(rows: Rows) -> Rows:
    """Principal axes of rows ``(K, F)`` around zero, which is grey, ``(F, P)``, the strongest first."""
    tall = len(rows) >= rows.shape[1]
    gram = rows.T @ rows if tall else rows @ rows.T
    power, vectors = np.linalg.eigh(gram)
    order = np.argsort(-power)
    power = np.maximum(power[order], 0)
    enough = int(np.searchsorted(np.cumsum(power), KEPT_POWER * power.sum())) + 1
    kept = order[: min(enough, MOST_FEATURES)]
    if tall:
        return vectors[:, kept]
    axes = rows.T @ vectors[:, kept]
    return axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-300)


@torch.no_grad()
def last_features(model: STCNN, cell_type: str, movie: Movie) -> Rows:
    """Features of a readout from the first frame until :data:`AFTER_S` behind the last, above grey, ``(T, F)``.

    Args:
        model: the network.
        cell_type: whose window, filter and indicator are used.
        movie: the stimulus, at the resolution of the model.

    Raises:
        ConfigError: the filter of the readout is not linear.
    """
    readouts = model.readouts
    if readouts.config.filter.INPUTS > 1:
        raise ConfigError(
            f"the readouts of this model have a filter of kind '{readouts.config.filter.kind}', which is not linear",
            remedy="design by 'members', with an ensemble",
        )
    rate_hz = movie.rate_hz
    n_grey = round(PRE_GREY_S * rate_hz)
    margins = (n_grey + 1, round(AFTER_S * rate_hz))
    contrast = torch.from_numpy(np.pad(movie.contrast(), (margins, (0, 0), (0, 0))))[None]
    maps = readouts.activation(model.last_maps(as_clips(contrast), rate_hz))
    window = readouts.places[cell_type].within((maps.shape[2], maps.shape[3]))
    read = window.crop(maps).flatten(1).unsqueeze(-1)
    mine = readouts.each[model.cell_types.index(cell_type)]
    filtered = _filtered(model, cell_type, mine.filter(read, rate_hz)[0], rate_hz)[..., 0]
    return np.asarray((filtered[n_grey + 1 :] - filtered[n_grey]).double().numpy())


def _filtered(model: STCNN, cell_type: str, drive: Tensor, rate_hz: float) -> Tensor:
    """The indicator without its rectifier, ``(T, F, 1)``."""
    if model.calcium.config.kind == "none":
        return drive
    place = model.cell_types.index(cell_type)
    constants = model.calcium.constants().of(slice(place, place + 1))
    return model.calcium.filter.filtered(drive, constants, rate_hz)[0]
