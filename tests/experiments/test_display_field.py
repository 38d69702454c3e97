"""A column's receptive field, measured on a display by gradient and by noise, lies where the column looks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stcnn import STCNN, ModelConfig, Population
from stcnn.errors import DataError, ShapeError
from stcnn.experiments.display_field import centre_deg, display_fields, display_fields_by_noise
from stcnn.stimuli.displays import Arena, Dome, FlatScreen
from stcnn.stimuli.displays.eye import EyeOptics
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.columns import Columns, read_columns
from tests.support.measured_eye import write_columns

RATE_HZ = 60.0
DISPLAYS: dict[str, FlatScreen | Arena | Dome] = {
    "flat": FlatScreen(shape_px=(90, 120), px_mm=1.5, distance_mm=60, azimuth_deg=40, elevation_deg=5),
    "arena": Arena(generation="G4", num_rows=4, num_cols=12, pitch_deg=10),
    "panels of G6": Arena(generation="G6", num_rows=3, num_cols=10),
    "dome": Dome(shape_px=(60, 90), azimuth_deg=(-20, 110), elevation_deg=(-45, 50)),
}
STRAIGHT_DEG = 0.5


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Columns:
    """Nineteen columns around a place to the right and above the horizon, none quite where a lattice would have it."""
    return read_columns(write_columns(tmp_path_factory.mktemp("eye") / "columns.csv", (45.0, 8.0), rings=2))


def reading_one_column(eye: EyeOptics, row: int, column: int) -> STCNN:
    """A model whose neuron reads one photoreceptor column of an eye."""
    config = {
        "eye": {"lattice": eye.shape, "arrangement": {"kind": "hexagonal"}},
        "core": {"kind": "photoreceptors"},
        "readout": {"centre": (row, column)},
        "cell_types": {"default": {"window_columns": 1}},
    }
    model = STCNN(ModelConfig.model_validate(config), Population(neurons={"l1": ("a",)})).eval()
    with torch.no_grad():
        model.readouts.each[0].weights[0].fill_(-1.0)  # an OFF cell: the strongest sign counts
    return model


@pytest.mark.parametrize("name", DISPLAYS)
def test_a_column_is_mapped_to_within_half_a_degree_of_where_it_looks(name: str, columns: Columns) -> None:
    display = DISPLAYS[name].geometry()
    eye = EyeOptics.of(display, columns)
    assert not eye.optics.outside.any()
    away = []
    for number in range(len(columns)):
        row, column = (int(place) for place in np.argwhere(eye.array == number)[0])
        model = reading_one_column(eye, row, column)
        found = centre_deg(display_fields(model, eye, RATE_HZ, lags_s=0.05)["l1"], display)
        away.append(directions.angle_deg(directions.unit(*found), columns.looks[number]))
    assert max(away) < STRAIGHT_DEG


@pytest.mark.parametrize("name", ["flat", "arena", "dome"])
def test_noise_finds_the_same_place(name: str, columns: Columns) -> None:
    display = DISPLAYS[name].geometry()
    eye = EyeOptics.of(display, columns)
    row, column = (int(place) for place in np.argwhere(eye.array == 5)[0])
    model = reading_one_column(eye, row, column)
    field = display_fields_by_noise(model, eye, RATE_HZ, duration_s=100, lags_s=0.05)["l1"]
    found = centre_deg(field, display)
    assert directions.angle_deg(directions.unit(*found), columns.looks[5]) < STRAIGHT_DEG
    exact = display_fields(model, eye, RATE_HZ, lags_s=0.05)["l1"]
    inside = np.abs(exact) > 0.1 * np.abs(exact).max()
    assert np.corrcoef(field[inside], exact[inside])[0, 1] > 0.9


def test_a_shape_of_the_eye_is_kept_in_the_array(columns: Columns) -> None:
    eye = EyeOptics.of(DISPLAYS["dome"].geometry(), columns)
    values = np.random.default_rng(0).random((3, len(columns)))
    maps = eye.laid(values, 0.5)
    assert maps.shape == (3, *eye.shape)
    assert (maps[:, eye.array < 0] == 0.5).all()
    np.testing.assert_array_equal(eye.of_columns(maps), values)


def test_a_model_of_another_lattice_and_no_field_are_refused(columns: Columns) -> None:
    display = DISPLAYS["dome"].geometry()
    eye = EyeOptics.of(display, columns)
    square = STCNN(ModelConfig(), Population(neurons={"l1": ("a",)})).eval()
    with pytest.raises(
        ShapeError, match=r"has a square lattice of \(21, 21\) columns, expected a hexagonal one of \(5, 5\)"
    ):
        display_fields(square, eye, RATE_HZ)
    with pytest.raises(DataError, match="zero everywhere"):
        centre_deg(np.zeros(display.shape_px), display)
    with pytest.raises(ShapeError, match=r"a receptive field of \(2, 2\) pixels"):
        centre_deg(np.ones((2, 2)), display)
