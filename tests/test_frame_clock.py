"""Frames shown at any times on an even clock: all of them, each at its time within the limit, in order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.errors import RateError
from stcnn.frame_clock import LIMIT_S, held_at


@pytest.mark.parametrize("rate_hz", [0.5, 10, 24, 23.976023976, 29.97002997, 30, 59.94005994, 60, 180, 72.3])
@pytest.mark.parametrize("resolution", [None, 3, 6])
def test_even_frames_keep_their_rate(rate_hz: float, resolution: int | None) -> None:
    times_s = 7.25 + np.arange(200) / rate_hz
    clock = held_at(times_s if resolution is None else np.round(times_s, resolution))
    assert clock.even
    assert clock.rate_hz == pytest.approx(rate_hz, rel=1e-9 if resolution is None else 1e-4)
    assert clock.frame.tolist() == list(range(200))
    assert clock.note("x") == ""


def test_a_pause_of_whole_frames_is_exact() -> None:
    shown = np.array([0, 1, 2, 30, 31, 33])
    clock = held_at(3 + shown / 30)
    assert (clock.rate_hz, clock.even) == (30, False)
    assert clock.greatest_error_s < 1e-9
    assert clock.frame.tolist() == [0, 1, *[2] * 28, 3, 4, 4, 5]
    assert (
        clock.note("a") == "a has frames 33.33 to 933.3 ms apart: each is held until the next at 30 Hz, off by at most "
        f"{1000 * clock.greatest_error_s:.2g} ms"
    )


def test_delays_of_a_gif_are_kept() -> None:
    clock = held_at([0, 0.03, 0.06, 0.1], end_s=0.5)
    assert (clock.rate_hz, len(clock.frame)) == (100, 50)
    assert np.bincount(clock.frame).tolist() == [3, 3, 4, 40]


def test_a_slow_clock_is_multiplied_and_a_single_frame_needs_an_end() -> None:
    clock = held_at([10, 15, 20], least_hz=30)
    assert (clock.rate_hz, np.bincount(clock.frame).tolist()) == (30, [150, 150, 150])
    one = held_at([10], end_s=12.5, least_hz=30)
    assert (one.rate_hz, len(one.frame)) == (30, 75)
    with pytest.raises(RateError, match="x has one frame and no end, expected the time for which it was shown"):
        held_at([10], what="x")


@pytest.mark.parametrize(
    ("times_s", "end_s", "sentence"),
    [
        ([0, 1, 0.5], None, r"x has a clock that runs back after frame 1 \(1 s, then 0.5 s\)"),
        ([0, 1, 1], None, r"x has a clock that stands after frame 1 \(1 s, then 1 s\)"),
        ([0, np.nan], None, "x has a frame 1 whose time is not finite"),
        ([], None, "x has no frames"),
        ([0, 1], 0.5, "x ends -0.5 s after its last frame appeared"),
        ([0, 1e-5, 1], None, "x has frames 0.01 ms apart, and no rate up to 1000 Hz shows each within 2 ms"),
    ],
)
def test_clocks_that_no_movie_can_have(times_s: list[float], end_s: float | None, sentence: str) -> None:
    with pytest.raises(RateError, match=sentence):
        held_at(times_s, end_s, what="x")


@given(st.lists(st.floats(0.003, 3), min_size=1, max_size=30), st.floats(-5, 1e6), st.floats(0.01, 1))
def test_every_frame_appears_at_its_time(intervals_s: list[float], start_s: float, lasts_s: float) -> None:
    times_s = start_s + np.concatenate([[0], np.cumsum(intervals_s)])
    clock = held_at(times_s, end_s=times_s[-1] + lasts_s)
    assert np.unique(clock.frame).tolist() == list(range(len(times_s)))
    assert (np.diff(clock.frame) >= 0).all()
    appears_s = clock.start_s + np.searchsorted(clock.frame, np.arange(len(times_s))) / clock.rate_hz
    assert np.abs(appears_s - times_s).max() <= LIMIT_S * 1.001
    assert np.abs(appears_s - times_s).max() == pytest.approx(clock.greatest_error_s, abs=1e-6)
    assert len(clock.frame) / clock.rate_hz == pytest.approx(times_s[-1] - times_s[0] + lasts_s, abs=1 / clock.rate_hz)
