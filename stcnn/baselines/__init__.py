"""Simple models on the same split as the network, fitted to its training recordings alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from stcnn.baselines import features
from stcnn.baselines.averages import GrandMean, Population
from stcnn.baselines.linear import fit_linear
from stcnn.data.batching import BatchingConfig
from stcnn.data.dataset import Dataset
from stcnn.evaluate import Predictions


class Baseline(Protocol):
    """Anything that predicts recordings."""

    def predict(self, dataset: Dataset, batching: BatchingConfig) -> Predictions:
        """Predict every recording of a data set; scored as ``batching`` says."""


Fit = Callable[[Dataset, BatchingConfig], Baseline]

BASELINES: Mapping[str, Fit] = {
    "grand mean of the type": lambda train, _: GrandMean(train),
    "linear filter": partial(fit_linear, features.space_time),
    "eye and linear filter": partial(fit_linear, features.seen_space_time),
    "contrast energy": partial(fit_linear, features.energy),
    "motion detectors": partial(fit_linear, features.motion),
    "the other neurons": lambda train, _: Population(train),
}
"""Name to how it is fitted, from the simplest to the population ceiling, which no model of the type is above."""
