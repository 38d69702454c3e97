"""CaImAn: rows of ``F_dff`` are those of all components or of the accepted ones, in the order in which these stand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from stcnn.data import Dataset, open_store, write_store
from stcnn.errors import StcnnError
from tests.support.lab_files import SUITE2P, opened

TRACES = np.random.default_rng(1).standard_normal((4, 600)).astype("f4")
"""DF/F of four components."""


def imported(folder: Path, rows: list[int], accepted: Any) -> Dataset:  # noqa: ANN401
    """Open results whose ``F_dff`` has these components, in this order."""
    with h5py.File(folder / "x.h5", "w") as file:
        file["estimates/C"] = 300 + TRACES
        file["estimates/F_dff"] = TRACES[rows]
        file["estimates/idx_components"] = np.asarray(accepted)
        file["params/data/fr"] = 10.0
    return opened(folder, SUITE2P | {"kind": "caiman", "path": "x.h5"})


@pytest.mark.parametrize(
    ("rows", "accepted", "neurons"),
    [
        ([0, 2], [0, 2], ["0", "2"]),
        ([3, 1], [3, 1], ["3", "1"]),
        ([0, 1, 2, 3], [3, 1], ["3", "1"]),
        ([0, 1, 2, 3], [True, False, True, False], ["0", "2"]),
        ([1, 3], [False, True, False, True], ["1", "3"]),
    ],
)
def test_rows_are_those_of_the_accepted_components(
    rows: list[int], accepted: list[int] | list[bool], neurons: list[str], tmp_path: Path
) -> None:
    data = open_store(write_store(imported(tmp_path, rows, accepted), tmp_path / "x.zarr"))
    assert sorted(data.neurons["x"]) == sorted(neurons)
    for item, row in enumerate(data.table.itertuples()):
        trace = data.recordings[item].trace
        pieces = np.lib.stride_tricks.sliding_window_view(TRACES[int(str(row.neuron))], len(trace))
        assert (pieces == trace).all(1).any()


@pytest.mark.parametrize(
    ("rows", "accepted", "sentence"),
    [
        ([0, 1, 2], [0, 2], r"F_dff of shape \(3, 600\), expected \(4, 600\) .* or \(2, 600\) for the accepted"),
        ([0, 2], [True, False], "2 truth values in idx_components, expected 4"),
        ([0, 2], [0, 4], "names component 4 in idx_components, expected 0 to 3"),
        ([0, 2], [2, 2], "idx_components that are no numbers of components, each once"),
        ([0, 2], [0.5, 2], "idx_components that are no numbers of components"),
        ([0, 2], [-1, 2], "in idx_components, expected 0 to 3"),
    ],
)
def test_rows_of_another_number_are_a_sentence(rows: list[int], accepted: Any, sentence: str, tmp_path: Path) -> None:  # noqa: ANN401
    with pytest.raises(StcnnError, match=sentence):
        imported(tmp_path, rows, accepted)


@pytest.mark.parametrize(
    "name", ["estimates", "estimates/C", "estimates/F_dff", "estimates/idx_components", "params", "params/data/fr"]
)
def test_what_lies_in_another_file_is_refused_and_not_waited_for(name: str, tmp_path: Path) -> None:
    imported(tmp_path, [0, 1, 2, 3], [0, 1])
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        del file[name]
        file[name] = h5py.ExternalLink("pipe", "/x")
    with pytest.raises(StcnnError, match="lies in another file, pipe"):
        opened(tmp_path, SUITE2P | {"kind": "caiman", "path": "x.h5"})
