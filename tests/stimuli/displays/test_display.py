"""Displays: solid angles by analytic values, directions, pieces of pixels, and light of levels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.errors import ShapeError
from stcnn.stimuli.displays import Dome, FlatScreen
from stcnn.stimuli.displays.display import Display, luminance_of
from stcnn.stimuli.sphere import directions


def test_six_screens_make_a_box() -> None:
    screens = [FlatScreen(shape_px=(30, 30), px_mm=2, distance_mm=30, azimuth_deg=a) for a in (0, 90, 180, 270)]
    screens += [FlatScreen(shape_px=(30, 30), px_mm=2, distance_mm=30, elevation_deg=e) for e in (-90, 90)]
    for screen in screens:
        assert screen.geometry().coverage == pytest.approx(1 / 6, rel=1e-12)


@given(st.floats(1, 500), st.integers(1, 20), st.integers(1, 20), st.floats(-180, 180), st.floats(-90, 90))
def test_a_flat_screen_has_the_solid_angle_of_a_rectangle(
    distance_mm: float, rows: int, columns: int, azimuth_deg: float, elevation_deg: float
) -> None:
    screen = FlatScreen(shape_px=(rows, columns), px_mm=3, distance_mm=distance_mm, azimuth_deg=azimuth_deg)
    display = screen.model_copy(update={"elevation_deg": elevation_deg, "roll_deg": 20.0}).geometry()
    height, width = 3 * rows / (2 * distance_mm), 3 * columns / (2 * distance_mm)
    expected = 4 * np.arcsin(height * width / np.sqrt((1 + height**2) * (1 + width**2)))
    assert display.solid_angle_sr.sum() == pytest.approx(expected, rel=1e-9)
    middle = directions.normalised(display.corners.mean(axis=(0, 1, 2)))
    assert directions.angle_deg(middle, directions.unit(azimuth_deg, elevation_deg)) < 1e-6


def test_a_flat_screen_is_seen_upright() -> None:
    display = FlatScreen(shape_px=(3, 5), px_mm=10, distance_mm=50).geometry()
    assert display.shape_px == (3, 5)
    assert display.azimuth_deg[1].tolist() == pytest.approx(np.degrees(np.arctan([-0.4, -0.2, 0, 0.2, 0.4])))
    assert display.elevation_deg[:, 2].tolist() == pytest.approx(np.degrees(np.arctan([0.2, 0, -0.2])))
    upper_left = display.corner_directions[0, 0, 0]
    np.testing.assert_allclose(upper_left, directions.normalised(np.array([-25.0, 50.0, 15.0])))


def test_a_dome_fills_the_sphere_and_its_parts() -> None:
    whole = Dome(shape_px=(36, 72)).geometry()
    assert whole.coverage == pytest.approx(1, rel=1e-12)
    part = Dome(shape_px=(9, 20), azimuth_deg=(-30, 90), elevation_deg=(0, 30)).geometry()
    assert part.solid_angle_sr.sum() == pytest.approx(np.radians(120) / 2, rel=1e-12)
    assert part.elevation_deg[0, 0] == pytest.approx(30 - 30 / 18)
    assert part.azimuth_deg[0, 0] == pytest.approx(-27)


@given(st.integers(1, 4), st.floats(-80, 80))
def test_pieces_of_pixels_share_their_solid_angle(per_side: int, elevation_deg: float) -> None:
    display = FlatScreen(shape_px=(2, 3), px_mm=20, distance_mm=40, elevation_deg=elevation_deg).geometry()
    vectors, share = display.samples(per_side)
    np.testing.assert_allclose(share.sum(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1, rtol=1e-12)
    assert vectors.shape == (2, 3, per_side**2, 3)
    if per_side == 1:
        np.testing.assert_allclose(vectors[:, :, 0], display.directions, atol=1e-12)


def test_levels_of_leds() -> None:
    assert luminance_of(np.array([0, 5, 15]), 16).tolist() == pytest.approx([0, 1 / 3, 1])
    assert luminance_of(np.array([[0, 1], [2, 3]]), 4, (2, 4, 10, 20)).tolist() == [[0.1, 0.2], [0.5, 1.0]]
    for measured in ((1.0, 2.0), (2.0, 1.0, 3.0, 4.0), (0.0, 0.0, 0.0, 0.0)):
        with pytest.raises(ShapeError, match="measured luminances of 4 levels"):
            luminance_of(np.zeros(3, int), 4, measured)


def test_corners_must_be_numbers() -> None:
    with pytest.raises(ShapeError, match="corners of pixels have the shape"):
        Display(np.zeros((2, 2, 3)))
