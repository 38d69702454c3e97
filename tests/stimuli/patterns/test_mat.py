"""Patterns in MATLAB's format: of G3 with its bits and compressed rows, of G4 upside down, of version 7.3."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from stcnn.errors import FileError
from stcnn.stimuli.patterns import Pattern, read_mat_pattern, write_mat_pattern


@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 4), st.sampled_from([2, 4, 8, 16]))
def test_patterns_come_back(n_x: int, n_y: int, columns: int, n_levels: int) -> None:
    for generation, side in (("G3", 8), ("G4", 16)):
        if generation == "G4" and n_levels not in (2, 16):
            continue
        codes = np.random.default_rng(n_x).integers(0, n_levels, (n_x * n_y, side, side * columns)).astype(np.uint8)
        codes[0, 0, 0] = n_levels - 1
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pattern.mat"
            write_mat_pattern(Pattern(codes, n_levels, generation, n_y), path)  # type: ignore[arg-type]
            again = read_mat_pattern(path)
        np.testing.assert_array_equal(again.codes, codes)
        assert again[1:4] == (n_levels, generation, n_y)


def written(path: Path, **fields: Any) -> Path:
    scipy.io.savemat(path, {"pattern": fields})
    return path


def test_compressed_rows_of_g3_stand_for_eight(tmp_path: Path) -> None:
    pats = np.array([[0, 1, 2, 3] * 2, [3, 2, 1, 0] * 2], float)
    pattern = read_mat_pattern(written(tmp_path / "g3.mat", Pats=pats, gs_val=2.0, row_compression=1.0))
    assert (pattern.n_levels, pattern.generation) == (4, "G3")
    np.testing.assert_array_equal(pattern.codes, np.repeat(pats, 8, axis=0)[None])


def test_the_first_row_of_g4_is_the_bottom_and_frames_follow_x_first(tmp_path: Path) -> None:
    pats = np.zeros((16, 16, 2, 3), np.uint8)
    pats[0, 5, 1, 2] = 9
    pattern = read_mat_pattern(written(tmp_path / "g4.mat", Pats=pats, gs_val=16.0))
    assert np.argwhere(pattern.codes).tolist() == [[1 + 2 * 2, 15, 5]]
    assert (pattern.n_x, pattern.n_y) == (2, 3)


def test_files_of_version_7_3_are_read(tmp_path: Path) -> None:
    pats = np.random.default_rng(0).integers(0, 8, (8, 24, 5)).astype(float)
    with h5py.File(tmp_path / "new.mat", "w", userblock_size=512) as file:
        struct = file.create_group("pattern")
        struct["Pats"] = pats.T
        struct["gs_val"] = [[3.0]]
        struct["num_panels"] = [[3.0]]
    pattern = read_mat_pattern(tmp_path / "new.mat")
    np.testing.assert_array_equal(pattern.codes, pats.transpose(2, 0, 1))
    assert pattern.n_levels == 8


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"gs_val": 1.0}, "has no Pats in its struct 'pattern'"),
        ({"Pats": np.full((8, 8), 2.0), "gs_val": 1.0, "num_panels": 1.0}, "levels from 2 to 2 .* numbers from 0 to 1"),
        ({"Pats": np.zeros((8, 8)), "gs_val": 5.0, "num_panels": 1.0}, "gs_val=5 .* 1 to 4 bits of G3"),
        ({"Pats": np.zeros((8, 8)), "gs_val": 16.0}, "patterns of 8 x 8 pixels, expected panels of 16 x 16"),
        ({"Pats": "text", "gs_val": 1.0}, "has Pats of type"),
        ({"Pats": np.zeros((8, 8)), "gs_val": np.zeros(2)}, "has a gs_val in its pattern that is no number"),
    ],
)
def test_what_is_no_pattern_is_refused(tmp_path: Path, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(FileError, match=sentence):
        read_mat_pattern(written(tmp_path / "odd.mat", **fields))


def test_other_files_are_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "other.mat", {"x": np.zeros(3)})
    with pytest.raises(FileError, match="no struct 'pattern'"):
        read_mat_pattern(tmp_path / "other.mat")
    (tmp_path / "noise.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(300))
    with pytest.raises(FileError):
        read_mat_pattern(tmp_path / "noise.mat")


def test_zeros_behind_a_pattern_are_refused_and_not_walked_through(tmp_path: Path) -> None:
    path = written(tmp_path / "long.mat", Pats=np.zeros((16, 16, 2)), gs_val=2.0)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(FileError, match=f"has at byte {size} no element of a MAT-file"):
        read_mat_pattern(path)


def test_a_file_that_inflates_beyond_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bomb.mat"
    write_mat_pattern(Pattern(np.zeros((400, 8, 800), np.uint8), 2, "G3"), path)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr("stcnn.reading.faults.memory_limit", lambda: 10**6)
    with pytest.raises(FileError, match=r"would take .* of memory"):
        read_mat_pattern(path)
