"""The store: what is written comes back, lazily, in any process; damage and unknown versions are sentences."""

import json
import pickle
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stcnn.data import BatchingConfig, Dataset, SplitConfig, loader, split_recordings
from stcnn.data.dataset import canonical_order, concatenate, select, with_notes
from stcnn.data.on_demand import MoviesOnDemand
from stcnn.data.recordings import neurons_of, optional_column
from stcnn.data.store import StoreDataConfig, open_store, provenance, read_store, write_store
from stcnn.errors import DataError, FileError
from stcnn.movie import Movie
from tests.support.made_up_data import GREY, RATE_HZ, dataset


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Dataset, Path]:
    data = dataset(trials=2)
    shown = replace(data.movies["bar"], parameters={"size_deg": 5}, track={"azimuth_deg": np.linspace(0, 1, 60)})
    recordings = [
        replace(r, session="morning", indicator="GCaMP6f", position_deg=(1.5, -2.25)) for r in data.recordings
    ]
    data = Dataset.of(dict(data.movies) | {"bar": shown}, recordings)
    return data, write_store(data, tmp_path / "set.zarr", provenance={"lab": "here"})


def test_everything_comes_back(stored: tuple[Dataset, Path]) -> None:
    data, path = stored
    again = open_store(path)
    assert again.content_hash() == data.content_hash()
    assert replace(again, known_hash=None).content_hash() == data.content_hash()
    assert again.neurons == data.neurons
    assert again.shape_px == data.shape_px
    for ours, theirs in zip(data.recordings, again.recordings, strict=True):
        assert vars(ours).keys() == vars(theirs).keys()
        np.testing.assert_equal(vars(theirs), vars(ours))
    assert again.movies["bar"].parameters == {"size_deg": 5}
    np.testing.assert_array_equal(again.movies["bar"].track["azimuth_deg"], data.movies["bar"].track["azimuth_deg"])
    for name, shown in data.movies.items():
        assert again.movies[name].frames.dtype == np.uint8
        np.testing.assert_array_equal(again.movies[name].luminance(), shown.luminance())
    assert provenance(path) == {"lab": "here"}


def test_jittered_stamps_and_traces_longer_than_a_chunk_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    recordings = []
    for n_samples, recording in zip([300_000, 900_000, 7, 1_200_000], dataset().recordings, strict=False):
        time_s = np.sort(rng.uniform(-1, 5, n_samples))
        trace = rng.normal(size=n_samples).astype(np.float32)
        recordings.append(replace(recording, trace=trace, time_s=time_s, rate_hz=10.0, exposure_s=0.1))
    data = Dataset.of(dataset().movies, recordings)
    again = open_store(write_store(data, tmp_path / "set.zarr"))
    for ours, theirs in zip(data.recordings, again.recordings, strict=True):
        np.testing.assert_array_equal(theirs.trace, ours.trace)
        np.testing.assert_array_equal(theirs.time_s, ours.time_s)


def test_a_movie_of_many_grey_values_is_kept_as_float16(tmp_path: Path) -> None:
    luminance = np.linspace(0, 1, 40 * 16 * 20, dtype=np.float32).reshape(40, 16, 20)
    data = Dataset.of({"loom": Movie(luminance, RATE_HZ, background=GREY)}, dataset(1, ("loom",)).recordings)
    again = open_store(write_store(data, tmp_path / "set.zarr")).movies["loom"]
    np.testing.assert_array_equal(again.luminance(), luminance.astype(np.float16))


@pytest.mark.parametrize("n_workers", [0, 2])
def test_batches_from_a_store_are_those_from_memory(stored: tuple[Dataset, Path], n_workers: int) -> None:
    data, path = stored
    config = BatchingConfig(batch_size=4, pre_grey_s=0.1)
    opened = open_store(path)
    list(loader(opened, config))  # files are open in this process before others read them
    for ours, theirs in zip(loader(data, config), loader(opened, config, n_workers=n_workers), strict=True):
        assert torch.equal(ours.contrast(), theirs.contrast())
        assert torch.equal(ours.target, theirs.target)


RANK = """
import sys
from stcnn.data import BatchingConfig, loader, open_store
batches = loader(open_store(sys.argv[1]), BatchingConfig(), seed=int(sys.argv[2]), shuffle=True)
print(sum(float((batch.target * batch.weight).abs().sum()) for batch in batches))
"""


def test_several_ranks_read_at_once(stored: tuple[Dataset, Path]) -> None:
    data, path = stored
    commands = [[sys.executable, "-c", RANK, str(path), str(rank)] for rank in (0, 1)]
    ranks = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    sums = [float(rank.communicate(timeout=300)[0]) for rank in ranks]
    expected = sum(float((batch.target * batch.weight).abs().sum()) for batch in loader(data, BatchingConfig()))
    assert sums == pytest.approx([expected, expected], rel=1e-5)


def test_an_open_store_survives_pickling(stored: tuple[Dataset, Path]) -> None:
    data, path = stored
    opened = open_store(path)
    assert len(opened.recordings[3].trace) > 0
    again = pickle.loads(pickle.dumps(opened.recordings))  # noqa: S301 - what the spawn start method does
    np.testing.assert_array_equal(again[3].trace, data.recordings[3].trace)


def test_a_split_of_a_store_is_that_from_memory_and_reads_no_movie(stored: tuple[Dataset, Path]) -> None:
    data, path = stored
    opened = open_store(path)
    assert isinstance(opened.movies, MoviesOnDemand)
    config = SplitConfig(validation=0, test=0.3)
    assert split_recordings(opened, config) == split_recordings(data, config)
    assert not opened.movies.recent


