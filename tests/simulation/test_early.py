"""The early stage against its formulas, and the same physical stimulus at different rates and resolutions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lsim

from stcnn.errors import ShapeError
from stcnn.movie import Movie
from stcnn.simulation.early import EarlyStage, early_stage, low_pass
from stcnn.stimuli import Screen, flash, looming_disc, moving_rectangle


@given(tau_s=st.floats(0.003, 1), rate_hz=st.floats(30, 400))
def test_low_pass_is_the_exponential_filter_of_what_straight_lines_join(tau_s: float, rate_hz: float) -> None:
    x = np.random.default_rng(0).standard_normal((40, 1))
    time_s = np.arange(41) / rate_hz
    _, expected, _ = lsim(([1], [tau_s, 1]), np.concatenate([[0], x[:, 0]]), time_s)
    np.testing.assert_allclose(low_pass(x, tau_s, rate_hz)[:, 0], expected[1:], atol=1e-7)


def test_grey_movie_says_nothing() -> None:
    grey = Movie(np.full((10, 83, 83), 0.498, np.float32), 60.0)
    assert all(not signal.any() for signal in early_stage(grey).signals.values())


def test_column_weighs_a_point_by_its_acceptance_function() -> None:
    frames = np.full((1, 83, 83), 0.498, np.float32)
    frames[0, 41, 41 + 9] = 0.0  # 9 deg to the right is a column, the middle is two away
    off = early_stage(Movie(frames, 180.0), EarlyStage(adaptation_contrast=1e6)).signals["off"][0]
    y, x = np.unravel_index(off.argmax(), off.shape)
    columns = early_stage(Movie(frames, 180.0))
    assert columns.elevation_deg[y] == 0.0
    assert columns.azimuth_deg[x] == 9.0
    assert off[y, x - 1] / off[y, x] == pytest.approx(0.5 ** ((4.5 / 2.5) ** 2), rel=1e-3)


def test_darkening_is_off_and_brightening_is_on() -> None:
    screen = Screen(rate_hz=180)
    dark, bright = (early_stage(flash(screen, luminance=v, duration_s=0.2)).signals for v in (0.0, 0.996))
    np.testing.assert_allclose(dark["off"], bright["on"], rtol=1e-5)
    assert not dark["on"].any()
    assert not bright["dark"].any()


@pytest.mark.parametrize(
    ("direction_deg", "signal", "sign"),
    [(0, "rightward", 1), (180, "rightward", -1), (90, "upward", 1), (270, "upward", -1)],
)
def test_motion_has_the_sign_of_the_direction(direction_deg: float, signal: str, sign: int) -> None:
    movie = moving_rectangle(Screen(), width_deg=9, height_deg=9, direction_deg=direction_deg)
    motion = sign * early_stage(movie).signals[signal]
    assert motion.clip(min=0).sum() > 20 * (-motion).clip(min=0).sum()


def test_thin_follows_narrow_objects_alone() -> None:
    movies = [moving_rectangle(Screen(), width_deg=width, height_deg=30) for width in (4.5, 15, 30)]
    thin = [early_stage(movie).signals["thin"].max() for movie in movies]
    assert thin[0] > 2.5 * thin[1] > 20 * thin[2]


@pytest.mark.parametrize("rate_hz", [60.0, 90.0, 360.0])
def test_same_stimulus_at_another_rate_gives_the_same(rate_hz: float) -> None:
    reference, other = (
        early_stage(looming_disc(Screen(rate_hz=rate), edge_speed_deg_s=50)) for rate in (180.0, rate_hz)
    )
    for name in ("off", "dark", "rightward"):
        total = [columns.signals[name].clip(min=0).sum() / columns.rate_hz for columns in (reference, other)]
        assert total[0] == pytest.approx(total[1], rel=0.1)


def test_resolution_of_the_movie_does_not_matter() -> None:
    fine = looming_disc(Screen(shape_px=(166, 166), deg_per_px=0.5), edge_speed_deg_s=50)
    coarse = looming_disc(Screen(), edge_speed_deg_s=50)
    np.testing.assert_allclose(early_stage(fine).signals["dark"], early_stage(coarse).signals["dark"], atol=0.01)


def test_field_of_less_than_three_columns_is_refused() -> None:
    with pytest.raises(ShapeError, match="field is 6 degrees wide, expected at least 9 degrees"):
        early_stage(Movie(np.full((3, 6, 6), 0.5, np.float32), 60.0))
