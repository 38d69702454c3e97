"""A store notices what was changed in it after it was written: before a training and on a check, not on opening."""

import json
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from stcnn.data import Dataset, write_store
from stcnn.data.dataset import concatenate
from stcnn.data.store import StoreDataConfig, open_store, read_store
from stcnn.errors import FileError
from stcnn.run_folder import Run
from stcnn.training.fit import train
from tests.support.made_up_data import dataset
from tests.support.made_up_training import new_run, recipe

CHANGED = r"the store .* was changed after it was written: {} has another checksum\. Restore it from a copy, or import"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(dataset(trials=2), tmp_path / "set.zarr")


def edit_a_trace(store: Path) -> None:
    traces = zarr.open_group(store, mode="r+")["traces"]
    assert isinstance(traces, zarr.Array)
    traces[3] = np.asarray(traces[3]) + 1e-6


def test_edited_samples_are_noticed_by_the_hash_and_not_on_opening(store: Path):
    before = read_store(StoreDataConfig(path=store))
    assert before.content_hash() == before.content_hash()
    edit_a_trace(store)
    for opened in (read_store(StoreDataConfig(path=store)), before, open_store(store).subset([0, 1])):
        with pytest.raises(FileError, match=CHANGED.format("traces/c/0")):
            opened.content_hash()
    with pytest.raises(FileError, match=CHANGED.format("traces/c/0")):
        concatenate([open_store(store)]).content_hash()
    with pytest.raises(FileError, match=CHANGED.format("traces/c/0")):
        write_store(open_store(store), store.with_name("copy.zarr"))


@settings(max_examples=30)
@given(place=st.integers(0, 2**31), bit=st.integers(0, 7), which=st.integers(0, 2**31))
def test_a_bit_that_flips_in_any_file_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int, which: int
):
    whole = tmp_path_factory.getbasetemp() / "whole.zarr"
    if not whole.exists():
        write_store(dataset(), whole)
    store = Path(shutil.copytree(whole, tmp_path_factory.mktemp("flipped") / "set.zarr"))
    files = sorted(file for file in store.rglob("*") if file.is_file() and file.parent != store)
    file = files[which % len(files)]
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= 1 << bit
    file.write_bytes(content)
    with pytest.raises(FileError, match=r"was changed after it was written|set\.zarr.* cannot be read"):
        open_store(store).content_hash()


def test_attributes_that_were_edited_are_noticed_on_opening_and_additions_are_welcome(store: Path):
    group = zarr.open_group(store, mode="r+")
    group.attrs["remark"] = "by hand"
    assert open_store(store).content_hash()
    movies = group.attrs["movies"]
    assert isinstance(movies, list)
    group.attrs["movies"] = [{**dict(movie), "rate_hz": 30.0} for movie in movies]
    with pytest.raises(FileError, match=r"the attributes of the store .* were changed after it was written"):
        open_store(store)


def test_a_store_without_checksums_opens_and_says_so(store: Path, caplog: pytest.LogCaptureFixture):
    before = open_store(store)
    root = store / "zarr.json"
    content = json.loads(root.read_text())
    del content["attributes"]["sums"]
    root.write_text(json.dumps(content))
    opened = open_store(store)
    assert [note for note in opened.notes if "written before there were checksums" in note]
    assert not before.notes
    with caplog.at_level(logging.WARNING):
        assert opened.content_hash() == before.content_hash()
    assert "import the recordings again" in caplog.text


def test_a_file_found_whole_is_read_again_only_when_it_changed(store: Path, monkeypatch: pytest.MonkeyPatch):
    opened = open_store(store)
    opened.require_unchanged()
    with monkeypatch.context() as patched:
        patched.setattr("stcnn.data.store.sums.sha256_of", lambda path: pytest.fail(f"{path} is read again"))
        opened.require_unchanged()
    chunk = store / "traces" / "c" / "0"
    looks = chunk.stat()
    edit_a_trace(store)
    os.utime(chunk, ns=(looks.st_atime_ns, looks.st_mtime_ns))  # a time that was set back does not hide it
    with pytest.raises(FileError, match=CHANGED.format("traces/c/0")):
        opened.require_unchanged()


def test_a_training_is_not_resumed_on_edited_samples(tmp_path: Path):
    store = write_store(dataset(), tmp_path / "set.zarr")
    run = new_run(tmp_path)
    train(open_store(store), recipe(epochs=1), run)
    edit_a_trace(store)
    with pytest.raises(FileError, match=CHANGED.format("traces/c/0")):
        train(open_store(store), recipe(epochs=2), Run(run.path), resume=True)


def n_open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_traces_are_mapped_without_a_file_that_stays_open(store: Path):
    data: Dataset = open_store(store)
    before = n_open_files()
    traces = [recording.trace for recording in data.recordings]
    assert n_open_files() <= before
    np.testing.assert_array_equal(traces[5], dataset(trials=2).recordings[5].trace)


def test_a_store_that_is_replaced_is_there_whole_until_then(store: Path):
    seen: list[int] = []
    write_store(
        dataset(1), store, overwrite=True, progress=lambda what, done, total: seen.append(len(open_store(store)))
    )
    assert set(seen) == {len(dataset(trials=2))}
    assert len(open_store(store)) == len(dataset(1))
    assert [path.name for path in store.parent.iterdir()] == ["set.zarr"]
