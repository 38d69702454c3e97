"""Files elsewhere: an NWB file behind a web server is read in parts, a store file by file; both as from disk."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import pandas as pd
import pytest
import yaml

from stcnn.addresses import address_of, located, stand_in
from stcnn.commands.data.import_recordings import import_recordings
from stcnn.config import compose
from stcnn.data import open_store, write_store
from stcnn.data.exporters.nwb import export_nwb
from stcnn.data.importers import open_import, read_import_config
from stcnn.errors import FileError
from stcnn.product import open_recordings
from stcnn.remote import BLOCK_BYTES
from stcnn.stimuli.specification import specified_movie
from tests.support import made_up_data
from tests.support.made_up_training import trained
from tests.support.range_server import Served, serving
from tests.test_train import SMALL_NETWORK

RAW_BYTES = 1 << 30


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("STCNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web") as server:
        yield server


@pytest.fixture
def session(tmp_path: Path, served: Served) -> Path:
    """A session whose file holds a gigabyte of raw pictures that nobody needs, as a hole on the disk."""
    data = made_up_data.dataset(neurons_per_type=2)
    one_animal = [replace(r, animal="fly") for r in data.recordings]
    (path,) = export_nwb(type(data).of(data.movies, one_animal), tmp_path / "exported")
    whole = tmp_path / "web" / "sub-1" / "sub-1.nwb"
    whole.parent.mkdir()
    path.rename(whole)
    with h5py.File(whole, "r+") as file:
        early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((RAW_BYTES,))
        raw = file.require_group("acquisition").create_group("raw")
        h5py.h5d.create(raw.id, b"data", h5py.h5t.NATIVE_UINT8, space, early)
    assert whole.stat().st_size > RAW_BYTES
    return whole


def described(folder: Path, path: str) -> Path:
    """YAML of an import."""
    config = folder / f"import_{len(list(folder.iterdir()))}.yaml"
    config.write_text(yaml.safe_dump({"kind": "nwb", "path": path}))
    return config


def test_an_nwb_file_elsewhere_is_read_in_parts_and_as_from_disk(
    session: Path, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    address = f"{served.url}/sub-1/sub-1.nwb"
    there = described(tmp_path, address)
    import_recordings(there, tmp_path / "there.zarr", dry_run=True)
    said = " ".join(capsys.readouterr().out.split())
    assert served.n_bytes < 5e6
    assert "Read from elsewhere: " in said
    assert "it lies elsewhere; an import reads the " in said
    assert not (tmp_path / "there.zarr").exists()

    here = open_import(read_import_config(described(tmp_path, str(session))), specified_movie)
    elsewhere = open_import(read_import_config(there), specified_movie)
    assert elsewhere.content_hash() == here.content_hash()
    given = served.n_bytes
    again = open_import(read_import_config(there), specified_movie)
    assert again.content_hash() == here.content_hash()
    assert served.n_bytes == given
    assert read_import_config(there).model_dump(mode="json")["path"] == address


def test_a_file_of_dandi_is_found_by_its_name(session: Path, served: Served, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DANDI_API", f"{served.url}/api")
    config = session.parents[2] / "dandi.yaml"
    config.write_text("{kind: nwb, path: 'dandi://000001/draft/sub-1/sub-1.nwb'}")
    assert len(open_import(read_import_config(config), specified_movie)) == 12
    with pytest.raises(FileError, match="expected dandi://DANDISET/VERSION/FILE"):
        open_import(read_import_config(config).model_copy(update={"path": stand_in("dandi://000001")}), specified_movie)


def test_what_changed_is_fetched_again(session: Path, served: Served, tmp_path: Path):
    there = described(tmp_path, f"{served.url}/sub-1/sub-1.nwb")
    first = open_import(read_import_config(there), specified_movie).content_hash()
    with h5py.File(session, "r+") as file:
        name = next(name for name in file["processing/ophys/DfOverF"])
        file[f"processing/ophys/DfOverF/{name}/data"][:] *= 2
    assert open_import(read_import_config(there), specified_movie).content_hash() != first


@pytest.fixture
def store(tmp_path: Path, served: Served) -> Path:
    return write_store(made_up_data.dataset(neurons_per_type=3), tmp_path / "web" / "set.zarr")


def test_a_store_elsewhere_trains_to_the_losses_of_one_on_disk(store: Path, served: Served, tmp_path: Path):
    address = f"{served.url}/set.zarr"
    losses = []
    for number, path in enumerate((str(store), address)):
        words = ["dataset=store", f"dataset.path={path}", "split.validation=0.2", "batching.loss_start_s=-0.2"]
        words += [*SMALL_NETWORK, "training.epochs=2", "training.device=cpu"]
        run = trained([*words, f"experiments_dir={tmp_path / f'runs{number}'}"])
        losses.append(run.losses())
    pd.testing.assert_frame_equal(losses[0], losses[1], check_exact=True)
    assert run.config()["dataset"]["path"] == address
    assert compose(words).dataset.path == located(address)  # type: ignore[union-attr]
    files = [path for path in served.paths if not path.endswith("set.zarr/zarr.json")]
    assert len(files) == len(set(files))
    assert served.n_bytes < 2 * sum(file.stat().st_size for file in store.rglob("*") if file.is_file())


def test_of_a_store_elsewhere_only_what_is_asked_for_is_fetched(store: Path, served: Served):
    data = open_recordings(f"{served.url}/set.zarr")
    assert not [path for path in served.paths if "/movies/" in path or "/traces/" in path]
    assert data.movies["bar"].n_frames == 60
    assert len({path.split("/")[3] for path in served.paths if "/movies/0" in path}) == 1
    assert data.content_hash() == open_store(store).content_hash()


def test_a_file_that_is_another_one_is_refused(store: Path, served: Served):
    chunk = next((store / "traces" / "c").iterdir())
    content = bytearray(chunk.read_bytes())
    content[3] ^= 1
    chunk.write_bytes(content)
    data = open_store(f"{served.url}/set.zarr")
    with pytest.raises(FileError, match="was changed after it was written: it has another checksum"):
        data.recordings[0]


def test_a_store_that_was_written_again_is_read_anew(store: Path, served: Served):
    first = open_store(f"{served.url}/set.zarr").content_hash()
    write_store(made_up_data.dataset(neurons_per_type=2), store, overwrite=True)
    data = open_store(f"{served.url}/set.zarr")
    assert data.content_hash() != first
    assert len(data.recordings[0].trace)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("{url}/nothing.nwb", r"there is nothing at http://127.0.0.1:\d+/nothing.nwb\. Correct the address"),
        (
            "http://127.0.0.1:9/x.nwb",
            r"http://127.0.0.1:9/x.nwb cannot be read \(.*Look whether",
        ),
        ("s3://bucket/../x.nwb", "is no address, expected one such as https"),
    ],
)
def test_what_cannot_be_had_is_a_sentence(address: str, sentence: str, served: Served, tmp_path: Path):
    with pytest.raises(Exception, match=sentence):
        open_import(read_import_config(described(tmp_path, address.format(url=served.url))), specified_movie)


def test_a_server_that_knows_no_ranges_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STCNN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "x.nwb").write_bytes(bytes(3 * BLOCK_BYTES))
    with serving(tmp_path / "web", ranges=False) as server:
        config = described(tmp_path, f"{server.url}/x.nwb")
        with pytest.raises(FileError, match=r"its server knows no ranges|download it and give the path"):
            open_import(read_import_config(config), specified_movie)


def test_an_address_is_told_from_its_stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("STCNN_CACHE", str(tmp_path))
    for address in ("https://host:8080/a/b c.nwb?x=1&y=2", "s3://bucket/key.zarr", "dandi://000296/draft/sub-1/x.nwb"):
        assert address_of(stand_in(address)) == address
    assert address_of(stand_in(Path("https://host/x"))) == "https://host/x"  # a Path has but one slash
    assert address_of(tmp_path / "x") is None
    assert located("a/b") == Path("a/b")
