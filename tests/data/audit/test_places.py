"""Neurons that look beyond the picture are amber, and are told by how much."""

from dataclasses import replace

from stcnn.data import Dataset
from stcnn.data.audit.checks import AMBER, audit
from tests.data.audit.test_checks import clean


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
