"""A disk that is full at any moment: a sentence, exit status 2, what was complete stays complete, and with room it
goes on to the same numbers."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import tifffile
import torch
import zarr
from matplotlib.figure import Figure

from stcnn import cli, command_line
from stcnn.errors import FileError, StcnnError
from stcnn.run_folder import open_run
from stcnn.viz.film import write_film
from stcnn.writing import atomic_folder, atomic_write
from tests.support.disturbed import TASKS, drafts, prepare
from tests.support.made_up_data import write_published
from tests.support.small_disk import remount, small_disk, used_kb
from tests.test_train import folders

BIG = np.random.default_rng(0).random(100_000)
FULL = r"cannot be written \(the disk is full\)\. Make room, or choose another place\."


def write_picture(path: Path) -> None:
    figure = Figure(figsize=(6, 6), dpi=200)
    figure.add_subplot().imshow(BIG.reshape(250, 400))
    figure.savefig(path)


def write_tensors(path: Path) -> None:
    with path.open("wb") as stream:
        torch.save(torch.from_numpy(BIG), stream)


WRITERS: dict[str, Callable[[Path], object]] = {
    ".txt": lambda path: path.write_text("text" * 100_000),
    ".csv": lambda path: pd.DataFrame({"a": BIG}).to_csv(path),
    ".parquet": lambda path: pd.DataFrame({"a": BIG}).to_parquet(path),
    ".npy": lambda path: np.save(path, BIG),
    ".npz": lambda path: np.savez_compressed(path, a=BIG),
    ".tif": lambda path: tifffile.imwrite(path, BIG.reshape(10, 100, 100)),
    ".png": write_picture,
    ".pt": write_tensors,
    ".safetensors": lambda path: safetensors.torch.save_file({"a": torch.from_numpy(BIG)}, path),
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64) as folder:
        yield folder


def test_each_library_fails_with_one_sentence_and_the_file_that_was_there_stays(disk: Path):
    for ending, write in WRITERS.items():
        file = disk / f"file{ending}"
        file.write_text("before")
        with pytest.raises(FileError, match=rf"^'{file}' {FULL}"), atomic_write(file) as draft:
            write(draft)
        assert file.read_text() == "before", ending
        assert [path.name for path in disk.iterdir()] == [file.name]
        file.unlink()
    frames = (np.random.default_rng(i).integers(0, 255, (256, 256, 3), dtype=np.uint8) for i in range(20))
    with pytest.raises(FileError, match=FULL):
        write_film(disk / "film.mp4", frames)
    with pytest.raises(FileError, match=FULL), atomic_folder(disk / "set.zarr") as folder:
        zarr.create_group(folder).create_array("a", data=BIG, compressors=None)
    assert not list(disk.iterdir())


def test_a_training_whose_disk_fills_is_a_sentence_and_goes_on_with_room(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_published(tmp_path / "data")
    with small_disk(tmp_path / "disk", 80) as disk:
        arguments = [*folders(tmp_path / "data"), "training.epochs=2", f"experiments_dir={disk}"]
        assert command_line.main(arguments) == 2
        (error,) = capsys.readouterr().err.splitlines()[-1:]
        (place,) = disk.iterdir()
        assert error.startswith(f"'{place}/checkpoints/epoch_")
        assert error.endswith(".ckpt' cannot be written (the disk is full). Make room, or choose another place.")
        assert not drafts(disk)
        remount(disk, "size=20m")
        assert command_line.main([f"resume={place}"]) == 0
        assert list(open_run(place).checkpoints()) == [0, 1, 2]
        assert (place / "report.html").is_file()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    prepare(folder, with_run=False)
    return folder


def fault(work: Callable[[], object]) -> str:
    """The sentence that something ends with; empty if it ends well."""
    try:
        work()
    except StcnnError as error:
        return str(error)
    return ""


def shrunk(name: str, inputs: Path, folder: Path, n_sizes: int) -> list[int]:
    """Let a task run on ever larger disks, then with room; return the sizes on which it had not enough."""
    alone, full = folder / "alone", []
    alone.mkdir()
    TASKS[name].run(inputs, alone)
    facts: dict[str, Any] = TASKS[name].facts(alone)
    for size_kb in np.linspace(8, 1.5 * used_kb(alone) + 32, n_sizes).astype(int).tolist():
        with small_disk(folder / "disk", size_kb) as disk:
            place = disk / "place"
            place.mkdir()
            message = fault(partial(TASKS[name].run, inputs, place))
            assert not message or "the disk is full" in message, f"{name} on {size_kb} kB: {message}"
            full += [size_kb] if message else []
            assert not drafts(disk), f"{name} on {size_kb} kB"
            remount(disk, "size=64m")
            TASKS[name].run(inputs, place)
            assert TASKS[name].facts(place) == facts, f"{name} on {size_kb} kB"
    return full


@pytest.mark.parametrize("name", ["import", "published"])
def test_what_is_written_on_ever_larger_disks_goes_on_with_room(name: str, inputs: Path, tmp_path: Path):
    assert shrunk(name, inputs, tmp_path, n_sizes=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TASKS if name not in ("report", "overwrite", "compile", "nwb")])
def test_whatever_is_written_on_ever_larger_disks_goes_on_with_room(name: str, inputs: Path, tmp_path: Path):
    assert len(shrunk(name, inputs, tmp_path, n_sizes=24)) > 5


@pytest.mark.slow
def test_an_nwb_export_that_does_not_fit_is_a_sentence_and_leaves_nothing(inputs: Path, tmp_path: Path):
    statuses = []
    for size_kb in (50, 100, 200, 400, 4000):  # each in a process of its own: HDF5 cannot close what it cannot write
        with small_disk(tmp_path / "disk", size_kb) as disk:
            command = [sys.executable, "-m", "stcnn.cli", "data", "export"]
            command += [str(inputs / "set.zarr"), str(disk / "nwb")]
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
            ended = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
            statuses.append(ended.returncode)
            if ended.returncode:
                assert ended.stderr == f"'{disk}/nwb' {FULL.replace(chr(92), '')}\n"
                assert not list(disk.iterdir())
    assert statuses[0] == 2
    assert statuses[-1] == 0
    assert set(statuses) == {0, 2}


@pytest.mark.slow
def test_a_report_that_does_not_fit_is_a_sentence_and_the_training_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_published(tmp_path / "data")
    with small_disk(tmp_path / "disk", 600) as disk:
        assert command_line.main([*folders(tmp_path / "data"), "training.epochs=1", f"experiments_dir={disk}"]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        (place,) = disk.iterdir()
        assert error.startswith("the training is finished, but its report failed: ")
        assert error.endswith(
            f"(the disk is full). Make room, or choose another place; then try again: stcnn report {place}."
        )
        open_run(place).model()
        remount(disk, "size=20m")
        monkeypatch.setattr(sys, "argv", ["stcnn", "report", str(place)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert not left.value.code
