"""The one question to whatever predicts: movies in, responses out."""

from __future__ import annotations

from typing import Protocol

from stcnn.data.batching import BatchingConfig
from stcnn.data.dataset import Dataset
from stcnn.evaluate.predictions import Predictions


class Predictor(Protocol):
    """A model, an ensemble of them, or a baseline."""

    def predict(self, dataset: Dataset, batching: BatchingConfig) -> Predictions:
        """Predict every recording of a data set from its movie.

        Args:
            dataset: recordings of neurons that it knows; their traces are not looked at.
            batching: padding and scored window.
        """
