"""A figure before a ground has its true angular size wherever it is, and takes its texture with it."""

from __future__ import annotations

import numpy as np
import pytest

from stcnn.stimuli.displays import Arena, Dome
from stcnn.stimuli.displays.showing import shown
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.figure_ground import FigureAndGround
from stcnn.stimuli.sphere.scenes import Bar, Dots, Grating, LoomingDisc

DARK = Grating(contrast=0, background=0.0)
LIGHT = Grating(contrast=0, background=1.0)
DOME = Dome(shape_px=(180, 360)).geometry()
RADIAN = np.pi / 180


@pytest.mark.parametrize("centre_deg", [(0.0, 0.0), (75.0, 20.0), (-150.0, -60.0), (30.0, 90.0)])
def test_a_figure_fills_its_solid_angle_anywhere(centre_deg: tuple[float, float]) -> None:
    disc = LoomingDisc(centre_deg=centre_deg, start_deg=40)
    bar = Bar(centre_deg=centre_deg, direction_deg=30, width_deg=20, length_deg=70, speed_deg_s=25)
    for figure, size_sr in (
        (disc, 2 * np.pi * (1 - np.cos(20 * RADIAN))),
        (bar, 20 * RADIAN * 2 * np.sin(35 * RADIAN)),  # between two great circles, up to 35 degrees beside
    ):
        scene = FigureAndGround(figure=figure, texture=DARK, ground=LIGHT)
        dark = 1 - shown(DOME, scene, [0.0, 1.0])
        np.testing.assert_allclose((dark * DOME.solid_angle_sr).sum((1, 2)), size_sr, rtol=5e-3)


def test_an_arena_shows_the_part_of_it_that_it_reaches() -> None:
    arena = Arena(generation="G6", num_rows=2, num_cols=10).geometry()
    scene = FigureAndGround(figure=LoomingDisc(centre_deg=(60, 5), start_deg=30), texture=DARK, ground=LIGHT)
    dark = 1 - shown(arena, scene, 0.0)[0]
    assert (dark * arena.solid_angle_sr).sum() == pytest.approx(2 * np.pi * (1 - np.cos(15 * RADIAN)), rel=5e-3)


def test_the_texture_moves_with_the_figure_and_the_ground_by_itself() -> None:
    ground = Dots(n_dots=400, size_deg=8, speed_deg_s=-30, seed=3)
    texture = Dots(n_dots=400, size_deg=8, seed=4)
    figure = Bar(centre_deg=(20, 0), width_deg=30, length_deg=60, speed_deg_s=40)
    scene = FigureAndGround(figure=figure, texture=texture, ground=ground)
    looks = directions.unit(np.linspace(-60, 80, 300), np.linspace(-25, 25, 50)[:, None])
    later = scene.luminance(looks, 0.5)
    here = figure.covers(looks, 0.5)
    before = directions.turned(looks, yaw_deg=-20)  # rightward around the vertical axis
    np.testing.assert_array_equal(later[here], texture.luminance(before, 0.0)[here])
    np.testing.assert_array_equal(later[~here], ground.luminance(looks, 0.5)[~here])
    window = scene.model_copy(update={"carried": False})
    np.testing.assert_array_equal(window.luminance(looks, 0.5)[here], texture.luminance(looks, 0.5)[here])


def test_alike_textures_hide_a_figure_that_stands() -> None:
    texture = Dots(n_dots=500, seed=1)
    scene = FigureAndGround(texture=texture, ground=texture)
    looks = directions.unit(np.linspace(-90, 90, 200), np.linspace(-40, 40, 60)[:, None])
    np.testing.assert_array_equal(scene.luminance(looks, 0.0), texture.luminance(looks, 0.0))
    again = FigureAndGround.model_validate_json(scene.model_dump_json())
    assert again == scene
