"""Several trainings of one model together: the mean of their predictions, and how far they differ.

Axes: M member, R recording, S sample, Q share of the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stcnn.data.batching import BatchingConfig
from stcnn.data.dataset import Dataset
from stcnn.evaluate.predictions import Predictions, predict
from stcnn.nn.model import STCNN

N_SHARES = 10
"""Shares of equal size into which the samples are divided by the spread."""


@dataclass(frozen=True)
class EnsemblePredictions:
    """Predictions of all members.

    Args:
        mean: the mean over members, as predictions of one model.
        members: dF/F, ``(M, R, S)``.
    """

    mean: Predictions
    members: Tensor

    @property
    def spread(self) -> Tensor:
        """Standard deviation over members with M - 1 in the denominator, dF/F, ``(R, S)``; zero for a single one."""
        return self.members.std(0, unbiased=True) if len(self.members) > 1 else torch.zeros_like(self.members[0])


def predict_together(models: Sequence[STCNN], dataset: Dataset, batching: BatchingConfig) -> EnsemblePredictions:
    """Predict every recording of a data set with every member.

    Args:
        models: the members.
        dataset: recordings whose neurons the members know.
        batching: padding and scored window, as in training.
    """
    each = [predict(model, dataset, batching) for model in models]
    members = torch.stack([predictions.prediction for predictions in each])
    return EnsemblePredictions(replace(each[0], prediction=members.mean(0)), members)


@dataclass(frozen=True)
class Ensemble:
    """Finished models of one kind, one or several, as a :class:`~stcnn.evaluate.predictor.Predictor`: their mean.

    Args:
        models: the members.
    """

    models: Sequence[STCNN]

    def predict(self, dataset: Dataset, batching: BatchingConfig) -> Predictions:
        """Predict every recording of a data set; arguments as of :func:`predict_together`."""
        return predict_together(self.models, dataset, batching).mean


def calibration(predictions: EnsemblePredictions, noise_variance: Tensor | None = None) -> pd.DataFrame:
    """Hold the spread of the members against the error of their mean.

    Were the members draws from what is possible given the data, the expected squared error of their mean at a sample
    would be ``(1 + 1/M)`` times their variance there plus that of the noise of the recording (Fortin et al. 2014,
    doi 10.1175/JHM-D-14-0008.1).

    Args:
        predictions: of held-out recordings.
        noise_variance: of the measured traces around the noise-free ones, ``(R,)``; None leaves it in the error.

    Returns:
        One row per share of the samples, by rising spread: ``spread_dff`` and ``error_dff``, the square roots of the
        expected (as above) and the measured mean squared error, and ``n_samples``.
    """
    scored = predictions.mean.weight > 0
    factor = 1 + 1 / len(predictions.members)
    variance = (factor * predictions.spread.square())[scored].double().numpy()
    error = (predictions.mean.prediction - predictions.mean.target).square()
    if noise_variance is not None:
        error = error - noise_variance[:, None]
    measured = error[scored].double().numpy()
    shares = np.array_split(np.argsort(variance, kind="stable"), N_SHARES)
    rows = [(variance[s].mean() ** 0.5, max(measured[s].mean(), 0.0) ** 0.5, len(s)) for s in shares if len(s)]
    return pd.DataFrame(rows, columns=["spread_dff", "error_dff", "n_samples"])


def spread_to_error(table: pd.DataFrame) -> float:
    """Return the ratio of expected to measured error over all samples: 1 is calibrated, below 1 over-confident.

    Args:
        table: as :func:`calibration` makes it.
    """
    weight = table.n_samples.to_numpy()
    expected, measured = (np.sum(table[name].to_numpy() ** 2 * weight) for name in ("spread_dff", "error_dff"))
    return float(np.sqrt(expected / measured)) if measured > 0 else float("nan")
