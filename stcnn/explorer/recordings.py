"""Recordings that the page lays over the answers: held-out ones first, of stimuli that it draws itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording
from stcnn.data.splitting.splits import Split
from stcnn.explorer.controls import is_drawn
from stcnn.explorer.description import packed
from stcnn.metrics.moments import Moments
from stcnn.nn.model import STCNN
from stcnn.run_folder import Run

MOST = 240
"""Recordings in a page."""


def recordings(run: Run, model: STCNN, dataset: Dataset) -> list[dict[str, Any]]:
    """Return recordings of the validation part, then of the training part, each with gain and offset of its neuron.

    Args:
        run: whose split it is.
        model: the network, or the first of an ensemble.
        dataset: the recordings.
    """
    split = Split.from_json(run.split(), dataset)
    chosen = [(item, True) for item in split.validation] + [(item, False) for item in split.train]
    return list(_described(chosen, model, dataset))


def _described(chosen: list[tuple[int, bool]], model: STCNN, dataset: Dataset) -> Iterator[dict[str, Any]]:
    drawn: dict[str, dict[str, Any] | None] = {}
    n_found = 0
    for item, held_out in chosen:
        recording = dataset.recordings[item]
        name = recording.stimulus
        if name not in drawn:
            parameters = dict(dataset.movies[name].parameters)
            drawn[name] = parameters if is_drawn(parameters) else None
        parameters_of_it = drawn[name]
        neurons = model.population.neurons.get(recording.cell_type, ())
        if parameters_of_it is None or recording.neuron not in neurons:
            continue
        yield _one(recording, held_out, parameters_of_it, model)
        n_found += 1
        if n_found == MOST:
            return


def _one(recording: Recording, held_out: bool, parameters: dict[str, Any], model: STCNN) -> dict[str, Any]:
    cell_type = model.cell_types.index(recording.cell_type)
    neuron = model.population.neurons[recording.cell_type].index(recording.neuron)
    with torch.no_grad():
        gain, offset = model.calcium.neuron(torch.tensor([cell_type]), torch.tensor([neuron]))
        average_gain, average_offset = (each[cell_type] for each in model.calcium.average())
    return {
        "cell_type": recording.cell_type,
        "neuron": recording.neuron,
        "stimulus": recording.stimulus,
        "parameters": parameters,
        "held_out": held_out,
        "shift_px": list(recording.shift_px),
        "time_s": packed(torch.from_numpy(np.asarray(recording.time_s, np.float32))),
        "measured": packed(torch.from_numpy(np.asarray(recording.trace, np.float32))),
        "ceiling": _ceiling(recording),
        "gain": float(gain / average_gain),
        "offset": float(offset - average_offset * gain / average_gain),
    }


def _ceiling(recording: Recording) -> float | None:
    """Highest correlation that the noise of a recording allows, from its repeats."""
    if recording.repeats is None or len(recording.repeats) < 2:
        return None
    shown = recording.time_s >= 0
    trials = recording.repeats[:, shown].astype(float)
    share = float(Moments.of_trial_mean(recording.trace[shown].astype(float), trials).explainable())
    return float(np.sqrt(np.clip(share, 0, 1))) if np.isfinite(share) else None
