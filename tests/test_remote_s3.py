"""Recordings at ``s3://`` addresses, read from a server on this machine that speaks the protocol (moto)."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from stcnn.data import open_store, write_store
from stcnn.data.exporters.nwb import export_nwb
from stcnn.data.importers import open_import, read_import_config
from stcnn.errors import FileError
from stcnn.product import open_recordings
from stcnn.stimuli.specification import specified_movie
from tests.support import made_up_data
from tests.support.made_up_training import trained
from tests.test_train import SMALL_NETWORK

s3fs = pytest.importorskip("s3fs", reason="needs s3fs: pip install 'stcnn[remote]'")
moto = pytest.importorskip("moto.server", reason="needs moto[server], a server of S3 for tests; .ci/long installs it")
pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket with a store, set.zarr, and a session, sub-1.nwb; both also lie in the folder of the test."""
    data = made_up_data.dataset(neurons_per_type=2)
    store = write_store(data, tmp_path / "set.zarr")
    (session, *_) = export_nwb(data, tmp_path / "exported")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("STCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "lab")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "lab")
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.makedirs("lab", exist_ok=True)
    files.put(str(store), "lab/set.zarr", recursive=True)
    files.put(str(session), "lab/sub-1.nwb")
    session.rename(tmp_path / "sub-1.nwb")
    yield "s3://lab"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_store_in_a_bucket_trains_to_the_losses_of_one_on_disk(bucket: str, tmp_path: Path):
    losses = []
    for number, path in enumerate((str(tmp_path / "set.zarr"), f"{bucket}/set.zarr")):
        words = ["dataset=store", f"dataset.path={path}", "split.validation=0.2", "batching.loss_start_s=-0.2"]
        words += [*SMALL_NETWORK, "training.epochs=2", "training.device=cpu"]
        losses.append(trained([*words, f"experiments_dir={tmp_path / f'runs{number}'}"]).losses())
    pd.testing.assert_frame_equal(losses[0], losses[1], check_exact=True)
    assert open_recordings(f"{bucket}/set.zarr").content_hash() == open_store(tmp_path / "set.zarr").content_hash()


def test_a_session_in_a_bucket_is_read_as_from_disk(bucket: str, tmp_path: Path):
    read = []
    for number, path in enumerate((str(tmp_path / "sub-1.nwb"), f"{bucket}/sub-1.nwb")):
        config = tmp_path / f"import_{number}.yaml"
        config.write_text(f"{{kind: nwb, path: '{path}'}}")
        read.append(open_import(read_import_config(config), specified_movie).content_hash())
    assert read[0] == read[1]


def test_what_is_not_in_the_bucket_is_a_sentence(bucket: str, tmp_path: Path):
    config = tmp_path / "import.yaml"
    config.write_text(f"{{kind: nwb, path: '{bucket}/other.nwb'}}")
    with pytest.raises(FileError, match=r"there is nothing at s3://lab/other\.nwb\. Correct the address"):
        open_import(read_import_config(config), specified_movie)
