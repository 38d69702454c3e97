"""Recordings of the same stimuli: what the neurons of a data set answered where it holds a stimulus of a curve.

Axes: R neuron, T sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.metrics import half_of_mean
from stcnn.stimuli import complete

Values = NDArray[np.float64]
AROUND_S = 0.1
"""To either side of the peak of the mean, over which a neuron's response is averaged."""
PHASES = ("timing",)
"""Arguments of a stimulus that change grey and holds alone."""


Measurement = tuple[Values, Values]
"""Times ``(T,)`` and the mean trace of each neuron, dF/F, ``(R, T)``."""


class Measured(NamedTuple):
    """Measured peak above grey of a cell type.

    Args:
        mean: over neurons, dF/F.
        half_width: half of its 95 % interval by Student's t; zero for a single neuron.
        n_neurons: number of neurons.
    """

    mean: float
    half_width: float
    n_neurons: int


@dataclass(frozen=True)
class Recorded:
    """A data set as physiology asks it.

    Args:
        dataset: the recordings; their movies may say what they were made from.
    """

    dataset: Dataset

    @cached_property
    def _names(self) -> dict[str, str]:
        """What each movie was made from, but for its phases, to its name."""
        made = {name: movie.parameters for name, movie in self.dataset.movies.items()}
        return {_key(parameters): name for name, parameters in made.items() if "kind" in parameters}

    def stimulus(self, wanted: Mapping[str, Any]) -> str | None:
        """Return the name of the stimulus of the data set that is the one asked for, but for grey and holds, if any."""
        return self._names.get(_key(complete(dict(wanted))))

    def later_s(self, wanted: Mapping[str, Any]) -> float:
        """Return how much later the course of a stimulus begins than it did when the same was recorded."""
        name = self.stimulus(wanted)
        recorded = {} if name is None else self.dataset.movies[name].parameters.get("timing") or {}
        asked = complete(dict(wanted)).get("timing") or {}
        return float(asked.get("hold_first_s", 0.0)) - float(recorded.get("hold_first_s", 0.0))

    def traces(self, stimulus: str, cell_type: str) -> Measurement | None:
        """Return times and mean traces of all neurons of a cell type to a stimulus, ``(T,)`` and ``(R, T)``.

        None where nothing was recorded; samples that a neuron lacks are NaN.
        """
        table = self.dataset.table
        rows = table[(table.stimulus == stimulus) & (table.cell_type == cell_type)]
        if not len(rows):
            return None
        by_neuron: dict[str, list[Values]] = {}
        time_s = self.dataset.recordings[int(rows.index[0])].time_s
        for item, neuron in zip(rows.index, rows.neuron, strict=True):
            one = self.dataset.recordings[int(item)]
            trace = np.interp(time_s, one.time_s, one.trace, left=np.nan, right=np.nan)
            by_neuron.setdefault(str(neuron), []).append(trace)
        return time_s, np.stack([np.mean(trials, 0) for trials in by_neuron.values()])

    def peak(self, wanted: Mapping[str, Any], cell_type: str) -> Measured | None:
        """Return the measured peak above grey; None where the stimulus was not recorded.

        The peak of a noisy trace is too high, the more so the noisier it is. So the time of the peak is that of the
        mean over neurons, and each counts with its mean :data:`AROUND_S` around it, less its mean before onset.
        """
        name = self.stimulus(wanted)
        found = None if name is None else self.traces(name, cell_type)
        if found is None:
            return None
        time_s, traces = found
        before = time_s < 0
        grey = np.nanmean(traces[:, before], 1) if before.any() else traces[:, 0]
        after = np.flatnonzero(time_s >= 0)
        peak_s = time_s[after[np.nanargmax(np.nanmean(traces[:, after], 0))]]
        near = np.abs(time_s - peak_s) <= AROUND_S
        each = np.nanmean(traces[:, near], 1) - grey
        each = each[np.isfinite(each)]
        return Measured(float(each.mean()), float(half_of_mean(each)), len(each)) if len(each) else None

    def peaks(self, stimuli: Sequence[Mapping[str, Any]], cell_type: str) -> list[Measured | None]:
        """Return :meth:`peak` of each of several stimuli."""
        return [self.peak(stimulus, cell_type) for stimulus in stimuli]


def _key(parameters: Mapping[str, Any]) -> str:
    return repr(sorted((name, _plain(value)) for name, value in parameters.items() if name not in PHASES))


def _plain(value: Any) -> Any:  # noqa: ANN401 - any argument of a stimulus
    """Return a value of which equal ones look alike, whether they come from code or from a file."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | float | np.number):
        return float(value)
    if isinstance(value, Sequence):
        return [_plain(part) for part in value]
    return value
