"""Mean and variance of the traces a training learns from, in one pass over the recordings."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.metrics.likelihoods import Likelihood


class Samples(NamedTuple):
    """Sums kept of the samples of some traces, dF/F; NaN samples do not count.

    Args:
        n: their number.
        mean: their mean, zero where there are none.
        squares: sum of their squared deviations from the mean.
    """

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, trace: NDArray[np.float32]) -> Samples:
        """Those of a trace ``(T,)``."""
        values = trace[~np.isnan(trace)].astype(np.float64)
        mean = float(values.mean()) if len(values) else 0.0
        return cls(len(values), mean, float(np.square(values - mean).sum()))

    @property
    def variance(self) -> float:
        """Mean squared deviation from the mean, dF/F squared; zero where there are no samples."""
        return self.squares / self.n if self.n else 0.0

    def and_of(self, other: Samples) -> Samples:
        """Those of both, by the formula of Chan, Golub and LeVeque (1983), which loses no digits to large means."""
        n = self.n + other.n
        apart = other.mean - self.mean
        share = other.n / n if n else 0.0
        return Samples(n, self.mean + apart * share, self.squares + other.squares + apart**2 * share * self.n)


def samples_of_neurons(train: Dataset) -> dict[str, dict[str, Samples]]:
    """Return the samples of every neuron that has a recording, by cell type; types without one are empty."""
    found: dict[str, dict[str, Samples]] = {name: {} for name in train.neurons}
    for recording in train.recordings:
        of_type = found[recording.cell_type]
        before = of_type.get(recording.neuron, Samples())
        of_type[recording.neuron] = before.and_of(Samples.of(recording.trace))
    return found


def null_deviances(train: Dataset, likelihood: Likelihood) -> dict[str, float]:
    """Return the mean deviance of the traces of each cell type from their common mean."""
    traces: dict[str, list[NDArray[np.float32]]] = {name: [] for name in train.neurons}
    for recording in train.recordings:
        traces[recording.cell_type].append(recording.trace)
    return {name: likelihood.null_deviance(of_type) for name, of_type in traces.items()}


def all_samples(parts: Iterable[Samples]) -> Samples:
    """Return the samples of several neurons together."""
    return reduce(Samples.and_of, parts, Samples())
