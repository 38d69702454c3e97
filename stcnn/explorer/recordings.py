"""Recordings that the page lays over the answers, held-out ones first, with the movies that it cannot draw itself."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording
from stcnn.data.splitting.splits import Split
from stcnn.explorer.controls import is_drawn
from stcnn.explorer.description import packed
from stcnn.metrics.moments import Moments
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.run_folder import Run
from stcnn.stimuli.resample import at_rate

MOST = 240
"""Recordings in a page."""
MOST_BYTES = 4_000_000
"""Of movies in a page; recordings of further movies are left out."""
MOST_PIXELS = 40_000_000
"""Of all frames of one movie; the page holds them as float32."""


@dataclass
class LaidOver:
    """Recordings as the page takes them.

    Args:
        recordings: each with gain and offset of its neuron.
        movies: by name, those of them that the page does not draw.
        n_in_all: recordings of which these were chosen.
    """

    recordings: list[dict[str, Any]] = field(default_factory=list)
    movies: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_in_all: int = 0


def recordings(run: Run, model: STCNN, dataset: Dataset) -> LaidOver:
    """Return recordings of the validation set, then of the training set.

    Args:
        run: whose split it is.
        model: the network, or the first of an ensemble.
        dataset: the recordings.
    """
    split = Split.from_json(run.split(), dataset)
    chosen = [(item, True) for item in split.validation] + [(item, False) for item in split.train]
    shown = _Shown(dataset)
    found = LaidOver(movies=shown.movies)
    for item, held_out in chosen:
        recording = dataset.recordings[item]
        if recording.neuron not in model.population.neurons.get(recording.cell_type, ()):
            continue
        found.n_in_all += 1
        told = shown.told(recording.stimulus) if len(found.recordings) < MOST else None
        if told is not None:
            found.recordings.append(_one(recording, held_out, model) | told)
    return found


class _Shown:
    """Stimuli of recordings: parameters where the page draws them, else movies while there is room."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.movies: dict[str, dict[str, Any]] = {}
        self._left = MOST_BYTES
        self._told: dict[str, dict[str, Any] | None] = {}

    def told(self, stimulus: str) -> dict[str, Any] | None:
        """What the page needs to know of a stimulus; None where it does not fit."""
        if stimulus not in self._told:
            self._told[stimulus] = self._found(stimulus)
        return self._told[stimulus]

    def _found(self, stimulus: str) -> dict[str, Any] | None:
        movie = self.dataset.movies[stimulus]
        parameters = dict(movie.parameters)
        if is_drawn(parameters):
            return {"parameters": parameters}
        if self._left <= 0 or movie.frames.size > MOST_PIXELS:
            return None
        carried = carried_movie(at_rate(movie, self.dataset.rate_hz))
        if len(carried["z"]) > self._left:
            return None
        self._left -= len(carried["z"])
        self.movies[stimulus] = carried
        return {"movie": stimulus}


def carried_movie(movie: Movie) -> dict[str, Any]:
    """Return a movie as the page takes it: compressed codes, exact where the movie has at most 256 greys."""
    codes, levels = _codes(movie)
    return {
        "shape": list(codes.shape),
        "z": base64.b64encode(zlib.compress(np.ascontiguousarray(codes).tobytes(), 9)).decode(),
        "levels": [round(float(level), 9) for level in levels],
        "background": movie.background,
        "onset_s": movie.onset_s,
    }


def _codes(movie: Movie) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Codes of the frames ``(T, Y, X)`` and the luminance of each; of more than 256 greys the nearest."""
    if movie.levels is not None:
        return np.asarray(movie.frames), movie.levels
    return np.rint(np.asarray(movie.frames) * 255).astype(np.uint8), (np.arange(256) / 255).astype(np.float32)


def _one(recording: Recording, held_out: bool, model: STCNN) -> dict[str, Any]:
    cell_type = model.cell_types.index(recording.cell_type)
    neuron = model.population.neurons[recording.cell_type].index(recording.neuron)
    with torch.no_grad():
        gain, offset = model.calcium.neuron(torch.tensor([cell_type]), torch.tensor([neuron]))
        average_gain, average_offset = (each[cell_type] for each in model.calcium.average())
    return {
        "cell_type": recording.cell_type,
        "neuron": recording.neuron,
        "stimulus": recording.stimulus,
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
