"""The baseline of dF/F where frames are missing: what it is with all of them, as nearly as the others can tell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stcnn.data.importers.dff import DffConfig, delta_f_over_f

RATE_HZ, N_FRAMES = 10.0, 3000
NOISE = 10.0


def drifting(seed: int) -> np.ndarray:
    """Fluorescence of 300 with a slow drift and noise of 3 %, five minutes."""
    rng = np.random.default_rng(seed)
    return 300 + 60 * np.sin(np.arange(N_FRAMES) / 400 + seed) + NOISE * rng.standard_normal(N_FRAMES)


def baseline(trace: np.ndarray) -> np.ndarray:
    """F0 by what dF/F says of it; NaN where a frame is missing."""
    return trace / (1 + delta_f_over_f(trace, None, RATE_HZ, DffConfig(), "").astype(float))


@given(st.sets(st.integers(0, N_FRAMES - 1), min_size=1, max_size=600), st.floats(10, 1e6))
@settings(max_examples=25, deadline=None)
def test_missing_frames_of_a_constant_trace_move_nothing(missing: set[int], level: float) -> None:
    trace = np.full(N_FRAMES, level)
    trace[list(missing)] = np.nan
    found = delta_f_over_f(trace, None, RATE_HZ, DffConfig(), "")
    assert np.flatnonzero(np.isnan(found)).tolist() == sorted(missing)
    assert np.nanmax(np.abs(found)) < 1e-6


@pytest.mark.parametrize(
    ("share", "bias", "typical"), [(1 / N_FRAMES, 1e-4, 1e-4), (0.01, 6e-4, 1e-3), (0.1, 2e-3, 3e-3)]
)
def test_on_average_it_is_the_baseline_of_the_whole_trace(share: float, bias: float, typical: float) -> None:
    off = []
    for seed in range(30):
        whole, rng = drifting(seed), np.random.default_rng(100 + seed)
        some = whole.copy()
        some[rng.permutation(N_FRAMES)[: round(share * N_FRAMES)]] = np.nan
        off.append((baseline(some) / baseline(whole) - 1)[np.isfinite(some)])
    assert abs(np.mean([each.mean() for each in off])) < bias
    assert np.mean([np.abs(each).mean() for each in off]) < typical


def test_a_long_gap_is_bridged_and_leaves_what_lies_far_away_untouched() -> None:
    whole = drifting(1)
    some = whole.copy()
    some[1400:1600] = np.inf
    far = np.r_[0 : 1400 - 640, 1600 + 640 : N_FRAMES]  # window and Gaussian reach no further
    assert np.array_equal(baseline(some)[far], baseline(whole)[far])
    near = np.delete(np.arange(N_FRAMES), np.arange(1400, 1600))
    assert np.abs(baseline(some)[near] / baseline(whole)[near] - 1).max() < 0.05


def test_a_gaussian_much_longer_than_what_is_left_of_a_trace() -> None:
    trace = np.full(4000, np.nan)
    trace[[10, 3900]] = [100.0, 110.0]
    found = delta_f_over_f(trace, None, 500.0, DffConfig(smoothing_s=1.0), "")
    assert np.isfinite(found).sum() == 2
