"""Peaks across stimuli and timing, against scipy and planted delays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stcnn.metrics import latency_error_s, tuning_similarity
from stcnn.metrics.tuning import lagged_moments


def test_tuning_similarity_correlates_mean_peaks_across_stimuli() -> None:
    rng = np.random.default_rng(0)
    predicted, measured = rng.normal(size=(2, 12))
    stimulus = np.repeat(np.arange(4), 3)
    shown = np.eye(4)[stimulus]
    found = tuning_similarity(predicted @ shown, measured @ shown, shown.sum(0))
    curves = [peaks.reshape(4, 3).mean(1) for peaks in (predicted, measured)]
    assert found == pytest.approx(stats.pearsonr(*curves).statistic)


def test_stimuli_that_were_not_drawn_do_not_count_and_two_are_too_few() -> None:
    x, y = np.array([1.0, 2.0, 4.0, 0.0]), np.array([2.0, 3.0, 9.0, 0.0])
    count = np.array([[1.0, 1, 1, 0], [1, 1, 0, 0]])
    found = tuning_similarity(x, y, count)
    assert found[0] == pytest.approx(stats.pearsonr(x[:3], y[:3]).statistic)
    assert np.isnan(found[1])


def _bump(time_s: np.ndarray, at_s: float) -> np.ndarray:
    return np.exp(-0.5 * ((time_s - at_s) / 0.15) ** 2)


@given(delay_s=st.floats(-0.3, 0.3), rate_hz=st.sampled_from([10.0, 30.0, 180.0]))
def test_a_planted_delay_is_found_at_any_rate(delay_s: float, rate_hz: float) -> None:
    time_s = np.arange(int(3 * rate_hz)) / rate_hz
    found = latency_error_s(lagged_moments(time_s, 2 * _bump(time_s, 1.5 + delay_s) + 1, _bump(time_s, 1.5)))
    assert found == pytest.approx(delay_s, abs=0.006)


def test_a_delay_is_found_in_uneven_samples() -> None:
    time_s = np.sort(np.random.default_rng(1).uniform(0, 3, 90))
    found = latency_error_s(lagged_moments(time_s, _bump(time_s, 1.6), _bump(time_s, 1.5)))
    assert found == pytest.approx(0.1, abs=0.01)


def test_there_is_no_latency_beyond_the_lags_or_without_correlation() -> None:
    time_s = np.arange(90) / 30
    assert np.isnan(latency_error_s(lagged_moments(time_s, _bump(time_s, 2.3), _bump(time_s, 0.6))))
    assert np.isnan(latency_error_s(lagged_moments(time_s, np.ones(90), _bump(time_s, 1.5))))
