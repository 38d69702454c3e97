"""From a display to an eye: shares of columns sum to 1, gratings lose the contrast of a Gaussian, rays agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stcnn.errors import ShapeError
from stcnn.stimuli.displays import Arena, Dome, FlatScreen, Optics
from stcnn.stimuli.displays.optics import acceptance_sr
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.scenes import Grating

PLACES_DEG = np.array(
    [(0.0, 0.0), (37.3, 21.7), (-170.2, -64.9), (179.9, 3.0), (12.0, 88.9), (0.0, 90.0), (45.0, -90.0)]
)
LOOKS = directions.unit(*PLACES_DEG.T)


@pytest.fixture(scope="module")
def dome() -> Optics:
    return Optics.of(Dome(shape_px=(120, 240)).geometry(), LOOKS, 5.0)


def test_shares_of_columns_sum_to_1(dome: Optics) -> None:
    sums = np.asarray(dome.weights.sum(axis=1)).ravel()
    np.testing.assert_allclose(sums, 1, atol=1e-12)
    assert not dome.outside.any()
    arena = Arena(generation="G6", num_rows=2, num_cols=10, columns_installed=tuple(range(1, 9))).geometry()
    part = Optics.of(arena, LOOKS, 5.0)
    np.testing.assert_allclose(np.asarray(part.weights.sum(axis=1)).ravel() + part.outside, 1, atol=1e-6)
    assert part.outside.tolist() == pytest.approx([0, 0, 1, 1, 1, 1, 1], abs=1e-6)


@pytest.mark.parametrize("place", range(len(PLACES_DEG)))
def test_a_grating_keeps_the_contrast_of_the_gaussian_everywhere(place: int) -> None:
    azimuth_deg, elevation_deg = PLACES_DEG[place]
    lower_deg, upper_deg = max(elevation_deg - 13, -90), min(elevation_deg + 13, 90)
    level = math.cos(math.radians(max(-lower_deg, upper_deg)))
    half_deg = min(180, 14 / max(level, 0.01))
    patch = Dome(
        shape_px=(round((upper_deg - lower_deg) / 0.25), 220),
        azimuth_deg=(azimuth_deg - half_deg, azimuth_deg + half_deg),
        elevation_deg=(lower_deg, upper_deg),
    ).geometry()
    optics = Optics.of(patch, LOOKS[place], 5.0)
    assert optics.outside == 0
    # The pole is 90 degrees from the column, so that the middle stripe goes through where it looks.
    pole = directions.around((azimuth_deg, elevation_deg)).right
    pole_deg = (float(directions.azimuth_deg(pole)), float(directions.elevation_deg(pole)))
    sigma_deg = 5.0 / math.sqrt(8 * math.log(2))
    for wavelength_deg in (10.0, 15.0, 30.0, 60.0):
        grating = Grating(motion="parallel", pole_deg=pole_deg, wavelength_deg=wavelength_deg, phase_deg=90)
        shown = grating.wave(patch.directions, 0.0)
        expected = math.exp(-2 * (math.pi * sigma_deg / wavelength_deg) ** 2)
        assert float(optics.see(shown, 0.0)) == pytest.approx(expected, abs=1e-3)


def test_weights_are_those_of_rays(dome: Optics) -> None:
    display = FlatScreen(shape_px=(6, 8), px_mm=5, distance_mm=60, azimuth_deg=20).geometry()
    look = directions.unit(12.0, 4.0)
    optics = Optics.of(display, look[None], 8.0)
    n_rays = 400_000
    axes = directions.around((12.0, 4.0))
    rng = np.random.default_rng(1)
    # Rays with the density of the acceptance Gaussian around the column, weighed for the curvature of the sphere.
    offset = rng.normal(size=(n_rays, 2)) * np.radians(8.0) / math.sqrt(8 * math.log(2))
    angle = np.hypot(*offset.T)
    sideways = (offset[:, :1] * axes.right + offset[:, 1:] * axes.up) / angle[:, None]
    rays = np.cos(angle)[:, None] * look + np.sin(angle)[:, None] * sideways
    weight = np.sin(angle) / angle
    flat = directions.turned(rays, yaw_deg=-20)
    column = np.floor(flat[:, 0] / flat[:, 1] * 60 / 5 + 4).astype(int)
    row = np.floor(3 - flat[:, 2] / flat[:, 1] * 60 / 5).astype(int)
    inside = (column >= 0) & (column < 8) & (row >= 0) & (row < 6)
    cast = np.zeros((6, 8))
    np.add.at(cast, (row[inside], column[inside]), weight[inside])
    cast /= weight.sum()
    error = np.sqrt(np.maximum(cast, 1e-6) / n_rays)
    assert (np.abs(optics.weights.toarray().reshape(6, 8) - cast) < 5 * error).all()
    assert optics.outside[0] == pytest.approx(1 - cast.sum(), abs=5e-3)


def test_columns_see_around_where_they_look(dome: Optics) -> None:
    pixels = Dome(shape_px=(120, 240)).geometry().directions.reshape(-1, 3)
    middles = directions.normalised(dome.weights @ pixels)
    assert directions.angle_deg(middles, LOOKS).max() < 0.1


@settings(max_examples=8)
@given(st.floats(-180, 180), st.floats(-90, 90), st.floats(5, 12))
def test_grey_is_grey_wherever_a_column_looks(azimuth_deg: float, elevation_deg: float, fwhm_deg: float) -> None:
    arena = Arena(generation="G3", num_rows=2, num_cols=12, columns_installed=tuple(range(9))).geometry()
    optics = Optics.of(arena, directions.unit(azimuth_deg, elevation_deg)[None], fwhm_deg)
    seen = optics.see(np.full((2, 16, 72), 0.4), 0.4)
    np.testing.assert_allclose(seen, 0.4, atol=1e-6)
    assert seen.shape == (2, 1)


def test_columns_have_angles_of_their_own() -> None:
    display = Dome(shape_px=(24, 30), azimuth_deg=(-30, 60), elevation_deg=(-30, 50)).geometry()
    both = Optics.of(display, LOOKS[:2], [4.0, 9.0])
    for place, fwhm_deg in enumerate((4.0, 9.0)):
        alone = Optics.of(display, LOOKS[place], fwhm_deg)
        assert alone.shape == ()
        np.testing.assert_allclose(both.weights.toarray()[place], alone.weights.toarray()[0], atol=1e-3)


def test_the_solid_angle_of_acceptance_is_that_of_a_gaussian() -> None:
    sigma = math.radians(1.0) / math.sqrt(8 * math.log(2))
    assert acceptance_sr(1.0) == pytest.approx(2 * math.pi * sigma**2, rel=1e-4)


def test_what_cannot_be_an_eye_is_refused(dome: Optics) -> None:
    display = Dome(shape_px=(6, 12)).geometry()
    with pytest.raises(ShapeError, match=r"acceptance angles run from 0 to 0 degrees"):
        Optics.of(display, LOOKS, 0.0)
    with pytest.raises(ShapeError, match="directions of columns"):
        Optics.of(display, np.zeros((2, 3)), 5.0)
    with pytest.raises(ShapeError, match=r"frames have \(6, 12\) pixels, expected \(120, 240\)"):
        dome.see(np.zeros((6, 12)), 0.5)
