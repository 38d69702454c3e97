"""Files appear whole or not at all, and what cannot be written is one sentence on the command line."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy

from stcnn import cli, command_line
from stcnn.data import write_store
from stcnn.errors import FileError
from stcnn.run_folder import open_run
from stcnn.writing import atomic_files, atomic_folder, atomic_write, is_locked, locked
from tests.support.made_up_data import dataset, write_published
from tests.test_train import folders


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path):
    def fail() -> None:
        with atomic_write(tmp_path / "a.txt") as draft:
            draft.write_text("half")
            raise RuntimeError("in the middle")

    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "a.txt").read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with atomic_write(tmp_path / "a.txt") as draft:
        draft.write_text("after")
    assert (tmp_path / "a.txt").read_text() == "after"


def test_folders_are_made_and_endings_kept(tmp_path: Path):
    with atomic_write(tmp_path / "deep" / "er" / "A.PNG") as draft:
        assert draft.suffix == ".png"
        draft.write_text("picture")
    assert [p.name for p in (tmp_path / "deep" / "er").iterdir()] == ["A.PNG"]


@pytest.mark.parametrize("place", ["file/a.txt", "folder", "."])
def test_what_cannot_be_written_is_named(place: str, tmp_path: Path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match=r"'.*' cannot be written \(.+\). Choose another place"):  # noqa: SIM117
        with atomic_write(tmp_path / place) as draft:
            draft.write_text("text")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_name_that_is_too_long_is_named(tmp_path: Path):
    with pytest.raises(FileError, match=r"cannot be written \(the name is too long\)\. Choose a shorter one\."):  # noqa: SIM117
        with atomic_write(tmp_path / f"{'long' * 100}.txt") as draft:
            draft.write_text("text")
    with atomic_write(tmp_path / f"{'l' * 251}.txt") as draft:  # the longest that a file system takes
        draft.write_text("text")
    assert [len(p.name) for p in tmp_path.iterdir()] == [255]


class CommandLine:
    """The ``stcnn`` command as the shell starts it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> tuple[int, str]:
        """Exit status and what went to the standard error."""
        self.monkeypatch.setattr(sys, "argv", ["stcnn", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), self.capsys.readouterr().err


@pytest.fixture
def stcnn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def refused(status: int, error: str, path: Path) -> bool:
    reason = f"'{path.parent}' is not a folder"
    return status == 2 and error == f"'{path}' cannot be written ({reason}). Choose another place.\n"


def test_a_split_goes_into_a_new_folder_and_not_into_a_file(stcnn: CommandLine, tmp_path: Path):
    store = write_store(dataset(), tmp_path / "set.zarr")
    (tmp_path / "file").write_text("")
    split = ("data", "split", store, "validation=0.3", "--to")
    assert stcnn(*split, tmp_path / "new" / "split.json") == (0, "")
    assert {"config", "train"} <= json.loads((tmp_path / "new" / "split.json").read_text()).keys()
    assert refused(*stcnn(*split, tmp_path / "file" / "split.json"), tmp_path / "file" / "split.json")
    check = ("data", "check", store, "--csv", tmp_path / "file" / "neurons.csv")
    assert refused(*stcnn(*check), tmp_path / "file" / "neurons.csv")


@pytest.mark.parametrize("layout", ["nwb", "published"])
def test_exports_into_a_file_are_refused_and_leave_nothing(layout: str, stcnn: CommandLine, tmp_path: Path):
    store = write_store(dataset(), tmp_path / "set.zarr")
    (tmp_path / "file").write_text("")
    status, error = stcnn("data", "export", store, tmp_path / "file" / "out", "--as", layout)
    assert status == 2
    assert re.fullmatch(rf"'{tmp_path}/file/out\S*' cannot be written \(.+\)\. Choose another place\.\n", error)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "set.zarr"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path):
    def fail() -> None:
        with atomic_folder(tmp_path / "deep" / "folder") as draft:
            draft.mkdir()
            (draft / "a.txt").write_text("half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        fail()
    assert list((tmp_path / "deep").iterdir()) == []
    with atomic_folder(tmp_path / "deep" / "folder") as draft:
        draft.mkdir()
        (draft / "a.txt").write_text("whole")
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.txt")] == ["deep/folder/a.txt"]


def test_new_neurons_go_into_a_new_folder_and_not_into_a_file(stcnn: CommandLine, tmp_path: Path):
    write_published(tmp_path)
    (tmp_path / "file").write_text("")
    chosen = folders(tmp_path)
    assert command_line.main([*chosen, "training.epochs=1", f"experiments_dir={tmp_path / 'runs'}"]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    stcnn.capsys.readouterr()
    fit = ("fit-neuron", open_run(run).path, *chosen, "--to")
    assert stcnn(*fit, tmp_path / "new" / "neurons.csv") == (0, "")
    assert len(pd.read_csv(tmp_path / "new" / "neurons.csv"))
    assert refused(*stcnn(*fit, tmp_path / "file" / "neurons.csv"), tmp_path / "file" / "neurons.csv")


def test_a_look_at_a_lock_of_ones_own_does_not_give_it_up(tmp_path: Path):
    program = f"import pathlib, stcnn.writing as w; print(w.is_locked(pathlib.Path({str(tmp_path)!r}), 'a'))"
    command = [sys.executable, "-c", program]
    seen_by_another = partial(subprocess.run, command, capture_output=True, text=True, check=True)
    assert not is_locked(tmp_path, "a")
    with locked(tmp_path, "a", "writes"):
        assert is_locked(tmp_path, "a")
        assert seen_by_another().stdout.strip() == "True"
    assert not is_locked(tmp_path, "a")
    assert seen_by_another().stdout.strip() == "False"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no umask")
@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_modes_follow_the_umask_so_that_colleagues_can_read(tmp_path: Path, mask: int):
    before = os.umask(mask)
    try:
        with atomic_write(tmp_path / "weights.safetensors") as draft:
            draft.write_bytes(safetensors.numpy.save({"w": np.zeros(2)}))
        with atomic_folder(tmp_path / "run") as draft:
            (draft / "checkpoints").mkdir(parents=True)
            (draft / "config.yaml").write_text("seed: 0\n")
        with atomic_files(tmp_path / "run") as draft:
            (draft / "a.csv").write_text("x\n")
            (draft / "b.csv").write_text("x\n")
    finally:
        os.umask(before)
    made = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    files, folders = 0o666 & ~mask, 0o777 & ~mask
    assert made == {
        "weights.safetensors": files,
        "run": folders,
        "run/checkpoints": folders,
        "run/config.yaml": files,
        "run/a.csv": files,
        "run/b.csv": files,
    }
