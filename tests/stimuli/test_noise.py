"""Noise: its statistics, its spectrum, its motion, and that a seed decides all of it."""

from typing import Any

import numpy as np
import pytest

from stcnn import stimuli as s
from stcnn.stimuli import Screen
from tests.stimuli.test_shapes import flow_deg_s

SCREEN = Screen(shape_px=(60, 60), rate_hz=60)


def test_binary_noise_has_two_levels_around_the_background_and_a_flat_spectrum() -> None:
    movie = s.white_noise(SCREEN, check_deg=1, update_hz=60, duration_s=2, contrast=0.8)
    contrast = movie.contrast() / movie.background
    np.testing.assert_allclose(np.unique(np.round(contrast, 4)), [-0.8, 0.8])
    assert contrast.mean() == pytest.approx(0, abs=0.005)
    power = np.abs(np.fft.fftn(contrast)) ** 2 / contrast.size
    coarse = power.reshape(4, 30, 4, 15, 4, 15).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(coarse, 0.64, rtol=0.1)


def test_gaussian_noise_has_its_contrast_and_stays_between_black_and_white() -> None:
    movie = s.white_noise(SCREEN, check_deg=3, update_hz=20, duration_s=4, contrast=0.3, distribution="gaussian")
    assert movie.contrast().std() / movie.background == pytest.approx(0.3, rel=0.02)
    assert movie.luminance().min() >= 0
    assert movie.luminance().max() <= 1


def test_noise_changes_only_at_its_updates() -> None:
    movie = s.white_noise(Screen(shape_px=(20, 20), rate_hz=180), check_deg=5, update_hz=20, duration_s=1)
    changes = np.flatnonzero(np.any(np.diff(movie.luminance(), axis=0), axis=(1, 2))) + 1
    assert changes.tolist() == list(range(9, 180, 9))


def test_sparse_noise_shows_every_place_with_every_luminance_once() -> None:
    movie = s.sparse_noise(SCREEN, check_deg=10, flash_s=0.1, gap_s=0.05, luminances=(0, 1))
    flashes = movie.contrast()[3::9]  # the middle of each flash of 6 frames, every 9 frames
    assert len(flashes) == 72
    checks = flashes.reshape(72, 6, 10, 6, 10).mean(axis=(2, 4))
    assert (np.count_nonzero(checks, axis=(1, 2)) == 1).all()
    assert (np.count_nonzero(checks > 0.1, axis=0) == 1).all()
    assert (np.count_nonzero(checks < -0.1, axis=0) == 1).all()
    assert not movie.contrast()[7::9].any()


def test_the_track_of_sparse_noise_says_where_each_check_is() -> None:
    movie = s.sparse_noise(SCREEN, check_deg=10, flash_s=0.1)
    weight = np.abs(movie.contrast())
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(weight.sum(axis=1) @ SCREEN.x_deg, movie.track["azimuth_deg"], atol=1e-4)
    np.testing.assert_allclose(weight.sum(axis=2) @ SCREEN.y_deg, movie.track["elevation_deg"], atol=1e-4)


def test_checks_shown_together_are_at_different_places() -> None:
    movie = s.sparse_noise(SCREEN, check_deg=10, flash_s=1 / 60, per_flash=5)
    checks = movie.contrast().reshape(-1, 6, 10, 6, 10).mean(axis=(2, 4))
    assert len(checks) == 16
    assert sorted(np.count_nonzero(checks, axis=(1, 2))) == [1, 1] + [5] * 14


def test_natural_scenes_have_power_that_falls_with_the_square_of_frequency() -> None:
    screen = Screen(shape_px=(128, 128), rate_hz=60)
    power = np.zeros((128, 128))
    window = np.hanning(128)[:, None] * np.hanning(128)
    for seed in range(12):
        movie = s.natural_motion(screen, duration_s=0.01, velocity_deg_s=0, contrast=0.2, seed=seed)
        power += np.abs(np.fft.fft2(movie.contrast()[0] * window)) ** 2
    frequency = np.fft.fftfreq(128)
    radius = np.hypot(frequency[:, None], frequency)
    pixel = np.sinc(frequency[:, None]) ** 2 * np.sinc(frequency) ** 2
    kept = (radius > 0.04) & (radius < 0.3)
    slope = np.polyfit(np.log(radius[kept]), np.log(power[kept] / pixel[kept]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.15)


def test_natural_scenes_have_their_contrast() -> None:
    movies = [s.natural_motion(SCREEN, duration_s=0.01, contrast=0.25, seed=seed) for seed in range(40)]
    contrast = np.stack([movie.contrast()[0] for movie in movies]) / 0.498
    assert contrast.std() == pytest.approx(0.25, rel=0.15)
    assert abs(contrast.mean()) < 0.05


def test_natural_scenes_move_as_their_track_says() -> None:
    movie = s.natural_motion(
        Screen(shape_px=(60, 60), rate_hz=500),
        duration_s=0.1,
        velocity_deg_s=40,
        velocity_tau_s=5,
        finest_deg=8,
        seed=2,
    )
    way = [movie.track[name][-1] - movie.track[name][0] for name in ("azimuth_deg", "elevation_deg")]
    np.testing.assert_allclose(flow_deg_s(movie), np.array(way) / (movie.time_s[-1]), rtol=0.1)


def test_the_velocity_of_natural_motion_has_its_spread_and_memory() -> None:
    movie = s.natural_motion(
        Screen(shape_px=(1, 1), rate_hz=100), duration_s=200, velocity_deg_s=60, velocity_tau_s=0.2, finest_deg=2
    )
    velocity = np.diff(movie.track["azimuth_deg"]) * 100
    assert velocity.std() == pytest.approx(60, rel=0.12)
    assert np.corrcoef(velocity[:-20], velocity[20:])[0, 1] == pytest.approx(np.exp(-1), abs=0.08)


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "white_noise", "check_deg": 5, "update_hz": 30, "duration_s": 0.5},
        {"kind": "sparse_noise", "check_deg": 20, "flash_s": 0.1},
        {"kind": "natural_motion", "duration_s": 0.2},
        {"kind": "moving_dots", "size_deg": 3, "dots_per_deg2": 0.01, "speed_deg_s": 30, "duration_s": 0.2},
    ],
)
def test_a_seed_decides_the_noise(arguments: dict[str, Any]) -> None:
    first, again, other = (s.render(SCREEN, {**arguments, "seed": seed}).luminance() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
