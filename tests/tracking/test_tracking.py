"""Trackers mirror a run from a process of their own: with and without one a training has the same numbers."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from stcnn import command_line
from stcnn.commands.track import track
from stcnn.config import compose
from stcnn.errors import ConfigError
from stcnn.run_folder import Run
from stcnn.tracking import TRACKERS, TrackerName, follow, require_installed
from tests.support.made_up_data import write_published
from tests.support.made_up_training import dataset, new_run, recipe
from tests.test_train import folders, the_run

SAME = ("losses.csv", "scores.csv", "test_scores.csv", "model.safetensors")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    from stcnn.training.fit import train

    run = new_run(tmp_path_factory.mktemp("tracked"))
    train(dataset(), recipe(), run)
    return run


class Shown:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.rows.append((step, dict(values)))

    def end(self) -> None:
        pass


def test_a_tracker_is_given_every_number_of_both_tables_once(finished: Run):
    shown = Shown()
    last = follow.hand_over(finished.path, shown)
    losses, scores = finished.losses(), finished.scores()
    assert last == losses.step.max()
    assert [step for step, _ in shown.rows] == [0, *range(1, last + 1)]
    for step, name, loss in losses[["step", "cell_type", "loss"]].itertuples(index=False):
        assert shown.rows[step][1][f"{name}/step_loss"] == loss
    for row in scores.itertuples():
        step = 0 if row.epoch == 0 else losses[losses.epoch == row.epoch].step.max()
        assert shown.rows[step][1][f"{row.cell_type}/correlation"] == row.correlation
        assert shown.rows[step][1]["epoch"] == row.epoch
    assert follow.hand_over(finished.path, shown, last) == last
    assert len(shown.rows) == last + 1


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads of its files."""
    if not folder.is_dir():  # the process that writes it has not begun
        return {}
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs TensorBoard"
    )
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_an_old_run_is_handed_to_tensorboard(finished: Run):
    pytest.importorskip("tensorboard", reason="needs TensorBoard: pip install 'stcnn[tensorboard]'")
    for _ in range(2):  # the second time in the place of the first
        track(finished.path, "tensorboard")
        found = scalars(finished.path / "tensorboard")
    losses = finished.losses().query("cell_type == 'lc4'")
    np.testing.assert_allclose([value for _, value in found["lc4/step_loss"]], losses.loss, rtol=1e-6)
    assert [step for step, _ in found["lc4/step_loss"]] == losses.step.tolist()


@pytest.fixture
def on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tracker writes into the folder of the test and asks no server."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))


@pytest.mark.slow
@pytest.mark.usefixtures("on_this_machine")
@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_an_old_run_is_handed_to_others(
    name: TrackerName, finished: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip(name, reason=f"needs {name}: pip install 'stcnn[{name}]'")
    track(finished.path, name)  # type: ignore[arg-type]
    assert f"{finished.losses().step.max()} steps in {name}" in capsys.readouterr().out
    if name == "mlflow":
        (path,) = tmp_path.glob("*/*/metrics/lc4/step_loss")
        found = [float(line.split()[1]) for line in path.read_text().splitlines()]
        assert found == finished.losses().query("cell_type == 'lc4'").loss.tolist()


@pytest.mark.slow
@pytest.mark.usefixtures("on_this_machine")
@pytest.mark.parametrize("name", TRACKERS)
def test_a_training_with_a_tracker_has_the_numbers_of_one_without(name: TrackerName, tmp_path: Path):
    pytest.importorskip(name, reason=f"needs {name}: pip install 'stcnn[{name}]'")
    write_published(tmp_path / "data")
    words = [*folders(tmp_path / "data"), "training.epochs=4", "report=false"]
    assert command_line.main([*words, f"experiments_dir={tmp_path / 'without'}"]) == 0
    train = [sys.executable, "-m", "stcnn.cli", "train", *words, f"tracking={name}"]
    subprocess.run([*train, f"experiments_dir={tmp_path / 'with'}"], check=True)
    run = the_run(tmp_path / "with")
    for file in SAME:
        assert (run.path / file).read_bytes() == (the_run(tmp_path / "without").path / file).read_bytes()
    assert "tracking" not in run.config()
    log = run.path / follow.LOG
    done = f"{run.losses().step.max()} steps in {name}"
    deadline_s = time.monotonic() + 300
    while done not in (said := log.read_text() if log.exists() else ""):
        assert time.monotonic() < deadline_s, said
        time.sleep(1)
    if name == "tensorboard":
        assert [value for _, value in scalars(run.path / name)["epoch"]] == [0, 1, 2, 3, 4]


HANGS = """
import socket, sys
import stcnn.tracking.follow as follow
class Hangs:
    def __init__(self, run):
        self.server = socket.create_connection(("127.0.0.1", {port}))
    def log(self, step, values):
        self.server.sendall(repr(values).encode())
        self.server.recv(1)
    end = log
follow.opened = lambda name, run: Hangs(run)
follow.LONGEST_AFTER_S = 1
sys.exit(follow.main(*sys.argv[1:]))
"""
RAISES = "import sys; sys.exit(1 / 0)"


@pytest.mark.parametrize("fault", ["never answers", "raises"])
def test_a_tracker_that_fails_costs_nothing(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_published(tmp_path / "data")
    monkeypatch.setattr("stcnn.product.require_installed", lambda name: None)
    words = [*folders(tmp_path / "data"), "training.epochs=3", "report=false"]
    assert command_line.main([*words, f"experiments_dir={tmp_path / 'without'}"]) == 0
    with socket.create_server(("127.0.0.1", 0)) as server:  # it takes the connection and says nothing
        code = HANGS.format(port=server.getsockname()[1]) if fault == "never answers" else RAISES
        started: list[list[str]] = []

        def command(run: Path, tracker: str) -> list[str]:
            started.append([sys.executable, "-c", code, str(run), tracker, str(os.getpid())])
            return started[-1]

        monkeypatch.setattr(follow, "command", command)
        assert command_line.main([*words, "tracking=wandb", f"experiments_dir={tmp_path / 'with'}"]) == 0
        assert len(started) == 1
    for name in SAME:
        with_tracker, without = (the_run(tmp_path / folder).path / name for folder in ("with", "without"))
        assert with_tracker.read_bytes() == without.read_bytes()


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_that_is_not_installed_is_refused_before_the_training(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stcnn.tracking.find_spec", lambda name: None)
    sentence = rf"tracking={name} needs {name}, which is not installed\. Pip install 'stcnn\[{name}\]'"
    with pytest.raises(ConfigError, match=sentence):
        require_installed(name)


def test_a_tracker_is_no_part_of_what_a_run_is():
    assert compose(["tracking=wandb"]).task_name() == compose().task_name()