def test_trials_are_averaged_and_cell_types_chosen(stored: tuple[Dataset, Path]) -> None:
    data, path = stored
    part = read_store(StoreDataConfig(path=path, cell_types=("LC4",)))
    assert part.cell_types == ("lc4",)
    assert len(part) == len(data) // 4
    assert part.recordings[0].trials == (0, 1)
    single = [r.trace for r in data.recordings if (r.cell_type, r.neuron, r.stimulus) == ("lc4", "0", "loom")]
    np.testing.assert_array_equal(part.recordings[0].trace, np.mean(single, axis=0))
    assert len(read_store(StoreDataConfig(path=path, average_trials=False))) == len(data)
    with pytest.raises(DataError, match=r"no cell type 'lc12'. Did you mean 'lc11'"):
        read_store(StoreDataConfig(path=path, cell_types=("lc12",)))


def test_trials_at_different_times_are_not_averaged(tmp_path: Path) -> None:
    data = dataset(1, ("loom",), trials=2)
    late = replace(data.recordings[1], time_s=data.recordings[1].time_s + 0.01)
    write_store(Dataset.of(data.movies, [data.recordings[0], late]), tmp_path / "set.zarr")
    with pytest.raises(DataError, match=r"trials of neuron '0' .* were not sampled at the same times"):
        read_store(StoreDataConfig(path=tmp_path / "set.zarr", average_trials=True))
    assert len(read_store(StoreDataConfig(path=tmp_path / "set.zarr"))) == 2  # single trials


def test_opening_takes_the_same_memory_whatever_the_size_of_movies(tmp_path: Path) -> None:
    peaks = []
    for n_frames in (100, 4000):
        frames = np.random.default_rng(0).integers(0, 256, (n_frames, 16, 20), dtype=np.uint8)
        data = Dataset.of({"loom": Movie(frames, RATE_HZ, background=GREY)}, dataset(1, ("loom",)).recordings)
        path = write_store(data, tmp_path / f"{n_frames}.zarr")
        open_store(path)
        tracemalloc.start()
        open_store(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_a_damaged_store_is_noticed_on_opening(stored: tuple[Dataset, Path]) -> None:
    _, path = stored
    shard = path / "movies" / "0001" / "c" / "0" / "0" / "0"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:100])
    with pytest.raises(FileError, match=r"damaged: movies/0001/c/0/0/0 has 100 bytes, expected \d+ bytes"):
        open_store(path)
    shard.unlink()
    with pytest.raises(FileError, match="damaged: movies/0001/c/0/0/0 is missing"):
        open_store(path)
    flipped = bytearray(whole)
    flipped[40] ^= 0xFF
    shard.write_bytes(flipped)
    opened = open_store(path)
    with pytest.raises(FileError, match=r"movies/0001 cannot be read .*expected an undamaged store"):
        opened.movies[sorted(opened.movies)[1]]


def test_an_unknown_version_and_a_folder_that_is_no_store(stored: tuple[Dataset, Path]) -> None:
    _, path = stored
    root = path / "zarr.json"
    content = json.loads(root.read_text())
    content["attributes"]["version"] = 7
    root.write_text(json.dumps(content))
    with pytest.raises(FileError, match=r"store of format 'stcnn', version 7, expected 'stcnn', version 1"):
        open_store(path)
    with pytest.raises(FileError, match="is not a store, expected a folder written by stcnn"):
        open_store(path.parent)


def test_a_store_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    data = dataset()

    def interrupt(what: str, done: int, total: int) -> None:
        if what == "recordings":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(data, tmp_path / "set.zarr", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_not_replaced_unless_asked(stored: tuple[Dataset, Path]) -> None:
    data, path = stored
    with pytest.raises(FileError, match="exists already"):
        write_store(data, path)
    write_store(dataset(1), path, overwrite=True)
    assert len(open_store(path)) == len(dataset(1))
    with pytest.raises(DataError, match="the recordings are averages of trials, expected single trials"):
        write_store(Dataset.of(data.movies, [replace(data.recordings[0], trials=(0, 1))]), path, overwrite=True)


def test_notes_survive_joining_selection_order_and_the_store(tmp_path: Path) -> None:
    data = with_notes(dataset(), "one cell was left out", "luminance is taken as 0 to 1")
    assert canonical_order(data.subset([0, 1])).notes == data.notes
    assert select(data, ("LC4",), average_trials=True).notes == data.notes
    assert concatenate([data, with_notes(data, "another")]).notes == (*data.notes, "another")
    write_store(data, tmp_path / "noted.zarr")
    assert open_store(tmp_path / "noted.zarr").notes == data.notes


def test_optional_columns_are_kept_where_they_are_known(tmp_path: Path) -> None:
    first, second = dataset(), dataset()
    first.table["plane"] = "plane1"
    first.table["onset_s"] = np.arange(len(first)) / 10
    renamed = second.table.assign(neuron="other " + second.table.neuron)
    whole = concatenate([first, replace(second, table=renamed, neurons=neurons_of(renamed))])
    assert whole.table.plane.tolist() == ["plane1"] * len(first) + [""] * len(second)
    opened = open_store(write_store(whole, tmp_path / "set.zarr"))
    assert opened.table.plane.tolist() == whole.table.plane.tolist()
    np.testing.assert_array_equal(opened.table.onset_s, whole.table.onset_s)
    assert "channel" not in opened.table
    assert set(optional_column(opened.table, "channel")) == {""}
