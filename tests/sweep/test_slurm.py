"""A real Slurm, in this container: twelve runs as one array, some killed again and again, end with the same numbers."""

import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from stcnn.sweep import Sweep, cluster, running
from tests.support.made_up_data import write_published
from tests.sweep.test_sweep import spec, the_runs, until
from tests.test_train import folders, the_run
from tests.training.test_ranks import require_same

SLURM = Path(__file__).parents[2] / ".ci" / "slurm"
CANNOT_RUN = 77
"""Exit status where the container has no control groups, for instance."""
KILLS = (
    ("scontrol", "requeue", "{task}"),
    ("scancel", "--batch", "--signal=TERM", "{task}"),
    ("scancel", "--batch", "--signal=USR1", "{task}"),
)
"""As an administrator or another job does it, as a preemption does, as the end of the time does."""
KILLED = (1, 2, 5)
LONG = {"training.epochs": 200, "training.patience": None}
"""So many epochs that a run is still training when its turn to be killed comes."""
SHORT = {"training.epochs": 4}
TWELVE = [{"training.learning_rate": n / 1000, **(LONG if n in KILLED else SHORT)} for n in range(1, 13)]

needs_slurm = pytest.mark.skipif(
    shutil.which("slurmctld") is None or os.getuid() != 0,
    reason="needs Debian's slurmctld, slurmd and slurm-client, and root; .ci/run installs them",
)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm" / "slurm.conf"))
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("SLURMCTLD_PORT", str(one.getsockname()[1]))
        monkeypatch.setenv("SLURMD_PORT", str(other.getsockname()[1]))
    started = subprocess.run([SLURM, "start", tmp_path / "slurm"], capture_output=True, text=True, check=False)
    if started.returncode == CANNOT_RUN:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    yield
    subprocess.run(["scancel", "--user=root"], check=False)
    subprocess.run([SLURM, "stop", tmp_path / "slurm"], check=True)


class Queued(NamedTuple):
    """State of a task that is not done, and the reason of it."""

    state: str = ""
    why: str = ""


def squeue() -> dict[str, Queued]:
    """Every task of an array that is not done."""
    listed = subprocess.run(["squeue", "-h", "-r", "-o", "%i|%T|%r"], capture_output=True, text=True, check=True).stdout
    return {task: Queued(*each) for task, *each in (line.split("|") for line in listed.splitlines())}


def without_the_two_minutes(moved_s: dict[str, float]) -> None:
    """Let what was requeued begin in four seconds: Slurm waits two minutes.

    Not at once, for a node takes no task that it killed within the same second ("Job credential revoked").

    Args:
        moved_s: when the beginning of a task was moved last, by the clock.
    """
    for task, queued in squeue().items():
        if queued == ("PENDING", "BeginTime") and time.monotonic() - moved_s.get(task, -math.inf) > 10:
            when = "StartTime=now+4seconds"
            subprocess.run(["scontrol", "update", f"JobId={task}", when], check=False, capture_output=True)
            moved_s[task] = time.monotonic()


def n_epochs(run: Path) -> int:
    found = (run / "checkpoints").glob("epoch_*.ckpt")
    return max((int(re.sub(r"\D", "", path.stem)) for path in found), default=-1)


@pytest.mark.slow
@needs_slurm
@pytest.mark.usefixtures("slurm")
def test_twelve_runs_as_one_array_three_of_them_killed_three_times(tmp_path: Path):
    here = Sweep.create(tmp_path / "here", spec(tmp_path / "data", [1], points=TWELVE))
    assert {task.state for task in running.run(here, print).tasks} == {"finished"}

    where = {"kind": "slurm", "memory_gb": 1}
    there = Sweep.create(tmp_path / "there", spec(tmp_path / "data", [1], where, points=TWELVE))
    (job,) = running.run(there, print).jobs
    assert running.run(there, print).jobs == []  # all are queued
    moved_s: dict[str, float] = {}
    killed = dict.fromkeys(KILLED, 0)
    reached = dict.fromkeys(KILLED, 0)
    runs = {task.number: there.runs_folder / task.run for task in there.tasks()}

    def disturbed() -> bool:
        without_the_two_minutes(moved_s)
        queued = squeue()
        for number, kills in killed.items():
            task = f"{job}_{number}"
            epochs = n_epochs(runs[number])
            if kills < 3 and queued.get(task, Queued()).state == "RUNNING" and epochs > reached[number]:
                subprocess.run([word.format(task=task) for word in KILLS[kills]], check=True)
                killed[number] += 1
                reached[number] = epochs
                until(lambda task=task: squeue().get(task, Queued()).state != "RUNNING")
        return not queued

    until(disturbed, limit_s=1500)
    tasks = there.with_queue(cluster.queue(there)).tasks()
    assert [(task.number, task.state, task.why) for task in tasks if task.state != "finished"] == []
    assert killed == dict.fromkeys(KILLED, 3)
    assert [task.attempts for task in tasks] == [4 if task.number in killed else 1 for task in tasks]
    assert the_runs(there) == the_runs(here)
    assert running.run(there, print).jobs == []
    assert len(list((there.path / "jobs").iterdir())) == 1


@pytest.mark.slow
@needs_slurm
@pytest.mark.usefixtures("slurm")
def test_a_job_that_is_cancelled_stays_away(tmp_path: Path):
    where = {"kind": "slurm", "memory_gb": 1}
    made = Sweep.create(
        tmp_path / "sweep",
        spec(tmp_path / "data", [1], where, base=["training.epochs=100000", "training.patience=null"]),
    )
    (job,) = running.run(made, print).jobs
    (task,) = made.tasks()
    until(lambda: n_epochs(made.runs_folder / task.run) > 0)
    subprocess.run(["scancel", "--full", job], check=True)
    until(lambda: not squeue())
    (task,) = made.with_queue(cluster.queue(made)).tasks()
    assert task.state == "stopped"


@pytest.mark.slow
@needs_slurm
@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize(("devices", "nodes"), [(2, 1), (1, 2)])
def test_processes_that_srun_starts_train_the_model_of_one(devices: int, nodes: int, tmp_path: Path):
    write_published(tmp_path / "data")
    words = [*folders(tmp_path / "data"), "training.epochs=2", "report=false", "training.precision=float64"]
    train = [sys.executable, "-m", "stcnn.cli", "train", *words, "batching.batch_size=3"]
    subprocess.run([*train, f"experiments_dir={tmp_path / 'one'}"], check=True)
    both = [f"training.devices={devices}", f"training.nodes={nodes}", f"experiments_dir={tmp_path / 'two'}"]
    subprocess.run(["srun", "--ntasks=2", "--overcommit", "--kill-on-bad-exit", *train, *both], check=True, timeout=300)
    require_same(the_run(tmp_path / "one"), the_run(tmp_path / "two"))
