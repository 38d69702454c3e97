"""A training finds the checkpoint it goes on from by itself, whatever was damaged, and ends with the same numbers."""

import logging
import multiprocessing
import shutil
import threading
import zipfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pandas as pd
import pytest
import torch

from stcnn.errors import FileError
from stcnn.run_folder import Run
from stcnn.training.checkpoints import last_whole_checkpoint
from stcnn.training.fit import train
from stcnn.writing import locked
from tests.support.made_up_training import dataset, new_run, recipe, same_weights


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = new_run(tmp_path_factory.mktemp("finished"))
    train(dataset(), recipe(), run)
    return run


@pytest.fixture
def run(finished: Run, tmp_path: Path) -> Run:
    return Run(shutil.copytree(finished.path, tmp_path / "run"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def flip(path: Path) -> None:
    """Change one bit of a weight, which torch does not notice."""
    with zipfile.ZipFile(path) as members:
        largest = max(members.infolist(), key=lambda member: member.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + 200 + largest.file_size // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip])
def test_a_damaged_checkpoint_is_passed_over_with_a_sentence(
    damage: Callable[[Path], None], run: Run, finished: Run, caplog: pytest.LogCaptureFixture
):
    damage(run.checkpoints()[3])
    with caplog.at_level(logging.WARNING):
        assert last_whole_checkpoint(run) == run.checkpoints()[2]
    assert "epoch_3.ckpt" in caplog.text
    assert "goes on from what came before it" in caplog.text
    train(dataset(), recipe(), run, resume=True)
    assert same_weights(finished, run, 3)
    pd.testing.assert_frame_equal(finished.losses(), run.losses(), check_exact=True)


def test_a_run_without_a_checkpoint_begins_anew_and_says_so(run: Run, finished: Run, caplog: pytest.LogCaptureFixture):
    for path in run.checkpoints().values():
        path.unlink()
    with caplog.at_level(logging.WARNING):
        train(dataset(), recipe(), run, resume=True)
    assert "has no checkpoint to go on from. Its training starts from the beginning." in caplog.text
    assert same_weights(finished, run, 3)
    pd.testing.assert_frame_equal(finished.scores(), run.scores(), check_exact=True)


def test_a_checkpoint_that_lost_its_rows_is_passed_over(run: Run, caplog: pytest.LogCaptureFixture):
    run.write_table("losses.csv", run.losses()[: run.losses().epoch.eq(1).sum()])
    with caplog.at_level(logging.WARNING):
        assert last_whole_checkpoint(run) == run.checkpoints()[1]
    assert "losses.csv lacks rows that were there when epoch_3.ckpt was saved" in caplog.text


def test_the_checkpoint_of_an_interruption_counts_until_its_epoch_has_ended(run: Run):
    interrupted = run.path / "checkpoints" / "interrupted.ckpt"
    content = torch.load(run.checkpoints()[2], weights_only=True)
    torch.save({**content, "epoch": 2}, interrupted)  # in the third
    assert last_whole_checkpoint(run) == run.checkpoints()[3]
    run.checkpoints()[3].unlink()
    assert last_whole_checkpoint(run) == interrupted


def _hold(folder: Path, pipe: Connection) -> None:
    with locked(folder, "training", "trains"):
        pipe.send("held")
        pipe.recv()


def test_two_processes_do_not_train_one_run(run: Run):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    other = context.Process(target=_hold, args=(run.path, theirs))
    other.start()
    assert ours.recv() == "held"
    with pytest.raises(
        FileError, match=rf"another process trains .*run \(process {other.pid} on .+\). Wait for its end"
    ):
        train(dataset(), recipe(), run, resume=True)
    other.kill()
    other.join()
    with locked(run.path, "training", "trains"):  # what was killed holds nothing
        assert threading.active_count()
