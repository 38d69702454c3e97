"""What displays show: true angular sizes, movies at their azimuth and elevation, and pictures for models."""

from __future__ import annotations

import numpy as np
import pytest

from stcnn import stimuli
from stcnn.stimuli import Screen
from stcnn.stimuli.displays import Arena, Dome, FlatScreen
from stcnn.stimuli.displays.showing import as_picture, movie_on, screen_of, shown
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.scenes import Bar, Dots, Grating, LoomingDisc

ARENA = Arena(generation="G6", num_rows=3, num_cols=10).geometry()


@pytest.mark.parametrize("centre_deg", [(0.0, 0.0), (90.0, 10.0), (-179.0, -5.0), (40.0, 80.0), (0.0, -90.0)])
@pytest.mark.parametrize("size_deg", [10.0, 60.0])
def test_a_disc_has_its_solid_angle_wherever_it_is(centre_deg: tuple[float, float], size_deg: float) -> None:
    dome = Dome(shape_px=(90, 180)).geometry()
    disc = LoomingDisc(centre_deg=centre_deg, start_deg=size_deg, object_luminance=0, background=1)
    covered = 1 - shown(dome, disc, 0.0)[0]
    expected = 2 * np.pi * (1 - np.cos(np.radians(size_deg / 2)))
    assert (covered * dome.solid_angle_sr).sum() == pytest.approx(expected, rel=0.01)
    middle = (covered[..., None] * dome.directions * dome.solid_angle_sr[..., None]).sum(axis=(0, 1))
    assert directions.angle_deg(directions.normalised(middle), directions.unit(*centre_deg)) < 0.2


def test_a_disc_looms_as_something_that_comes_nearer() -> None:
    disc = LoomingDisc(r_over_v_s=0.04, start_deg=10, end_deg=90)
    to_collision_s = 0.04 / np.tan(np.radians(5))
    for before_s in (0.3, 0.1, 0.05):
        expected = 2 * np.degrees(np.arctan(0.04 / before_s))
        assert disc.size_deg(to_collision_s - before_s) == pytest.approx(expected, rel=1e-9)
    assert disc.size_deg(0.0) == disc.size_deg(-1.0) == 10
    assert disc.size_deg(to_collision_s + 1) == 90


def test_a_bar_moves_along_a_great_circle() -> None:
    dome = Dome(shape_px=(90, 180)).geometry()
    bar = Bar(width_deg=20, length_deg=30, direction_deg=90, speed_deg_s=45, object_luminance=1, background=0)
    for time_s, expected in ((0.0, (0.0, 0.0)), (1.0, (0.0, 45.0)), (2.0, (0.0, 90.0)), (3.0, (180.0, 45.0))):
        frame = shown(dome, bar, time_s)[0]
        middle = (frame[..., None] * dome.directions * dome.solid_angle_sr[..., None]).sum(axis=(0, 1))
        assert directions.angle_deg(directions.normalised(middle), directions.unit(*expected)) < 0.2
        # Between two great circles 20 degrees apart, up to 15 degrees from their equator: 20 degrees times 2 sin 15.
        size_sr = float((frame * dome.solid_angle_sr).sum())
        assert size_sr == pytest.approx(np.radians(20) * 2 * np.sin(np.radians(15)), rel=0.01)


def test_a_grating_turns_rightward_and_dots_go_with_it() -> None:
    grating = Grating(wavelength_deg=30, frequency_hz=1.0)
    azimuth_deg = np.array([-120.0, 0.0, 5.0, 77.0])
    later = grating.luminance(directions.unit(azimuth_deg + 30 * 0.25, 20.0), 0.25)
    np.testing.assert_allclose(later, grating.luminance(directions.unit(azimuth_deg, -10.0), 0.0), atol=1e-12)
    flown = Grating(motion="expansion", pole_deg=(30.0, 0.0), wavelength_deg=40, frequency_hz=2.0)
    later = flown.luminance(directions.unit(30 + 15.0, 0.0), 0.125)
    assert later == pytest.approx(flown.luminance(directions.unit(30 + 5.0, 0.0), 0.0))
    dots = Dots(n_dots=50, size_deg=8, speed_deg_s=40)
    azimuth_deg = directions.azimuth_deg(dots.places())
    elevation_deg = directions.elevation_deg(dots.places())
    assert dots.covers(dots.places(), 0.0).all()
    assert dots.covers(directions.unit(azimuth_deg + 20, elevation_deg), 0.5).all()


def test_a_movie_is_shown_at_its_azimuth_and_elevation() -> None:
    screen = screen_of(ARENA, 60, 0.5)
    assert screen.width_deg == pytest.approx(360, abs=2)
    movie = stimuli.moving_spot(screen, size_deg=20, speed_deg_s=0.001, start_deg=-40, stop_deg=-39.9999)
    frame = movie_on(ARENA, movie)[0]
    covered = (0.5 - frame) * 2
    middle = directions.normalised((covered[..., None] * ARENA.directions).sum(axis=(0, 1)))
    assert directions.angle_deg(middle, directions.unit(-40, 0)) < 0.5
    assert (covered * ARENA.solid_angle_sr).sum() == pytest.approx(np.radians(10) ** 2 * np.pi, rel=0.02)


def test_a_model_sees_what_the_arena_shows() -> None:
    flat = FlatScreen(shape_px=(50, 60), px_mm=2, distance_mm=60, azimuth_deg=30).geometry()
    disc = LoomingDisc(centre_deg=(35.0, 5.0), start_deg=20, object_luminance=0, background=0.5)
    picture = as_picture(flat, shown(flat, disc, [0.0, 1.0]), Screen(shape_px=(21, 41), deg_per_px=4, background=0.5))
    assert picture.frames.shape == (2, 21, 41)
    dark = -picture.contrast()[0]
    assert dark[10, :5].max() == pytest.approx(0, abs=1e-6)
    assert dark.max() == pytest.approx(0.5, abs=1e-3)
    azimuth_deg = (dark.sum(axis=0) * (np.arange(41) - 20) * 4).sum() / dark.sum()
    elevation_deg = (dark.sum(axis=1) * (10 - np.arange(21)) * 4).sum() / dark.sum()
    assert (azimuth_deg, elevation_deg) == pytest.approx((35, 5), abs=0.5)
