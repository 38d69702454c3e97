"""Columns from a user's table: where they look, what they see of a picture, and what a table cannot hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from stcnn import STCNN, ModelConfig, Population
from stcnn.config import compose
from stcnn.errors import ConfigError, DataError, StcnnError
from stcnn.eye_columns import from_middle_deg
from stcnn.nn.eye import Eye, EyeConfig
from stcnn.nn.kernels.native.compile import why_unavailable
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.columns import read_columns
from tests.support.measured_eye import SPACING_DEG, write_columns

needs_core = pytest.mark.skipif(why_unavailable() is not None, reason="there is no native core")
MIDDLE_DEG = (60.0, 10.0)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Thirty-seven columns around a direction."""
    return write_columns(tmp_path / "columns.csv", MIDDLE_DEG, rings=3)


def eye_of(table: Path, **keys: Any) -> EyeConfig:
    arrangement = {"kind": "measured", "table": str(table), **keys}
    return EyeConfig.model_validate({"lattice": None, "arrangement": arrangement})


def test_columns_look_where_the_table_says_from_the_middle(table: Path) -> None:
    config = eye_of(table, middle_deg=MIDDLE_DEG)
    columns = read_columns(table)
    ahead = directions.turned(directions.turned(columns.looks, yaw_deg=-60), pitch_deg=-10)
    array = columns.array()
    assert config.lattice == array.shape == (7, 7)
    places_deg = config.positions_deg().numpy()
    there = array >= 0
    np.testing.assert_allclose(places_deg[there][:, 0], directions.azimuth_deg(ahead[array[there]]), atol=1e-3)
    np.testing.assert_allclose(places_deg[there][:, 1], directions.elevation_deg(ahead[array[there]]), atol=1e-3)
    assert (np.abs(places_deg[~there]) > 1000).all()
    # Rows go down and columns right, neighbours are neighbours.
    down_deg, right_deg = places_deg[4, 3] - places_deg[3, 3], places_deg[3, 4] - places_deg[3, 3]
    np.testing.assert_allclose(down_deg, (0, -SPACING_DEG), atol=2)
    np.testing.assert_allclose(right_deg, (SPACING_DEG * np.sqrt(3) / 2, -SPACING_DEG / 2), atol=2)


def test_without_a_middle_it_is_where_columns_look_on_average_and_is_noted(table: Path) -> None:
    config = eye_of(table)
    noted = config.arrangement.model_dump()
    assert noted["middle_deg"] == pytest.approx(MIDDLE_DEG, abs=0.5)
    assert config.arrangement.middle(config.lattice) == (3, 3)
    table.unlink()
    again = EyeConfig.model_validate_json(config.model_dump_json())
    assert again == config


def test_figures_draw_cells_of_the_usual_distance(tmp_path: Path) -> None:
    regular = eye_of(write_columns(tmp_path / "regular.csv", MIDDLE_DEG, rings=2, off_deg=0))
    assert regular.spacing_deg == pytest.approx((SPACING_DEG, SPACING_DEG), rel=0.02)
    outline_deg = regular.arrangement.outline_deg(regular.spacing_deg)
    height_deg = float(outline_deg[:, 1].max() - outline_deg[:, 1].min())
    assert height_deg == pytest.approx(SPACING_DEG, rel=0.02)


def test_a_column_sees_the_picture_where_it_looks_and_grey_where_there_is_none(table: Path) -> None:
    config = eye_of(table, middle_deg=MIDDLE_DEG)
    there = config.positions_deg().abs()[..., 0] < 1000
    contrast = torch.eye(61 * 61, dtype=torch.float64).view(1, 61 * 61, 61, 61)
    seen = Eye(config).double().sample(contrast, 1.0)[:, 0]  # (pixels, rows, columns): the field of each column
    azimuth_deg = (torch.arange(61).double() - 30).repeat(61)
    elevation_deg = (30 - torch.arange(61).double()).repeat_interleave(61)
    for axis, pixels_deg in enumerate((azimuth_deg, elevation_deg)):
        middle_deg = torch.einsum("prc,p->rc", seen, pixels_deg) / seen.sum(0)
        torch.testing.assert_close(middle_deg[there], config.positions_deg()[..., axis][there], atol=0.05, rtol=0)
    assert not seen[:, ~there].any()


