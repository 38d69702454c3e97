"""Antialiasing: the covered fraction of each pixel against areas known from geometry and against supersampling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stcnn.stimuli.coverage import disc_coverage, dots_coverage, overlaps, polygon_coverage, rectangle_coverage
from stcnn.stimuli.screen import Array, Screen
from stcnn.stimuli.waves import Waveform, pixel_wave, wave

SMALL = Screen(shape_px=(22, 27), deg_per_px=0.5)
FINE = 24  # samples along a pixel's side

places = st.floats(-4, 4)
sizes = st.floats(0, 3.5)
angles = st.floats(-360, 720)


def fine_grid(screen: Screen) -> tuple[Array, Array]:
    """Azimuth and elevation of FINE x FINE samples in each pixel, (Y, FINE, X, FINE)."""
    offset = ((np.arange(FINE) + 0.5) / FINE - 0.5) * screen.deg_per_px
    x = screen.x_deg[:, None] + offset
    y = screen.y_deg[:, None] + offset
    x, y = np.broadcast_arrays(x[None, None], y[:, :, None, None])
    return x, y


def supersampled(inside: NDArray[np.bool_]) -> Array:
    return np.asarray(inside.mean(axis=(1, 3)))


@given(places, places, sizes)
def test_a_disc_covers_its_area(azimuth: float, elevation: float, size: float) -> None:
    covered = disc_coverage(SMALL, azimuth, elevation / 2, size).sum() * SMALL.deg_per_px**2  # all of it on the screen
    assert covered == pytest.approx(np.pi * size**2 / 4, abs=1e-4)


@given(places, places, sizes, sizes, angles)
def test_a_rectangle_covers_its_area_in_any_direction(
    azimuth: float, elevation: float, width: float, height: float, direction: float
) -> None:
    centre = azimuth / 2, elevation / 2
    covered = rectangle_coverage(SMALL, centre, (width, height), direction).sum() * SMALL.deg_per_px**2
    assert covered == pytest.approx(width * height, abs=1e-4)


@given(places, places, st.floats(0.2, 12))
def test_each_pixel_of_a_disc_agrees_with_supersampling(azimuth: float, elevation: float, size: float) -> None:
    x, y = fine_grid(SMALL)
    reference = supersampled((x - azimuth) ** 2 + (y - elevation) ** 2 < size**2 / 4)
    np.testing.assert_allclose(disc_coverage(SMALL, azimuth, elevation, size)[0], reference, atol=0.03)


@given(places, places, st.floats(0.2, 12), st.floats(0.2, 12), angles)
def test_each_pixel_of_a_rectangle_agrees_with_supersampling(
    azimuth: float, elevation: float, width: float, height: float, direction: float
) -> None:
    x, y = fine_grid(SMALL)
    cosine, sine = np.cos(np.radians(direction)), np.sin(np.radians(direction))
    along = (x - azimuth) * cosine + (y - elevation) * sine
    across = (y - elevation) * cosine - (x - azimuth) * sine
    reference = supersampled((np.abs(along) < width / 2) & (np.abs(across) < height / 2))
    covered = rectangle_coverage(SMALL, (azimuth, elevation), (width, height), direction)[0]
    np.testing.assert_allclose(covered, reference, atol=0.08)


def test_a_triangle_covers_half_of_its_square() -> None:
    covered = polygon_coverage(SMALL, [-3.2, 3.2, 3.2], [-3.2, -3.2, 3.2])
    assert covered.sum() * SMALL.deg_per_px**2 == pytest.approx(6.4**2 / 2, abs=1e-4)


@given(st.floats(1e-9, 1e-2))
def test_directions_next_to_an_axis_differ_little_from_the_axis(tilt: float) -> None:
    straight = rectangle_coverage(SMALL, (0.3, 0.2), (3, 5), 0)
    np.testing.assert_allclose(rectangle_coverage(SMALL, (0.3, 0.2), (3, 5), tilt), straight, atol=1e-3)


def test_half_a_degree_on_a_degree_gives_half_the_coverage() -> None:
    screen = Screen(shape_px=(3, 3), deg_per_px=1)
    covered = rectangle_coverage(screen, (0, 0), (0.5, 10), 0)[0]
    np.testing.assert_array_equal(covered, [[0, 0.5, 0]] * 3)


def test_shapes_out_of_view_cover_nothing_and_large_ones_everything() -> None:
    assert disc_coverage(SMALL, [50, -50], [0, 50], [3, 20]).max() == 0
    assert disc_coverage(SMALL, 0, 0, 100).min() == 1
    assert rectangle_coverage(SMALL, (0, 0), (100, 100), 37).min() == 1


@given(st.integers(0, 2**32 - 1))
def test_many_discs_cover_what_single_discs_cover(seed: int) -> None:
    random = np.random.default_rng(seed)
    azimuth, elevation = random.uniform(-12, 12, (2, 3, 5))
    free = np.ones((3, *SMALL.shape_px))
    for k in range(5):
        free *= 1 - disc_coverage(SMALL, azimuth[:, k], elevation[:, k], 1.3)
    np.testing.assert_allclose(dots_coverage(SMALL, azimuth, elevation, 1.3), 1 - free, atol=1e-5)


@given(st.floats(0.1, 3))
def test_parts_that_tile_a_line_fill_every_pixel(part_deg: float) -> None:
    parts = np.arange(-100, 101) * part_deg
    np.testing.assert_allclose(overlaps(SMALL.x_edges_deg, parts[np.abs(parts) < 20]).sum(axis=1), 1)


@given(st.floats(0, 360), st.sampled_from(["sine", "square"]), st.floats(1.2, 20))
def test_the_wave_of_a_pixel_is_its_average(direction: float, waveform: Waveform, period_deg: float) -> None:
    screen = Screen(shape_px=(7, 9))
    cosine, sine = np.cos(np.radians(direction)), np.sin(np.radians(direction))
    x, y = fine_grid(screen)
    reference = wave((x * cosine + y * sine) / period_deg, waveform).mean(axis=(1, 3))
    middle = (screen.x_deg * cosine + screen.y_deg[:, None] * sine) / period_deg
    averaged = pixel_wave(middle, waveform, (cosine / period_deg, sine / period_deg))
    np.testing.assert_allclose(averaged, reference, atol=0.2 if waveform == "square" else 2e-3)
    assert np.mean(np.abs(averaged - reference)) < 0.06  # an edge along the samples is placed to 1 / FINE
