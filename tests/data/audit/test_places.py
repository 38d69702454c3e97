"""Neurons that look beyond the picture are found, by the same shifts with which pictures are moved."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stcnn.data import Dataset
from stcnn.data.audit.checks import AMBER, audit
from stcnn.data.audit.places import beyond_deg
from stcnn.data.pictures import place
from stcnn.movie import Movie
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
    movie = Movie.from_luminance(bright, 60.0, background=0.5, deg_per_px=2.0)
    assert (beyond_deg(movie, (azi, ele))[0] <= 0) == covers


def test_the_distance_is_in_degrees_from_the_edge_and_the_edge_is_named() -> None:
    movie = Movie.from_luminance(np.zeros((1, 10, 20), np.float32), 60.0, background=0.5, deg_per_px=3.0)
    found = [beyond_deg(movie, shift) for shift in ((0, -6), (0, 7), (12, 0), (-14, 6))]
    assert found == [(3.0, "below"), (6.0, "above"), (6.0, "right of"), (12.0, "left of")]


def test_a_neuron_beyond_the_picture_is_amber_and_is_told_by_how_much() -> None:
    data = clean(animals=3)
    moved = [replace(r, shift_px=(0, -9)) if r.neuron == "1-1" else r for r in data.recordings]
    found = audit(Dataset.of(data.movies, moved, data.neurons))
    [flag] = [flag for flag in found.flags if flag.check == "place"]
    assert (flag.colour, flag.what) == (AMBER, "lc4, neuron 1-1")
    assert flag.reason.startswith("looks 1 degrees below the picture, where nothing is shown: import larger pictures")
    assert found.neurons.set_index("neuron").colour["1-1"] == AMBER


def test_where_only_some_recordings_look_beyond_it_says_how_many() -> None:
    data = clean(animals=3)
    moved = [
        replace(r, shift_px=(10, 0)) if (r.neuron, r.stimulus) == ("0-0", "square_0") else r for r in data.recordings
    ]
    found = audit(Dataset.of(data.movies, moved, data.neurons))
    [flag] = [flag for flag in found.flags if flag.check == "place"]
    assert "looks 2 degrees right of the picture in 3 of 15 recordings" in flag.reason
