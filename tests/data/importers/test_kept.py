"""An import reads each trace of a file once, and judges its length before memory is taken for it."""

from __future__ import annotations

import gc
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from stcnn.data import Dataset, open_store, write_store
from stcnn.data.importers import caiman, kept, suite2p, table_files
from stcnn.data.importers.kept import Kept
from stcnn.data.importers.sample_times import MOST_SAMPLES
from stcnn.errors import DataError, FileError
from tests.support.lab_files import STIMULI, SUITE2P, opened, plane

TRACES = np.random.default_rng(1).standard_normal((5, 600)).astype("f4")
TABLES = {"kind": "tables", "rate_hz": "10", "stimuli": STIMULI, "path": "x.h5", "constants": {"cell_type": "x"}}


def from_suite2p(folder: Path) -> Dataset:
    plane(folder / "plane0", 5)
    return opened(folder, SUITE2P | {"path": "."})


def from_caiman(folder: Path) -> Dataset:
    with h5py.File(folder / "x.h5", "w") as file:
        for name in ("C", "YrA", "F_dff"):
            file[f"estimates/{name}"] = TRACES
        file["params/data/fr"] = 10.0
    return opened(folder, SUITE2P | {"kind": "caiman", "path": "x.h5"})


def from_arrays(folder: Path) -> Dataset:
    with h5py.File(folder / "x.h5", "w") as file:
        file["trace"] = TRACES[:, :40]
        file["time_s"] = np.arange(40) / 10 - 1
        file["neuron"] = list("abcde")
        file["stimulus"] = ["a"] * 5
    return opened(folder, TABLES)


READERS = [
    (from_suite2p, suite2p._Fluorescence),
    (from_caiman, caiman._Estimates),
    (from_arrays, table_files._InHdf5),
]


@pytest.mark.parametrize("room", [kept.KEPT_BYTES, 0])
@pytest.mark.parametrize(("open_it", "reader"), READERS)
def test_each_trace_is_read_once_where_there_is_room_and_twice_where_not(
    open_it: Callable[[Path], Dataset],
    reader: Any,  # noqa: ANN401
    room: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads = Counter[int]()
    whole = reader.__call__

    def counted(self: Any, number: int) -> Any:  # noqa: ANN401
        reads[number] += 1
        return whole(self, number)

    monkeypatch.setattr(reader, "__call__", counted)
    monkeypatch.setattr(kept, "KEPT_BYTES", room)
    data = open_it(tmp_path)
    write_store(data, tmp_path / "s.zarr")
    assert reads == dict.fromkeys(range(5), 1 if room else 2)
    stored = open_store(tmp_path / "s.zarr")
    for mine, theirs in zip(data.recordings, stored.recordings, strict=True):
        np.testing.assert_array_equal(mine.trace, theirs.trace)


def test_what_is_kept_is_let_go_with_its_file_and_not_sent_to_other_processes() -> None:
    before = kept._held["bytes"]
    read = Kept(np.ones, len)
    assert [len(read(n)) for n in (3, 5, 3)] == [3, 5, 3]
    assert kept._held["bytes"] == before + 8
    again = pickle.loads(pickle.dumps(read))  # noqa: S301 - of this test
    assert not again.found
    assert len(again(3)) == 3
    del read, again
    gc.collect()
    assert kept._held["bytes"] == before


def test_more_samples_than_a_trace_may_have_are_refused_before_they_are_read(tmp_path: Path) -> None:
    n = MOST_SAMPLES + 1
    folder = plane(tmp_path / "plane0", 1)
    for name in ("F.npy", "Fneu.npy"):
        np.lib.format.open_memmap(folder / name, "w+", "f4", (1, n)).flush()  # a hole in the disk
    with pytest.raises(DataError, match="plane0 has traces of 20,000,001 samples, expected at most 20,000,000"):
        opened(tmp_path, SUITE2P | {"path": "."})


@pytest.mark.parametrize(("name", "shape"), [("trace", (2, 10**8)), ("time_s", (10**8,))])
def test_an_array_that_declares_more_than_the_file_holds_is_refused(
    name: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["trace"], file["time_s"] = TRACES[:, :40], np.arange(40) / 10
        del file[name]
        file.create_dataset(name, shape, "f4", chunks=(1, 10**5)[-len(shape) :])
        file["neuron"], file["stimulus"] = list("ab"), ["a"] * 2
    with pytest.raises((FileError, DataError), match=f"'{name}' in .*x.h5 declares [48]00 MB of values, of which the"):
        opened(tmp_path, TABLES)
