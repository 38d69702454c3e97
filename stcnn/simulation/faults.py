"""Faults that go unnoticed between microscope and model, planted into recordings for an audit to find."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stcnn.data import Dataset, Recording
from stcnn.errors import ConfigError, nearest
from stcnn.validation import Config

Trace = NDArray[np.float32]


class Fault(Config):
    """A fault and where it is planted.

    * ``shifted``: traces come late, as if the onset had been misread.
    * ``dropped``: a block of samples is missing, a third into the trace, and all that follows comes early.
    * ``inverted``: traces are turned upside down about their median.
    * ``swapped``: the labels of two stimuli are exchanged.
    """

    kind: Literal["shifted", "dropped", "inverted", "swapped"]
    animal: str | None = None
    """Only in the recordings of this animal; None plants it in all."""
    n_samples: int = Field(default=5, ge=1)
    """How late traces come, or how many samples are missing."""
    stimuli: tuple[str, str] | None = None
    """The stimuli whose labels are exchanged; None takes the first and the last."""


def plant(data: Dataset, faults: Sequence[Fault]) -> Dataset:
    """The data set with faults in it, one after the other.

    Raises:
        ConfigError: a fault names an animal or stimulus that is not there.
    """
    for fault in faults:
        if fault.animal is not None:
            _require_known(fault.animal, data.table.animal.unique(), "animal")
        for stimulus in fault.stimuli or ():
            _require_known(stimulus, data.movies, "stimulus")
        recordings = list(data.recordings)
        touched = [i for i, r in enumerate(recordings) if fault.animal in (None, r.animal)]
        if fault.kind == "swapped":
            _swap(recordings, touched, fault.stimuli or (next(iter(data.movies)), list(data.movies)[-1]))
        else:
            for i in touched:
                recordings[i] = replace(recordings[i], trace=_spoilt(recordings[i].trace, fault))
        data = Dataset.of(data.movies, recordings, data.neurons)
    return data


def _require_known(name: str, known: Iterable[str], what: str) -> None:
    if name not in set(known):
        raise ConfigError(f"a fault is planned for {what} '{name}', which is not there", remedy=nearest(name, known))


def _spoilt(trace: Trace, fault: Fault) -> Trace:
    n = min(fault.n_samples, len(trace) - 1)
    if fault.kind == "shifted":
        return np.concatenate([np.full(n, trace[0]), trace[:-n]])
    if fault.kind == "dropped":
        start = len(trace) // 3
        return _fitted(np.delete(trace, slice(start, start + n)), len(trace))
    return 2 * np.median(trace) - trace


def _swap(recordings: list[Recording], touched: Sequence[int], stimuli: tuple[str, str]) -> None:
    """Exchange the traces that each neuron gave to two stimuli, trial by trial."""
    first, second = (
        {(r.cell_type, r.neuron, r.trials): i for i in touched if (r := recordings[i]).stimulus == name}
        for name in stimuli
    )
    for key in first.keys() & second.keys():
        i = first[key]
        k = second[key]
        a = recordings[i]
        b = recordings[k]
        recordings[i] = replace(a, trace=_fitted(b.trace, len(a.trace)))
        recordings[k] = replace(b, trace=_fitted(a.trace, len(b.trace)))


def _fitted(trace: Trace, length: int) -> Trace:
    """A trace cut, or continued with its last value, to a length."""
    return np.pad(trace[:length], (0, max(0, length - len(trace))), mode="edge")
