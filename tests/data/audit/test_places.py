"""Neurons that look beyond the picture are found, by the same shifts with which pictures are moved."""

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from stcnn.data import Dataset
from stcnn.data.audit.checks import AMBER, audit
from stcnn.data.edges import beyond_px
from stcnn.data.pictures import place
from tests.data.audit.test_checks import clean

ODD = st.integers(0, 4).map(lambda half: 2 * half + 1)
SHIFT_PX = st.integers(-7, 7)


@given(rows=ODD, columns=ODD, azi=SHIFT_PX, ele=SHIFT_PX)
def test_a_place_lies_beyond_where_the_shifted_picture_no_longer_covers_the_middle(
    rows: int, columns: int, azi: int, ele: int
) -> None:
    bright = np.ones((1, rows, columns), np.float32)
    moved = np.zeros_like(bright)
    place(moved, bright, 0, (azi, ele))
    covers = bool(moved[0, rows // 2, columns // 2])
    shift = pd.DataFrame({"azi_shift_px": [azi], "ele_shift_px": [ele]})
    assert (beyond_px(shift, (rows, columns)) <= 0).all(axis=None) == covers


def test_the_distance_is_from_the_edge_and_the_edge_is_named() -> None:
    shifts = pd.DataFrame({"azi_shift_px": [0, 0, 12, -14], "ele_shift_px": [-6, 7, 0, 6]})
    beyond = beyond_px(shifts, (10, 20))
    assert beyond.idxmax(axis=1).astype(str).tolist() == ["below", "above", "right of", "left of"]
    assert beyond.max(axis=1).tolist() == [1.0, 2.0, 2.0, 4.0]


def test_a_neuron_beyond_the_picture_is_amber_and_is_told_by_how_much() -> None:
    data = clean(animals=3)
    moved = [replace(r, shift_px=(0, -9)) if r.neuron == "1-1" else r for r in data.recordings]
    found = audit(Dataset.of(data.movies, moved, data.neurons))
    [flag] = [flag for flag in found.flags if flag.check == "place"]
    assert (flag.colour, flag.what) == (AMBER, "lc4, neuron 1-1")
    assert flag.reason.startswith("looks 1° below the picture, where nothing is shown: import larger pictures")
    assert found.neurons.set_index("neuron").colour["1-1"] == AMBER


def test_where_only_some_recordings_look_beyond_it_says_how_many() -> None:
    data = clean(animals=3)
    moved = [
        replace(r, shift_px=(10, 0)) if (r.neuron, r.stimulus) == ("0-0", "square_0") else r for r in data.recordings
    ]
    found = audit(Dataset.of(data.movies, moved, data.neurons))
    [flag] = [flag for flag in found.flags if flag.check == "place"]
    assert "looks 2° right of the picture in 3 of 15 recordings" in flag.reason
