"""Measured columns: tables, neighbours, two eyes, and their place in a hexagonal lattice."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stcnn.errors import DataError, FileError
from stcnn.nn.lattices.hexagonal import HexagonalLattice
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.columns import Columns, joined, mirrored, read_columns, read_eyemap

SPACING_DEG = 5.0


def hexagon(radius: int, middle_deg: tuple[float, float] = (60.0, 10.0)) -> Columns:
    """A right eye: a hexagon of columns of a flat lattice around a direction, with p and q."""
    row, column = (grid.ravel() for grid in np.indices((2 * radius + 1,) * 2) - radius)
    inside = np.abs(row + column) <= radius
    row, column = row[inside], column[inside]
    down, right = HexagonalLattice().steps_deg((SPACING_DEG, SPACING_DEG))
    flat = row[:, None] * np.array(down) + column[:, None] * np.array(right)
    distance = np.radians(np.hypot(*flat.T))[:, None]
    axes = directions.around(middle_deg)
    sideways = np.radians(flat) @ np.stack([axes.right, axes.up]) / np.maximum(distance, 1e-12)
    looks = np.cos(distance) * axes.pole + np.sin(distance) * sideways
    axial = np.stack([-row - column, -row], -1)  # a step along p and q is up, one along q alone up and to the left
    return Columns(looks, np.full(len(looks), 4.0), np.full(len(looks), "right"), axial)


def written(path: Path, columns: Columns, *, vectors: bool = False) -> Path:
    assert columns.axial is not None
    lines = ["x,y,z,eye,acceptance_fwhm_deg,p,q" if vectors else "azimuth_deg,elevation_deg,eye,p,q"]
    for look, fwhm_deg, eye, (p, q) in zip(columns.looks, columns.fwhm_deg, columns.eye, columns.axial, strict=True):
        angles = (float(directions.azimuth_deg(look)), float(directions.elevation_deg(look)))
        where = (*map(float, 2 * look), eye, fwhm_deg) if vectors else (*angles, eye)
        lines.append(",".join(map(str, (*where, p, q))))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("vectors", [False, True])
def test_tables_are_read(tmp_path: Path, vectors: bool) -> None:
    eye = hexagon(3)
    found = read_columns(written(tmp_path / "eye.csv", eye, vectors=vectors))
    np.testing.assert_allclose(found.looks, eye.looks, atol=1e-12)
    np.testing.assert_array_equal(found.axial, eye.axial)
    assert set(found.fwhm_deg) == {4.0 if vectors else 5.0}
    assert len(found.of("right")) == len(eye) == 37
    with pytest.raises(DataError, match=r"no columns of an eye 'left', expected one of \['right'\]"):
        found.of("left")


def test_neighbours_by_places_are_those_by_directions() -> None:
    eye = hexagon(5)
    by_axial = {tuple(sorted(pair)) for pair in eye.pairs().tolist()}
    blind = Columns(eye.looks, eye.fwhm_deg, eye.eye)
    assert {tuple(sorted(pair)) for pair in blind.pairs().tolist()} == by_axial
    assert np.bincount(eye.pairs().ravel()).max() == 6
    assert np.nanmedian(eye.spacing_deg()) == pytest.approx(SPACING_DEG, rel=0.02)


def test_places_are_those_of_the_hexagonal_lattice_of_a_model() -> None:
    eye = hexagon(4)
    array = eye.array()
    assert array.shape == (9, 9)
    assert (array >= 0).sum() == len(eye)
    looks = np.where((array >= 0)[..., None], eye.looks[array], np.nan)
    flat = HexagonalLattice().positions_deg((9, 9), (SPACING_DEG, SPACING_DEG), (60.0, 10.0)).numpy()
    away_deg = directions.angle_deg(looks, directions.unit(flat[..., 0], flat[..., 1]))
    assert np.nanmax(away_deg[3:6, 3:6]) < 0.5
    other = mirrored(eye, "left").array()
    assert other.shape == (9, 9)
    left = mirrored(eye, "left").looks[other[4]]
    assert (np.diff(directions.azimuth_deg(left[other[4] >= 0])) > 0).all()


def test_two_eyes_overlap_ahead() -> None:
    right = hexagon(6, (25.0, 0.0))
    both = joined(right, mirrored(right, "left"))
    overlap = both.overlapping()
    assert overlap.sum() > 10
    azimuth_deg = directions.azimuth_deg(both.looks)
    assert np.abs(azimuth_deg[overlap]).max() < 12
    assert not right.overlapping().any()
    assert len(both.pairs()) == 2 * len(right.pairs())
    with pytest.raises(DataError, match="columns are of several eyes"):
        both.array()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("azimuth_deg,z\n1,2\n", "does not say where columns look"),
        ("x,y,z\n0,0,0\n", "a vector of no length"),
        ("azimuth_deg,elevation_deg,acceptance_fwhm_deg\n0,0,-1\n", "acceptance angles from -1 to -1"),
        ("azimuth_deg,elevation_deg\n0,north\n", "north"),
    ],
)
def test_what_is_no_table_of_columns_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "eye.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_columns(tmp_path / "eye.csv")


def test_columns_in_one_place_are_refused() -> None:
    eye = hexagon(1)
    assert eye.axial is not None
    twice = Columns(eye.looks, eye.fwhm_deg, eye.eye, eye.axial * 0)
    with pytest.raises(DataError, match="two columns have the same p and q"):
        twice.array()
    with pytest.raises(DataError, match="have no p and q"):
        Columns(eye.looks, eye.fwhm_deg, eye.eye).array()


def test_the_published_eye_map_is_read(tmp_path: Path) -> None:
    rdata = pytest.importorskip("rdata", reason="the extra 'eyemap' is not installed")
    eye = hexagon(3)
    theirs = np.stack([eye.looks[:, 1], -eye.looks[:, 0], eye.looks[:, 2]], -1)
    assert eye.axial is not None
    numbered = np.column_stack([np.arange(1, len(eye) + 1), eye.axial]).astype(float)
    rdata.write_rda(tmp_path / "eyemap.RData", {"ucl_rot_sm": theirs})
    rdata.write_rda(tmp_path / "hexnb.RData", {"ind_xy": numbered[::-1].copy()})
    found = read_eyemap(tmp_path / "eyemap.RData", tmp_path / "hexnb.RData")
    np.testing.assert_allclose(found.looks, eye.looks)
    np.testing.assert_array_equal(found.axial, eye.axial)
    assert read_eyemap(tmp_path / "eyemap.RData").axial is None
    with pytest.raises(FileError, match="no matrix 'ucl_rot_sm' of 3 columns"):
        read_eyemap(tmp_path / "hexnb.RData")


def test_without_rdata_a_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "eyemap.RData").write_bytes(b"RDX3")
    found = builtins.__import__

    def without(name: str, *more: Any) -> Any:  # noqa: ANN401
        if name == "rdata":
            raise ImportError(name)
        return found(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(FileError, match=r"rdata is not installed. Pip install 'stcnn\[eyemap\]'"):
        read_eyemap(tmp_path / "eyemap.RData")
