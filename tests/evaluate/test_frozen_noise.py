"""A continuous recording with frozen noise in it has a ceiling: that of the planted truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording
from stcnn.evaluate import Evaluation
from stcnn.evaluate.predictions import Predictions
from stcnn.evaluate.responses import SETTLED_S, responses
from stcnn.movie import Movie

RATE_HZ, DURATION_S, STRETCH_S, N_NEURONS = 30.0, 600.0, 10.0, 24
BEGIN_S = (60.0, 170.0, 290.0, 410.0, 530.0)
NOISE = 0.8
"""Standard deviation of the noise; that of the signal is one."""


def recorded(clock: str, begin_s: tuple[float, ...] = BEGIN_S) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """Ten minutes of noise with five showings of ten frozen seconds; the signal of each neuron, and its times."""
    rng = np.random.default_rng(3)
    n_frames = round(DURATION_S * RATE_HZ)
    frames = rng.integers(0, 256, (n_frames, 2, 2), np.uint8)
    signal = rng.normal(size=(N_NEURONS, n_frames))
    first = round(begin_s[0] * RATE_HZ)
    n_frozen = round(STRETCH_S * RATE_HZ)
    for begin in begin_s:
        at = slice(round(begin * RATE_HZ), round(begin * RATE_HZ) + n_frozen)
        frames[at] = frames[first : first + n_frozen]
        signal[:, at] = signal[:, first : first + n_frozen]
    movie = Movie(frames, RATE_HZ)
    time_s = movie.time_s
    rate_hz = RATE_HZ
    signal = gaussian_filter1d(signal, 5, axis=1)
    signal /= signal.std(1, keepdims=True)
    if clock == "own":
        rate_hz = 12.3
        time_s = np.arange(0.03, DURATION_S - 0.1, 1 / rate_hz)
        signal = np.stack([np.interp(time_s, movie.time_s, each) for each in signal])
    measured = (signal + NOISE * rng.normal(size=signal.shape)).astype(np.float32)
    exposure_s = 0.05 if clock == "own" else 0.0
    recordings = [
        Recording("lc11", str(n), "noise", trace, time_s, rate_hz, exposure_s=exposure_s)
        for n, trace in enumerate(measured)
    ]
    return Dataset.of({"noise": movie}, recordings), signal, time_s


def perfect(data: Dataset, signal: np.ndarray) -> Predictions:
    """The signal as a prediction of every sample but the last."""
    weight = torch.ones(signal.shape)
    weight[:, -1] = 0
    target = torch.from_numpy(np.stack([r.trace for r in data.recordings]))
    numbers = torch.arange(len(signal))
    return Predictions(
        torch.from_numpy(signal).float(), target, weight, torch.zeros_like(numbers), numbers, item=numbers
    )


def frozen_samples(time_s: np.ndarray) -> np.ndarray:
    return np.logical_or.reduce([(time_s >= b + SETTLED_S) & (time_s < b + STRETCH_S) for b in BEGIN_S])


@pytest.mark.parametrize("clock", ["frames", "own"])
def test_the_ceiling_is_that_of_the_truth(clock: str):
    data, signal, time_s = recorded(clock)
    scores = Evaluation.of(perfect(data, signal), data).scores_table(["neuron"], n_draws=50)
    variance = signal[:, frozen_samples(time_s)].var(1)
    ceiling = np.sqrt(variance / (variance + NOISE**2))
    assert np.abs(scores.single_trial_ceiling - ceiling).max() < 0.1  # 40 s of each neuron
    assert abs((scores.single_trial_ceiling - ceiling).mean()) < (0.01 if clock == "frames" else 0.015)
    assert abs(scores.normalised_correlation.mean() - 1) < 0.02
    assert abs(scores.feve.mean() - 1) < 0.02
    if clock == "frames":
        of_the_mean = np.sqrt(variance / (variance + NOISE**2 / len(BEGIN_S)))
        assert abs((scores.trial_mean_ceiling - of_the_mean).mean()) < 0.01


def test_every_sample_is_scored_once():
    data, signal, _ = recorded("frames")
    found = pd.Series([r.trials.size for r in responses(perfect(data, signal), data)])
    assert found.sum() == N_NEURONS * (signal.shape[1] - 1)
    assert (found == len(BEGIN_S) * round((STRETCH_S - SETTLED_S) * RATE_HZ)).sum() == N_NEURONS


def test_without_frozen_noise_there_is_no_ceiling():
    data, signal, _ = recorded("frames", begin_s=BEGIN_S[:1])
    scores = Evaluation.of(perfect(data, signal), data).scores_table(["neuron"], n_draws=50)
    assert scores.single_trial_ceiling.isna().all()
    assert scores.single_trial_correlation.min() > 0.5


def test_a_showing_that_was_not_recorded_to_its_end_is_none():
    data, signal, time_s = recorded("frames")
    n_seen = int(np.searchsorted(time_s, BEGIN_S[-1] + 5))
    cut = [replace(r, trace=r.trace[:n_seen], time_s=r.time_s[:n_seen]) for r in data.recordings]
    part = Dataset.of(data.movies, cut)
    found = responses(perfect(part, signal[:, :n_seen]), part)
    assert {len(r.trials) for r in found} == {1, len(BEGIN_S) - 1}
