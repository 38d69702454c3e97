"""The baseline of dF/F where frames are missing: what it is with all of them, as nearly as the others can tell."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stcnn.data.importers.dff import DffConfig, delta_f_over_f
from stcnn.errors import DataError
from tests.support.lab_files import SUITE2P, opened, opened_table, plane, samples

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


@pytest.mark.parametrize("sentinel", [-999, 9999, -32768, 1e20])
def test_a_number_that_stands_for_a_missing_sample_is_asked_for(sentinel: float, tmp_path: Path) -> None:
    table = samples("n")
    table.loc[[5, 7], "trace"] = sentinel
    with pytest.raises(DataError, match=r"neuron 'n' has 2 samples of .*, and no other beyond 2.*\. Write NaN, or"):
        opened_table(tmp_path, [table])


def test_large_responses_are_no_sentinels(tmp_path: Path) -> None:
    table = samples("n")
    table["trace"] = np.linspace(0, 999, len(table))
    assert opened_table(tmp_path, [table]).recordings[0].trace.max() == 999


def test_frames_that_were_blanked_as_zero_are_said(tmp_path: Path) -> None:
    folder = plane(tmp_path / "suite2p" / "plane0")
    traces = np.load(folder / "F.npy")
    traces[1, 100:104] = 0
    np.save(folder / "F.npy", traces)
    (said,) = [note for note in opened(tmp_path, SUITE2P | {"path": "suite2p"}).notes if "below -1" in note]
    assert "4 samples have dF/F below -1, which is fluorescence below zero, of 1 neurons: 1 (4)." in said
