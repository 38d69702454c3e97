"""Predictions that need no stimulus: means of the traces that were recorded from others.

Every mean is taken over the recordings the model was fitted on; held-out traces are never read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.data.batching import BatchingConfig, loader
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording
from stcnn.data.splitting.duplicates import fingerprint_of, shifted
from stcnn.evaluate import Predictions

Trace = NDArray[np.floating[Any]]


class GrandMean:
    """The mean time course of each cell type over everything it was shown; the least of the simple models.

    Args:
        train: recordings to average.
    """

    def __init__(self, train: Dataset) -> None:
        recordings: dict[str, list[Recording]] = defaultdict(list)
        for recording in train.recordings:
            recordings[recording.cell_type].append(recording)
        self.courses = {name: _time_course(mine) for name, mine in recordings.items()}

    def trace(self, recording: Recording) -> Trace:
        """Predict dF/F at the samples of a recording, ``(T,)``, from its cell type alone."""
        time_s, mean = self.courses[recording.cell_type]
        return np.interp(recording.time_s, time_s, mean)

    def predict(self, dataset: Dataset, batching: BatchingConfig) -> Predictions:
        """Predict every recording of a data set; scored as ``batching`` says."""
        return laid_out(dataset, [self.trace(recording) for recording in dataset.recordings], batching)


def _time_course(recordings: Sequence[Recording]) -> tuple[Trace, Trace]:
    """Times from stimulus onset and the mean of all traces that reach them, both ``(T,)``."""
    rate_hz = max(recording.rate_hz for recording in recordings)
    first = min(r.time_s[0] for r in recordings)
    last = max(r.time_s[-1] for r in recordings)
    time_s = np.arange(np.floor(first * rate_hz), np.ceil(last * rate_hz) + 1) / rate_hz
    total = np.zeros(len(time_s))
    count = np.zeros(len(time_s))
    for recording in recordings:
        finite = np.isfinite(recording.trace)
        values = np.interp(time_s, recording.time_s[finite], recording.trace[finite], left=np.nan, right=np.nan)
        total += np.nan_to_num(values)
        count += np.isfinite(values)
    return time_s[count > 0], total[count > 0] / count[count > 0]


@dataclass(frozen=True)
class Scaling:
    """``dF/F = offset + gain * mean of the others``."""

    gain: float = 1.0
    offset: float = 0.0


class Population:
    """The mean trace of the other neurons of the cell type to the same stimulus: what a model of the type could reach.

    Others count where they saw the same picture at the same place of the retina; where none did, where they saw the
    same stimulus at another place; where none did either, the mean time course of the type stands in. Gain and offset
    of a neuron are fitted to the other recordings of it, with the others' means as regressor.

    Args:
        train: recordings to average.
    """

    def __init__(self, train: Dataset) -> None:
        self.grand_mean = GrandMean(train)
        self._prints: dict[str, NDArray[np.uint64]] = {}
        self._contents: dict[tuple[str, tuple[int, int]], bytes] = {}
        self.seen: dict[tuple[str, object], list[Recording]] = defaultdict(list)
        for recording in train.recordings:
            for place in self._places(recording, train):
                self.seen[recording.cell_type, place].append(recording)
        self.scalings = self._fit_scalings(train)

    def _places(self, recording: Recording, dataset: Dataset) -> tuple[bytes, str]:
        """Stimulus by place, first as the picture on the retina, then as the name of the stimulus."""
        stimulus = recording.stimulus
        shift_px = recording.shift_px
        if (stimulus, shift_px) not in self._contents:
            if stimulus not in self._prints:
                self._prints[stimulus] = fingerprint_of(dataset, stimulus)
            picture = shifted(self._prints[stimulus], shift_px[1], -shift_px[0])
            self._contents[stimulus, shift_px] = sha256(picture.tobytes()).digest()
        return self._contents[stimulus, shift_px], stimulus

    def others(self, recording: Recording, dataset: Dataset) -> Trace | None:
        """Return the mean of the other neurons at the samples of a recording, ``(T,)``; None where there is none."""
        for place in self._places(recording, dataset):
            others = [o for o in self.seen.get((recording.cell_type, place), []) if o.neuron != recording.neuron]
            if others:
                return np.mean([_resampled(other, recording.time_s) for other in others], axis=0)
        return None

    def _fit_scalings(self, train: Dataset) -> dict[tuple[str, str], Scaling]:
        pairs: dict[tuple[str, str], list[tuple[Trace, Trace]]] = defaultdict(list)
        for recording in train.recordings:
            others = self.others(recording, train)
            if others is not None:
                finite = np.isfinite(recording.trace)
                pairs[recording.cell_type, recording.neuron].append((others[finite], recording.trace[finite]))
        return {neuron: _regress(*map(np.concatenate, zip(*mine, strict=True))) for neuron, mine in pairs.items()}

    def trace(self, recording: Recording, dataset: Dataset) -> Trace:
        """Predict dF/F at the samples of a recording of ``dataset``, ``(T,)``; its own trace is not looked at."""
        others = self.others(recording, dataset)
        if others is None:
            return self.grand_mean.trace(recording)
        scaling = self.scalings.get((recording.cell_type, recording.neuron), Scaling())
        return scaling.offset + scaling.gain * others

    def predict(self, dataset: Dataset, batching: BatchingConfig) -> Predictions:
        """Predict every recording of a data set; scored as ``batching`` says."""
        return laid_out(dataset, [self.trace(recording, dataset) for recording in dataset.recordings], batching)


def _resampled(recording: Recording, time_s: NDArray[np.float64]) -> Trace:
    finite = np.isfinite(recording.trace)
    return np.interp(time_s, recording.time_s[finite], recording.trace[finite])


def _regress(x: Trace, y: Trace) -> Scaling:
    """Least squares of y on x with a gain that is not negative, as in the calcium layer."""
    deviation = x - x.mean()
    variance = float(deviation @ deviation)
    gain = max(0.0, float(deviation @ (y - y.mean())) / variance) if variance > 0 else 1.0
    return Scaling(gain, float(y.mean() - gain * x.mean()))


def laid_out(dataset: Dataset, traces: Sequence[Trace], batching: BatchingConfig) -> Predictions:
    """Bring predicted traces to where batches put measured ones.

    Args:
        dataset: the recordings.
        traces: dF/F at the samples of each, ``(T,)``.
        batching: padding and scored window.
    """
    guessed = [replace(r, trace=t.astype(np.float32)) for r, t in zip(dataset.recordings, traces, strict=True)]
    batches = zip(loader(dataset, batching), loader(replace(dataset, recordings=guessed), batching), strict=True)
    return Predictions.of_batches((guess.target, batch) for batch, guess in batches)
