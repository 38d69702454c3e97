"""Two clocks: predictions at movie frames are compared with traces at imaging time stamps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stcnn.data import BatchingConfig, Dataset, Recording, loader
from stcnn.data.clocks import sample_prediction
from stcnn.movie import Movie
from tests.support.made_up_data import GREY, dataset, movie

amplitudes = st.lists(st.floats(-2, 2), min_size=1, max_size=3)


@given(
    amplitudes=amplitudes,
    tau_s=st.floats(0.1, 2),
    rate_hz=st.sampled_from([60.0, 180.0, 360.0]),
    imaging_hz=st.floats(4, 40),
    share=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_sums_of_exponentials_under_jitter_and_drops(
    amplitudes: list[float], tau_s: float, rate_hz: float, imaging_hz: float, share: float, seed: int
) -> None:
    taus = tau_s * np.arange(1, len(amplitudes) + 1)
    frames = np.arange(int(3 * rate_hz)) / rate_hz
    rng = np.random.default_rng(seed)
    stamps = np.arange(0.5, 2.5, 1 / imaging_hz)
    stamps = (stamps + rng.uniform(-0.3, 0.3, len(stamps)) / imaging_hz)[rng.random(len(stamps)) > 0.2]
    half_s = share / imaging_hz / 2
    weighted = list(zip(amplitudes, taus, strict=True))
    prediction = sum(a * np.exp(-frames / tau) for a, tau in weighted)
    if half_s * rate_hz < 0.01:
        expected = sum(a * np.exp(-stamps / tau) for a, tau in weighted)
    else:  # the mean of an exponential over an exposure
        expected = sum(a * np.exp(-stamps / tau) * np.sinh(half_s / tau) * tau / half_s for a, tau in weighted)
    sampled = sample_prediction(
        torch.tensor(prediction)[None],
        torch.tensor((stamps - half_s) * rate_hz)[None],
        torch.tensor((stamps + half_s) * rate_hz)[None],
    )[0]
    # straight lines between frames are off by at most an eighth of the squared interval times the second derivative,
    # and an exposure taken as an instant by a further part of the same size
    bound = sum(abs(a) / tau**2 for a, tau in weighted) / (6 * rate_hz**2)
    np.testing.assert_allclose(sampled, expected, atol=bound + 1e-9, rtol=0)


@given(start=st.floats(0, 18.9), width=st.floats(0, 20))
def test_a_straight_line_is_sampled_exactly_and_a_constant_stays_one(start: float, width: float) -> None:
    stop = min(start + width, 19.0)
    line = torch.arange(20.0, dtype=torch.float64)[None]
    edges = (torch.tensor([[start]], dtype=torch.float64), torch.tensor([[stop]], dtype=torch.float64))
    assert sample_prediction(line, *edges).item() == pytest.approx((start + stop) / 2, abs=1e-9)
    assert sample_prediction(torch.ones_like(line), *edges).item() == pytest.approx(1)


def test_the_gradient_flows_to_the_frames_of_the_exposure_and_no_others() -> None:
    prediction = torch.zeros(1, 10, requires_grad=True)
    sample_prediction(prediction, torch.tensor([[3.0]]), torch.tensor([[5.0]])).sum().backward()
    assert prediction.grad is not None
    assert prediction.grad[0].tolist() == [0, 0, 0, 0.25, 0.5, 0.25, 0, 0, 0, 0]


def _imaged(stimulus: str, stamps: np.ndarray, exposure_s: float = 0.0, **change: object) -> Recording:
    made = Recording("lc4", "a", stimulus, np.sin(stamps).astype(np.float32), stamps, 7.5, exposure_s=exposure_s)
    return replace(made, **change)  # type: ignore[arg-type]


def test_a_batch_brings_a_prediction_to_jittered_stamps_with_a_dropped_block() -> None:
    rng = np.random.default_rng(0)
    stamps = np.delete(np.arange(-4, 12) / 7.5 + rng.uniform(-0.02, 0.02, 16), slice(6, 9))
    data = Dataset.of({"loom": movie("loom")}, [_imaged("loom", stamps, 0.1), _imaged("loom", stamps[2:], 0.1)])
    (batch,) = loader(data, BatchingConfig(pre_grey_s=0.2, loss_start_s=0))
    clock = torch.arange(batch.codes.shape[1]).expand(2, -1).float()  # a prediction that tells the frame
    at = batch.at_samples(clock).numpy()
    onset = int((batch.contrast()[0] != 0).any(-1).any(-1).int().argmax()) - 3
    for row, recording in zip(range(2), data.recordings, strict=True):
        n = len(recording.trace)
        np.testing.assert_allclose((at[row, :n] - onset) / 60, recording.time_s, atol=1e-5)
        np.testing.assert_array_equal(batch.target[row, :n], recording.trace)
        np.testing.assert_array_equal(batch.weight[row, :n], recording.time_s >= 0)
        assert not batch.weight[row, n:].any()


def test_samples_that_are_not_finite_are_not_scored() -> None:
    stamps = np.arange(8) / 7.5
    trace = np.where(np.arange(8) == 3, np.nan, 1).astype(np.float32)
    (batch,) = loader(Dataset.of({"loom": movie("loom")}, [_imaged("loom", stamps, trace=trace)]), BatchingConfig())
    assert batch.weight[0].tolist() == [1, 1, 1, 0, 1, 1, 1, 1]
    assert torch.isfinite(batch.target).all()


def test_a_trace_at_the_movie_frames_has_no_second_clock() -> None:
    for batch in loader(dataset(), BatchingConfig()):
        assert batch.exposure is None
        assert batch.at_samples(batch.target) is batch.target


def test_movies_of_different_rates_come_in_batches_of_their_own() -> None:
    slow = Movie(movie("bar").frames[::2], 30.0, background=GREY, levels=movie("bar").levels)
    stamps = np.arange(8) / 7.5
    data = Dataset.of({"bar": slow, "loom": movie("loom")}, [_imaged("loom", stamps), _imaged("bar", stamps)] * 3)
    batches = list(loader(data, BatchingConfig(kind="recordings", batch_size=2), shuffle=True))
    assert sorted(batch.rate_hz for batch in batches) == [30, 30, 60, 60]
    assert sorted(i for batch in batches for i in batch.item.tolist()) == list(range(6))
