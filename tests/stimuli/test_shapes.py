"""Every shape against an independent measure of what is on the screen: area, place, speed, spectrum, mean."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from stcnn import stimuli as s
from stcnn.errors import ConfigError
from stcnn.movie import Movie
from stcnn.stimuli import Screen, Timing
from stcnn.stimuli.screen import Array

SCREEN = Screen(rate_hz=60)


def covered_deg2(movie: Movie, luminance: float = 0.0) -> Array:
    """Area painted in each frame, from the light that is missing."""
    light = movie.contrast().sum(axis=(1, 2), dtype=float)
    return light / (luminance - movie.background) * movie.deg_per_px**2


def centroid_deg(movie: Movie, screen: Screen) -> tuple[Array, Array]:
    """Azimuth and elevation of the middle of the contrast in each frame, to a tenth of a pixel or so."""
    weight = movie.contrast() / movie.contrast().sum(axis=(1, 2), keepdims=True)
    return weight.sum(axis=1) @ screen.x_deg, weight.sum(axis=2) @ screen.y_deg


def flow_deg_s(movie: Movie) -> Array:
    """Motion of a whole picture (azimuth, elevation) that best keeps its brightness, by least squares."""
    frames = gaussian_filter(movie.luminance().astype(float), (0, 3, 3))
    dt, dy, dx = np.gradient(frames, 1 / movie.rate_hz, movie.deg_per_px, movie.deg_per_px)
    inner = np.s_[1:-1, 9:-9, 9:-9]
    design = np.stack([dx[inner].ravel(), -dy[inner].ravel()], axis=1)
    return np.asarray(-np.linalg.lstsq(design, dt[inner].ravel(), rcond=None)[0])


@pytest.mark.parametrize("speed", [10, 25, 100])
def test_a_looming_disc_grows_by_twice_the_speed_of_its_edge(speed: float) -> None:
    movie = s.looming_disc(SCREEN, start_deg=4, edge_speed_deg_s=speed)
    diameter = 2 * np.sqrt(covered_deg2(movie) / np.pi)
    np.testing.assert_allclose(diameter, 4 + 2 * speed * movie.time_s, atol=1e-3)
    assert diameter.max() <= 60


@given(st.floats(0.005, 0.2))
def test_an_approaching_disc_follows_the_law_of_r_over_v(r_over_v_s: float) -> None:
    movie = s.looming_disc(SCREEN, start_deg=5, end_deg=70, r_over_v_s=r_over_v_s)
    theta = np.radians(2 * np.sqrt(covered_deg2(movie) / np.pi))
    left_s = r_over_v_s / np.tan(theta / 2)  # theta = 2 atan((r/v) / t)
    np.testing.assert_allclose(left_s, left_s[0] - movie.time_s, atol=2e-4 * left_s[0])
    np.testing.assert_allclose(movie.track["size_deg"], np.degrees(theta), rtol=1e-4)


def test_the_edge_speed_in_the_track_is_the_growth_of_the_radius() -> None:
    movie = s.looming_disc(Screen(rate_hz=2000, shape_px=(1, 1)), start_deg=5, r_over_v_s=0.04)
    growth = np.gradient(movie.track["size_deg"] / 2, 1 / 2000)
    np.testing.assert_allclose(movie.track["speed_deg_s"][1:-1], growth[1:-1], rtol=1e-3)


def test_a_receding_disc_is_a_looming_one_backwards() -> None:
    looming = s.looming_disc(SCREEN, start_deg=2, end_deg=62, edge_speed_deg_s=50, timing=Timing(hold_last_s=1 / 60))
    receding = s.receding_disc(SCREEN, start_deg=62, end_deg=2, edge_speed_deg_s=50, timing=Timing(hold_last_s=1 / 60))
    np.testing.assert_allclose(receding.luminance(), looming.luminance()[::-1], atol=1e-6)


def test_the_dimming_control_is_as_bright_as_the_looming_disc_and_does_not_move() -> None:
    looming = s.looming_disc(SCREEN, edge_speed_deg_s=50)
    dimming = s.dimming_disc(SCREEN, edge_speed_deg_s=50)
    np.testing.assert_allclose(dimming.luminance().mean((1, 2)), looming.luminance().mean((1, 2)), atol=1e-5)
    shown = dimming.contrast()[1:] != 0
    assert (shown == shown[-1]).all()
    assert shown[-1].sum() == pytest.approx(np.pi * 30**2, rel=0.05)


def test_a_ring_is_a_disc_with_a_hole() -> None:
    ring = s.looming_ring(SCREEN, edge_speed_deg_s=50, line_deg=3)
    outer = ring.track["size_deg"] / 2
    area = np.pi * (outer**2 - np.maximum(outer - 3, 0) ** 2)
    np.testing.assert_allclose(covered_deg2(ring), area, atol=1e-2)


@settings(max_examples=25)
@given(st.floats(0, 360), st.floats(3, 12), st.floats(3, 20), st.floats(50, 200))
def test_a_rectangle_moves_where_and_as_fast_as_it_should(
    direction: float, width: float, height: float, speed: float
) -> None:
    movie = s.moving_rectangle(
        SCREEN, width_deg=width, height_deg=height, speed_deg_s=speed, direction_deg=direction,
        start_deg=-20, stop_deg=20, azimuth_deg=3, elevation_deg=-4,
    )  # fmt: skip
    azimuth, elevation = centroid_deg(movie, SCREEN)
    along = -20 + speed * movie.time_s
    np.testing.assert_allclose(azimuth, 3 + along * np.cos(np.radians(direction)), atol=0.1)
    np.testing.assert_allclose(elevation, -4 + along * np.sin(np.radians(direction)), atol=0.1)
    np.testing.assert_allclose(movie.track["azimuth_deg"], azimuth, atol=0.1)
    np.testing.assert_allclose(movie.track["elevation_deg"], elevation, atol=0.1)
    np.testing.assert_allclose(covered_deg2(movie), width * height, rtol=1e-4)


@pytest.mark.parametrize("direction", [0, 45, 90, 180, 300])
def test_an_object_crosses_the_whole_field_from_out_of_view_to_out_of_view(direction: float) -> None:
    movie = s.moving_rectangle(SCREEN, width_deg=7, height_deg=7, direction_deg=direction, timing=Timing(after_s=0.1))
    area = covered_deg2(movie)
    assert area.max() == pytest.approx(49, rel=1e-3)
    np.testing.assert_allclose(area[[0, -1]], 0, atol=1e-3)


@pytest.mark.parametrize(("direction", "quarter_turns"), [(0, 0), (90, 1), (180, 2), (270, 3)])
def test_directions_are_counter_clockwise_from_rightward(direction: float, quarter_turns: int) -> None:
    movie = s.moving_edge(SCREEN, direction_deg=direction, speed_deg_s=60)
    after_a_frame = np.rot90(movie.contrast()[1], -quarter_turns)  # turned back clockwise
    assert (after_a_frame[:, 0] < -0.4).all()  # the edge is one pixel in from the left
    assert not after_a_frame[:, 1:].any()


def test_the_edge_of_an_edge_is_where_its_track_says() -> None:
    movie = s.moving_edge(SCREEN, speed_deg_s=50)
    np.testing.assert_allclose(covered_deg2(movie) / 83, movie.track["azimuth_deg"] + 83 / 2, atol=1e-4)
    np.testing.assert_allclose(np.diff(movie.track["azimuth_deg"]), 50 / 60)


def test_a_bar_is_as_wide_as_it_should_be_and_spans_the_field() -> None:
    movie = s.moving_bar(SCREEN, width_deg=10, luminance=1, direction_deg=90)
    middle = movie.contrast()[movie.n_frames // 2] / (1 - movie.background)
    np.testing.assert_allclose(middle.sum(axis=0), 10, rtol=1e-5)


def test_a_bar_thinner_than_a_pixel_keeps_its_share_of_contrast() -> None:
    movie = s.moving_bar(SCREEN, width_deg=0.5, speed_deg_s=30)
    light = (movie.background - movie.luminance()).max(axis=(1, 2)) / movie.background
    assert light[1:-1].max() == pytest.approx(0.5, abs=1e-6)


@given(st.floats(0, 360), st.floats(5, 15))
def test_a_spot_keeps_its_area_and_follows_its_track(direction: float, size: float) -> None:
    movie = s.moving_spot(SCREEN, size_deg=size, direction_deg=direction, start_deg=-20, stop_deg=20)
    np.testing.assert_allclose(covered_deg2(movie), np.pi * size**2 / 4, rtol=1e-4)
    azimuth, elevation = centroid_deg(movie, SCREEN)
    np.testing.assert_allclose(azimuth, movie.track["azimuth_deg"], atol=0.02)
    np.testing.assert_allclose(elevation, movie.track["elevation_deg"], atol=0.02)


def test_a_flash_appears_and_disappears_with_its_patch() -> None:
    movie = s.flash(SCREEN, luminance=1, duration_s=0.5, patch_deg=(4, 9), timing=Timing(before_s=0.25, after_s=0.25))
    np.testing.assert_allclose(covered_deg2(movie, 1.0), np.where(np.abs(np.arange(60) - 29.5) < 15, 36, 0), atol=1e-4)


def test_luminance_steps_last_as_long_as_they_should() -> None:
    movie = s.luminance_steps(SCREEN, luminances=(0, 0.25, 1), step_s=0.5)
    np.testing.assert_allclose(movie.luminance()[:, 0, 0], np.repeat([0, 0.25, 1], 30), atol=1e-6)


def test_flicker_has_its_frequency_mean_and_contrast() -> None:
    movie = s.flicker(Screen(rate_hz=180), frequency_hz=5, duration_s=2, contrast=0.6, waveform="sine")
    light = movie.luminance()[:, 40, 40]
    spectrum = np.abs(np.fft.rfft(light - light.mean()))
    assert np.fft.rfftfreq(360, 1 / 180)[spectrum.argmax()] == 5
    assert light.mean() == pytest.approx(movie.background, abs=1e-5)
    assert (light.max() - light.min()) / (light.max() + light.min()) == pytest.approx(0.6, abs=1e-3)


def test_square_flicker_switches_on_its_frames_and_starts_dark() -> None:
    movie = s.flicker(Screen(rate_hz=180), frequency_hz=15, duration_s=0.4)
    assert (movie.contrast()[:, 0, 0] > 0).tolist() == ([False] * 6 + [True] * 6) * 6


def test_contrast_steps_have_their_contrasts() -> None:
    movie = s.contrast_steps(SCREEN, contrasts=(0.1, 0.5, 1), step_s=1, frequency_hz=5)
    light = movie.contrast()[:, 3, 3].reshape(3, 60)
    np.testing.assert_allclose(light.max(axis=1) / movie.background, [0.1, 0.5, 1], rtol=1e-5)
    np.testing.assert_allclose(light.mean(axis=1), 0, atol=1e-6)


@pytest.mark.parametrize(("direction", "k"), [(0, (0, 8)), (90, (-8, 0)), (45, (-8, 8)), (180, (0, -8))])
def test_a_sine_grating_is_one_wave_in_space_and_time(direction: float, k: tuple[int, int]) -> None:
    screen = Screen(shape_px=(64, 64), rate_hz=64)
    period = 8 / (np.sqrt(2) if direction == 45 else 1)
    movie = s.drifting_grating(screen, period_deg=period, frequency_hz=4, direction_deg=direction, waveform="sine")
    power = np.abs(np.fft.fftn(movie.contrast())) ** 2
    wanted = {(-4 % 64, k[0] % 64, k[1] % 64), (4, -k[0] % 64, -k[1] % 64)}
    assert {tuple(map(int, at)) for at in np.argwhere(power > 1e-3 * power.max())} == wanted


def test_a_square_grating_has_odd_harmonics_that_fall_with_their_order() -> None:
    movie = s.drifting_grating(Screen(shape_px=(1, 360), deg_per_px=0.1), period_deg=36, speed_deg_s=0, duration_s=0.1)
    amplitude = np.abs(np.fft.rfft(movie.contrast()[0, 0])) / 360 * 2 / movie.background
    np.testing.assert_allclose(amplitude[1:9:2], 4 / np.pi / np.arange(1, 9, 2), rtol=1e-3)
    np.testing.assert_allclose(amplitude[0:9:2], 0, atol=1e-6)


@pytest.mark.parametrize("direction", [0, 30, 135, 270])
def test_a_grating_drifts_in_its_direction_at_its_speed(direction: float) -> None:
    movie = s.drifting_grating(
        SCREEN, period_deg=25, speed_deg_s=20, direction_deg=direction, waveform="sine", contrast=0.9
    )
    frames = movie.luminance().astype(float)
    dt, dy, dx = np.gradient(frames, 1 / 60, 1, 1)
    normal = np.array([np.cos(np.radians(direction)), np.sin(np.radians(direction))])
    slope = (dx * normal[0] - dy * normal[1])[1:-1, 2:-2, 2:-2]
    speed = -(dt[1:-1, 2:-2, 2:-2] * slope).sum() / (slope**2).sum()
    assert speed == pytest.approx(20, rel=0.02)


def test_the_mean_of_a_grating_is_the_background_unless_another_is_given() -> None:
    grey = s.drifting_grating(SCREEN, period_deg=83 / 9, frequency_hz=1)
    dark = s.drifting_grating(SCREEN, period_deg=83 / 9, frequency_hz=1, mean_luminance=0.249)
    assert grey.luminance().mean() == pytest.approx(0.498, abs=1e-3)
    assert dark.luminance().mean() == pytest.approx(0.249, abs=1e-3)
    assert dark.luminance().max() == pytest.approx(0.498, abs=1e-6)


def test_an_aperture_shows_the_grating_and_nothing_around_it() -> None:
    whole = s.drifting_grating(SCREEN, period_deg=8, frequency_hz=2)
    movie = s.drifting_grating(SCREEN, period_deg=8, frequency_hz=2, aperture_deg=(15, 7))
    np.testing.assert_array_equal(movie.luminance()[:, 38:45, 34:49], whole.luminance()[:, 38:45, 34:49])
    assert not movie.contrast()[:, :38].any()
    assert not movie.contrast()[:, :, 49:].any()


def test_dots_move_together_at_full_coherence() -> None:
    movie = s.moving_dots(SCREEN, size_deg=6, dots_per_deg2=0.005, speed_deg_s=20, duration_s=0.5, direction_deg=150)
    np.testing.assert_allclose(flow_deg_s(movie), 20 * np.array([np.cos(np.radians(150)), 0.5]), atol=2.5)


def test_dots_without_coherence_do_not_move_as_a_whole_and_density_is_kept() -> None:
    movie = s.moving_dots(
        SCREEN, size_deg=3, dots_per_deg2=0.01, speed_deg_s=20, duration_s=1, coherence=0, lifetime_s=0.4, seed=3
    )
    assert np.abs(flow_deg_s(movie)).max() < 5
    single = np.pi * 1.5**2 * 0.01
    np.testing.assert_allclose(covered_deg2(movie) / 83**2, 1 - np.exp(-single), rtol=0.25)


def test_a_figure_hides_the_ground_and_the_ground_moves_behind_it() -> None:
    ground = {"kind": "drifting_grating", "period_deg": 20, "speed_deg_s": 30, "contrast": 0.5, "duration_s": 0.5}
    figure = {"kind": "flash", "luminance": 0.1, "duration_s": 0.5, "patch_deg": [9, 9]}
    movie, alone = s.overlay(SCREEN, parts=[ground, figure]), s.render(SCREEN, ground)
    np.testing.assert_allclose(movie.luminance()[:, 37:46, 37:46], 0.1, atol=1e-6)
    np.testing.assert_allclose(movie.luminance()[:, :37], alone.luminance()[:, :37], atol=1e-6)


def test_a_sequence_shows_one_after_the_other() -> None:
    parts = [
        {"kind": "flash", "luminance": 1, "duration_s": 0.5, "timing": {"before_s": 0.5}},
        {"kind": "looming_disc", "edge_speed_deg_s": 30},
    ]
    movie = s.sequence(SCREEN, parts=parts)
    first, second = (s.render(SCREEN, part) for part in parts)
    np.testing.assert_allclose(movie.luminance()[:60], first.luminance(), atol=1e-6)
    np.testing.assert_allclose(movie.luminance()[60:], second.luminance(), atol=1e-6)
    assert movie.onset_s == 0.5


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: s.looming_disc(SCREEN), "exactly one of the two"),
        (lambda: s.looming_disc(SCREEN, edge_speed_deg_s=10, r_over_v_s=0.1), "exactly one of the two"),
        (lambda: s.looming_disc(SCREEN, r_over_v_s=0.04), "the smaller is above 0"),
        (lambda: s.looming_disc(SCREEN, start_deg=20, end_deg=10, edge_speed_deg_s=5), "start_deg from 0 to end_deg"),
        (lambda: s.drifting_grating(SCREEN, period_deg=9), "exactly one of the two"),
        (lambda: s.drifting_grating(SCREEN, period_deg=9, frequency_hz=1, mean_luminance=0.7), "at most 1"),
        (lambda: s.moving_bar(SCREEN, width_deg=3, start_deg=5, stop_deg=-5), "stop_deg beyond start_deg"),
        (lambda: s.moving_bar(SCREEN, width_deg=-3), "width_deg=-3"),
        (lambda: s.sparse_noise(SCREEN, check_deg=50, flash_s=0.1, per_flash=9), "at most the 4 places"),
        (lambda: s.sequence(SCREEN, parts=[]), "parts"),
        (lambda: s.overlay(SCREEN, parts=[{"kind": "flsh"}]), "did you mean 'flash'"),
    ],
)
def test_impossible_stimuli_are_refused_with_a_sentence(make: Callable[[], Movie], said: str) -> None:
    with pytest.raises(ConfigError, match="(?i)" + said.replace("(", r"\(")):
        make()
