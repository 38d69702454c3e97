"""Drafts: no two processes or threads share one, and those that killed processes left are no result and go away."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stcnn.data.importers import read_import_config
from stcnn.data.published import read_published
from stcnn.errors import FileError
from stcnn.writing import atomic_files, atomic_write, cache_folder
from stcnn.writing.drafts import OLD_S, PREFIX, REPLACED, machine
from stcnn.writing.places import place_folder
from tests.support.made_up_data import write_published

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")
def test_four_processes_at_once_never_collide(tmp_path: Path):
    command = [sys.executable, "-m", "tests.support.writers_at_once", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(ended.stdout) == {"a run": 80, "a folder": 20, "taken": 60}
    lines = (tmp_path / "one.csv").read_text().splitlines()
    assert len(lines) == 2000
    assert len(set(lines)) == 1
    assert not list(tmp_path.rglob(f"{PREFIX}*"))


def test_threads_write_one_file_at_once(tmp_path: Path):
    def write(number: int) -> None:
        with atomic_write(tmp_path / "a.txt") as draft:
            draft.write_text(str(number) * 1000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    assert len((tmp_path / "a.txt").read_text()) in (1000, 2000, 3000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def draft_of(folder: Path, of_machine: str, pid: int) -> Path:
    draft = folder / f"{PREFIX}{of_machine}-{pid}-abc_12"
    draft.mkdir(parents=True)
    (draft / "fly1.pt").write_text("half")
    return draft


@pytest.fixture(scope="module")
def gone() -> int:
    """Number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_drafts_whose_process_is_gone_are_taken_away_by_the_next_that_writes_there(tmp_path: Path, gone: int):
    left, alive = draft_of(tmp_path, machine(), gone), draft_of(tmp_path, machine(), os.getppid())
    elsewhere, old = draft_of(tmp_path, "0" * 12, gone), draft_of(tmp_path, "1" * 12, os.getpid())
    os.utime(old, (time.time() - 2 * OLD_S,) * 2)
    with atomic_write(tmp_path / "a.txt") as draft:
        draft.write_text("text")
    assert not left.exists()
    assert not old.exists()
    assert alive.exists()
    assert elsewhere.exists()


def test_drafts_are_not_taken_for_results(tmp_path: Path, gone: int):
    config = write_published(tmp_path / "lab")
    before = read_published(config).content_hash()
    for folder in (config.ca_path, config.ca_path / "LC4", config.mov_path, tmp_path / "lab"):
        draft_of(folder, machine(), gone)
    assert read_published(config).content_hash() == before
    for folder in (tmp_path, tmp_path / "deep"):
        (draft_of(folder, machine(), gone) / "fly.nwb").write_text("half")
    for pattern in ("*.nwb", "**/*.nwb", "*/*.nwb"):
        (tmp_path / "import.yaml").write_text(f'kind: nwb\npath: "{pattern}"\n')
        with pytest.raises(FileError, match="no file fits"):
            read_import_config(tmp_path / "import.yaml")


def test_what_was_being_replaced_when_a_process_was_killed_is_put_back(tmp_path: Path, gone: int):
    former = draft_of(tmp_path, machine(), gone) / REPLACED / "set.zarr"
    former.mkdir(parents=True)
    (former / "zarr.json").write_text("{}")
    with atomic_write(tmp_path / "a.txt") as draft:
        draft.write_text("text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "set.zarr"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_replaced_with_and_without_an_exchange(
    exchanges: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if not exchanges:
        monkeypatch.setattr("stcnn.writing.places._EXCHANGE", 64)  # a flag that no system has
    for text in ("former", "new"):
        (tmp_path / text / "set").mkdir(parents=True)
        (tmp_path / text / "set" / "file").write_text(text)
    place_folder(tmp_path / "new" / "set", tmp_path / "former" / "set", replace=True)
    assert (tmp_path / "former" / "set" / "file").read_text() == "new"


def test_files_of_one_folder_come_together(tmp_path: Path):
    def write(folder: Path, fail: bool) -> None:
        with atomic_files(folder) as draft:
            (draft / "a").write_text("a")
            (draft / "b").write_text("b")
            if fail:
                raise RuntimeError

    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "c").write_text("c")
    for name in ("new", "there"):
        with pytest.raises(RuntimeError):
            write(tmp_path / name, fail=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["c", "there"]
    write(tmp_path / "new", fail=False)
    write(tmp_path / "there", fail=False)
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["a", "b", "c"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a", "b"]


def test_without_a_home_the_folder_for_caches_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STCNN_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(FileError, match=r"cannot be known .*Set STCNN_CACHE to a folder of yours"):
        cache_folder()
