"""Scores against numpy and scipy, which see the scored samples only."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stcnn.metrics import correlation, mean_squared_error
from stcnn.metrics.traces import correlation_or_zero


def traces(seed: int, n_recordings: int = 5, n_samples: int = 40) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return prediction, target and weight ``(R, T)``; every recording has at least three scored samples."""
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(n_recordings, n_samples))
    prediction = 0.5 * target + rng.normal(size=target.shape) + 3
    weight = (rng.random(target.shape) < 0.6).astype(float)
    weight[:, :3] = 1
    return torch.tensor(prediction), torch.tensor(target), torch.tensor(weight)


@given(st.integers(0, 10_000))
def test_each_recording_agrees_with_numpy_and_scipy(seed: int) -> None:
    prediction, target, weight = traces(seed)
    for row, (error, r) in enumerate(
        zip(mean_squared_error(prediction, target, weight), correlation(prediction, target, weight), strict=True)
    ):
        scored = weight[row] > 0
        x, y = prediction[row, scored].numpy(), target[row, scored].numpy()
        assert error.item() == pytest.approx(np.mean((x - y) ** 2), rel=1e-12)
        assert r.item() == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)


def test_correlation_of_a_group_joins_its_recordings_end_to_end() -> None:
    prediction, target, weight = traces(0)
    group = torch.tensor([0, 1, 0, 1, 1])
    for index, r in enumerate(correlation(prediction, target, weight, group)):
        scored = (weight > 0) & (group == index)[:, None]
        assert r.item() == pytest.approx(stats.pearsonr(prediction[scored], target[scored]).statistic, abs=1e-12)


@given(st.floats(0.1, 100), st.floats(-100, 100))
def test_correlation_is_blind_to_scale_and_offset(scale: float, offset: float) -> None:
    prediction, target, weight = traces(1)
    torch.testing.assert_close(
        correlation(scale * prediction + offset, target, weight), correlation(prediction, target, weight)
    )


def test_unscored_samples_never_count() -> None:
    prediction, target, weight = traces(2)
    elsewhere = torch.where(weight > 0, target, 1e6)
    assert torch.equal(
        mean_squared_error(prediction, target, weight), mean_squared_error(prediction, elsewhere, weight)
    )
    assert torch.equal(correlation(prediction, target, weight), correlation(prediction, elsewhere, weight))


def test_correlation_with_a_constant_is_not_a_number_rather_than_zero() -> None:
    prediction, target, weight = traces(3)
    assert correlation(torch.full_like(prediction, 0.1), target, weight).isnan().all()
    assert correlation(prediction.float() * 0 + 0.1, target, weight).isnan().all()


def test_in_means_over_neurons_a_constant_prediction_counts_as_zero_and_a_constant_target_not_at_all() -> None:
    prediction, target, weight = traces(3)
    constant = torch.full_like(prediction, 0.1)
    assert torch.equal(correlation_or_zero(prediction, target, weight), correlation(prediction, target, weight))
    assert (correlation_or_zero(constant, target, weight) == 0).all()
    assert correlation_or_zero(prediction, constant, weight).isnan().all()
    assert correlation_or_zero(constant, constant, weight).isnan().all()
