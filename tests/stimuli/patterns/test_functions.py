"""Position functions: their bytes as G4's tools write them, both kinds of MATLAB files, and what is no function."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from stcnn.errors import FileError, ShapeError
from stcnn.stimuli.patterns import PositionFunction, decode_pfn, encode_pfn, read_function, write_function

POSITIONS = st.lists(st.integers(0, 2**15 - 1), min_size=1, max_size=50).map(lambda values: np.array(values, np.int64))


def test_a_pfn_has_the_bytes_of_the_tools_of_g4() -> None:
    content = encode_pfn(PositionFunction(np.array([0, 1, 258]), name="fun0001"))
    assert content[:12] == b"\x06\x00\x00\x00\x07fun0001"
    assert content[12:512] == bytes(500)
    assert content[512:] == b"\x00\x00\x01\x00\x02\x01"


@given(POSITIONS, st.text("abc019_", max_size=20), st.sampled_from(["x.pfn", "x.mat"]))
def test_functions_of_g4_come_back(positions: np.ndarray, name: str, file: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_function(PositionFunction(positions, 500.0, "G4", name), Path(folder) / file)
        again = read_function(Path(folder) / file)
    np.testing.assert_array_equal(again.positions, positions)
    assert (again.generation, again.rate_hz) == ("G4", 500.0 if file == "x.mat" else None)
    assert again.name == (name if file == "x.pfn" else "x")


@given(st.lists(st.integers(-(2**15) + 1, 2**15 - 1), min_size=1, max_size=50))
def test_functions_of_g3_come_back(positions: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_function(PositionFunction(np.array(positions), None, "G3"), Path(folder) / "x.mat")
        again = read_function(Path(folder) / "x.mat")
    assert again.positions.tolist() == positions
    assert (again.generation, again.rate_hz) == ("G3", None)


def test_positions_in_matlab_count_from_1_in_g4_and_from_0_in_g3(tmp_path: Path) -> None:
    struct = {"type": "pfn", "func": np.array([[1, 1, 2]], np.uint8), "gs_val": np.uint8(1)}
    scipy.io.savemat(tmp_path / "0001_Function_G4.mat", {"pfnparam": struct})
    found = read_function(tmp_path / "0001_Function_G4.mat")
    assert found.positions.tolist() == [0, 0, 1]
    assert found.rate_hz == 1000
    scipy.io.savemat(tmp_path / "position_function_001_x.mat", {"func": np.array([0, 0, 1])})
    assert read_function(tmp_path / "position_function_001_x.mat").positions.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has 0 bytes, of which its header counts 0"),
        (encode_pfn(PositionFunction(np.arange(5)))[:-2], "has 520 bytes, of which its header counts 10"),
        (encode_pfn(PositionFunction(np.arange(2)))[:-2] + b"\xff\xff", "has the position -1 at tick 1"),
    ],
)
def test_what_is_no_pfn_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(FileError, match=sentence):
        decode_pfn(content)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"x": 1}, "has neither a struct 'pfnparam' .* nor a variable 'func'"),
        ({"pfnparam": {"type": "afn", "func": [1, 2]}}, "holds a function of type 'afn', expected pfn"),
        (
            {"pfnparam": {"type": "pfn", "func": [0, 1]}},
            "has the position 0 at tick 0, .* frames, from 1",
        ),
        ({"pfnparam": {"type": "pfn"}}, "has a func of type object"),
        ({"func": [0.5, 1]}, "has positions that are no frames"),
        ({"func": np.zeros((2, 2))}, r"a func of type float64 and shape \(2, 2\), expected a row of positions"),
        ({"func": [1e6]}, "whole numbers up to 32767"),
    ],
)
def test_what_is_no_function_in_matlab_is_refused(tmp_path: Path, variables: dict, sentence: str) -> None:
    scipy.io.savemat(tmp_path / "odd.mat", variables)
    with pytest.raises(FileError, match=sentence):
        read_function(tmp_path / "odd.mat")


@pytest.mark.parametrize(
    ("function", "file", "sentence"),
    [
        (
            PositionFunction(np.array([2**15])),
            "x.pfn",
            "are 32768 to 32768, .* frames from 0 to 32767",
        ),
        (PositionFunction(np.array([-1])), "x.mat", "are -1 to -1"),
        (PositionFunction(np.array([], np.int64)), "x.pfn", "are none"),
        (PositionFunction(np.array([1]), 60.0), "x.mat", "has 60.0 ticks per second, expected 500 or 1000"),
        (PositionFunction(np.array([1]), name="n" * 256), "x.pfn", "has 256 letters"),
    ],
)
def test_what_no_file_can_hold_is_refused(tmp_path: Path, function: PositionFunction, file: str, sentence: str) -> None:
    with pytest.raises(ShapeError, match=sentence):
        write_function(function, tmp_path / file)