@needs_core
def test_all_engines_train_alike(table: Path) -> None:
    found = {}
    for compute in ("reference", "torch", "native"):
        torch.manual_seed(0)
        config = {
            "eye": {"lattice": None, "arrangement": {"kind": "measured", "table": str(table)}},
            "hidden": {"channels": [3, 4], "kernel_columns": 3, "norm": {"kind": "none"}},
            "cell_types": {"default": {"window_columns": 5}},
        }
        model = STCNN(ModelConfig.model_validate(config), Population(neurons={"t4": ("a",)})).train()
        model.hidden.compute = compute
        movie = torch.randn(2, 40, 52, 52, generator=torch.Generator().manual_seed(0)) / 2
        answer = model(movie, 180.0).calcium
        answer.square().mean().backward()
        found[compute] = [answer.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]
    for compute in ("torch", "native"):
        for mine, right in zip(found[compute], found["reference"], strict=True):
            torch.testing.assert_close(mine, right, atol=2e-6, rtol=1e-4)
    with pytest.raises(ConfigError, match="of kind 'measured' are not at equal distances"):
        model.at((4.0, 0.0))


def test_turning_a_middle_ahead_is_that_of_directions() -> None:
    looks_deg = np.random.default_rng(0).uniform((-180, -80), (180, 80), (50, 2))
    away_deg, middle_deg = from_middle_deg(looks_deg, (40.0, -25.0))
    ahead = directions.turned(directions.turned(directions.unit(*looks_deg.T), yaw_deg=-40), pitch_deg=25)
    np.testing.assert_allclose(directions.unit(*away_deg.T), ahead, atol=1e-12)
    np.testing.assert_allclose(middle_deg, (40, -25))


@pytest.mark.parametrize(
    ("lines", "error", "sentence"),
    [
        (["azimuth_deg,elevation_deg,p", "0,0,0"], DataError, "has no column 'q'"),
        (["azimuth_deg,elevation_deg,p,q", "0,0,0,0", "5,0,0,0"], DataError, "two columns have the same p and q"),
        (
            ["azimuth_deg,elevation_deg,p,q", "0,0,0,0", "5,x,0,1"],
            DataError,
            "has 'x' in row 3, column 'elevation_deg'",
        ),
        (["azimuth_deg,elevation_deg,p,q,eye", "0,0,0,0,l", "5,0,0,1,r"], DataError, "has columns of several eyes"),
        (["azimuth_deg,elevation_deg,p,q", "-90,0,0,0", "90,1,-1,0"], ConfigError, "looks 90 degrees from the middle"),
        (
            ["azimuth_deg,elevation_deg,p,q", "0,0,0,0", "5,0,1000000,0"],
            DataError,
            "array of .* at most 100000",
        ),
    ],
)
def test_what_a_table_cannot_hold_is_a_sentence(
    tmp_path: Path, lines: list[str], error: type[StcnnError], sentence: str
) -> None:
    (tmp_path / "columns.csv").write_text("\n".join(lines))
    with pytest.raises(error, match=sentence):
        compose(["model=measured", f"model.eye.arrangement.table={tmp_path / 'columns.csv'}"])


def test_a_measured_eye_has_the_lattice_of_its_columns(table: Path) -> None:
    arrangement = {"kind": "measured", "table": str(table)}
    with pytest.raises(ValidationError, match=r"make a lattice of \(7, 7\); set lattice to null"):
        EyeConfig.model_validate({"lattice": (21, 21), "arrangement": arrangement})
    with pytest.raises(ConfigError, match="a measured lattice needs a table of columns"):
        compose(["model=measured"])
