"""A sweep is its folder: the table, what is missing, why something failed; here, on LSF's stand-in, and as scripts."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stcnn.errors import ConfigError, FileError
from stcnn.run_folder import Run
from stcnn.sweep import Sweep, SweepSpec, cluster, running
from stcnn.sweep.folder import Task
from stcnn.sweep.spec import Local, spec_of
from stcnn.sweep.tasks import points_of
from tests.support import lsf_stand_in
from tests.support.made_up_data import write_published
from tests.test_train import folders


def spec(data: Path, seeds: Sequence[int] = (1, 2), where: object = None, **keys: Any) -> SweepSpec:
    """A sweep of tiny trainings."""
    if not data.exists():
        write_published(data)
    base = [*folders(data), "training.epochs=3", *keys.pop("base", [])]
    return spec_of(
        {"name": "tiny", "base": base, "seeds": list(seeds), "where": where or {"kind": "local"}, **keys}, "x"
    )


def command(sweep: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "stcnn.cli", "sweep", str(sweep), *options]


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    made = Sweep.create(tmp_path / "sweep", spec(tmp_path / "data"))
    made.add(points_of(made.spec))
    return made


def test_the_table_numbers_runs_and_keeps_the_numbers_when_more_are_asked_for(sweep: Sweep):
    first, second = sweep.tasks()
    assert [first.number, second.number, first.state, first.axes] == [1, 2, "waiting", {"seed": "1"}]
    more = Sweep.create(sweep.path, sweep.spec.model_copy(update={"seeds": (3, 1)}))
    assert [(task.number, task.axes["seed"]) for task in more.add(points_of(more.spec))] == [(1, "1"), (3, "3")]
    assert [task.run for task in more.tasks()][:2] == [first.run, second.run]
    row = pd.read_csv(sweep.path / "runs.csv").iloc[0]
    assert tuple(shlex.split(row.overrides)) == first.overrides
    assert (sweep.task_folder(first) / "overrides.txt").read_text().splitlines() == list(first.overrides)
    assert Sweep.open(sweep.path).spec == more.spec


@pytest.mark.parametrize(
    ("attempts", "state", "why"),
    [
        ("", "waiting", ""),
        ("begun\n", "stopped", ""),
        ("begun\n75 3.5\n", "stopped", ""),
        ("begun\n143 3\n", "stopped", ""),
        ("begun\n2 1\n", "failed", "dataset.path 'x' is no store."),
        ("begun\n2 1\nbegun\n", "stopped", ""),
    ],
)
def test_the_state_of_a_task_is_what_its_last_attempt_says(attempts: str, state: str, why: str, sweep: Sweep):
    (task, _) = sweep.tasks()
    folder = sweep.task_folder(task)
    (folder / "attempts.txt").write_text(attempts)
    (folder / "log.txt").write_text("some words\ndataset.path 'x' is no store.\n\n")
    found = sweep.tasks()[0]
    assert (found.state, found.why, found.attempts) == (state, why, attempts.count("begun"))
    assert found.duration_s == pytest.approx({"": 0, "75": 3.5, "143": 3}.get(attempts[6:9].strip(), found.duration_s))
    assert (found in running.to_do(sweep.tasks(), [1], retry=False)) == (state in ("waiting", "stopped"))
    assert found in running.to_do(sweep.tasks(), [1], retry=True)
    assert not running.to_do(sweep.tasks(), [], retry=True)


def test_what_a_scheduler_has_is_not_begun_again(sweep: Sweep):
    queued = sweep.with_queue({1: "running", 2: "queued"})
    assert [task.state for task in queued.tasks()] == ["running", "queued"]
    assert running.counted(queued.tasks()) == "1 running, 1 queued"


def test_a_run_that_cannot_be_is_told_before_anything_begins(tmp_path: Path):
    faulty = spec(tmp_path / "data", base=["training.step=3"])
    made = Sweep.create(tmp_path / "sweep", faulty)
    with pytest.raises(ConfigError, match=r"a run of the sweep cannot be \(.*\): unknown key 'training.step'"):
        made.add(points_of(faulty))
    assert not list((made.path / "tasks").iterdir())


def test_another_folder_is_not_taken(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileError, match="is there and is no sweep"):
        Sweep.create(tmp_path / "mine", spec(tmp_path / "data"))
    with pytest.raises(FileError, match=r"is no sweep: it has no sweep\.yaml"):
        Sweep.open(tmp_path / "mine")


def test_the_best_is_the_highest_correlation_or_the_lowest_loss(tmp_path: Path):
    tasks = [Task(n, str(n), {}, (), "finished", score) for n, score in enumerate((0.2, 0.5, float("nan")), 1)]
    for score, number in (("correlation", 2), ("loss", 1)):
        best = running.best(tasks, spec(tmp_path / "data", score=score))
        assert best is not None
        assert best.number == number


REFERENCE = {
    "slurm": """#!/usr/bin/env bash
# Written by stcnn sweep from conf/cluster/slurm.sh.
#SBATCH --job-name=tiny
#SBATCH --array=1-12%4
#SBATCH --time=30
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=3500M
#SBATCH --gres=gpu:1
#SBATCH --partition=short
#SBATCH --output=/sweeps/tiny/jobs/0001/%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --exclude=node7

index=$SLURM_ARRAY_TASK_ID
""",
    "lsf": """#!/usr/bin/env bash
# Written by stcnn sweep from conf/cluster/lsf.sh.
#BSUB -J "tiny[1-12]%4"
#BSUB -W 30
#BSUB -n 2
#BSUB -R "span[hosts=1] rusage[mem=3500MB]"
#BSUB -M 3500MB
#BSUB -gpu "num=1"
#BSUB -q short
#BSUB -o /sweeps/tiny/jobs/0001/%I.log
#BSUB -r
#BSUB -Q "75 129 130 138 140 143"
#BSUB -wt 2
#BSUB -wa USR1
#BSUB -x

index=$LSB_JOBINDEX
""",
}
TASK = """
module load cuda
export OMP_NUM_THREADS=2

# The row of this task: the overrides of one training, one a line.
task=/sweeps/tiny/tasks/$(sed -n "${index}p" /sweeps/tiny/jobs/0001/tasks.txt)
mapfile -t row < "$task/overrides.txt"
"""


@pytest.mark.parametrize(
    ("kind", "place", "option"), [("slurm", "partition", "--exclude=node7"), ("lsf", "queue", "-x")]
)
def test_the_script_of_a_job_array(kind: str, place: str, option: str, tmp_path: Path):
    where = {"kind": kind, place: "short", "time_min": 30, "cpus": 2, "memory_gb": 3.5, "gpus": 1, "at_once": 4}
    where |= {"options": [option], "setup": ["module load cuda"]}
    made = Sweep(Path("/sweeps/tiny"), spec(tmp_path / "data", where=where))
    text = cluster.script(made, Path("/sweeps/tiny/jobs/0001"), 12)
    assert text.startswith(REFERENCE[kind])
    assert TASK in text
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_a_template_of_ones_own(tmp_path: Path):
    (tmp_path / "mine.sh").write_text("#SBATCH --mem={{ memory_mb }}\n{{ nothing }}\n")
    where = {"kind": "slurm", "template": str(tmp_path / "mine.sh")}
    made = Sweep(tmp_path / "sweep", spec(tmp_path / "data", where=where))
    with pytest.raises(FileError, match=r"mine.sh cannot be filled in \('nothing' is undefined\)"):
        cluster.script(made, tmp_path, 1)


def test_without_a_scheduler_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = Sweep.create(tmp_path / "sweep", spec(tmp_path / "data", where={"kind": "lsf"}))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(cluster.ClusterError, match=r"there is no bsub on this machine\. Go to a machine"):
        running.run(made, print)
    assert list((made.path / "jobs").iterdir()) == []


def the_runs(sweep: Sweep) -> list[dict[str, bytes]]:
    """What every run of a sweep ended with, to the last digit."""
    names = ("losses.csv", "scores.csv", "test_scores.csv", "model.safetensors")
    finished = [sweep.runs_folder / task.run for task in sweep.tasks() if task.state == "finished"]
    return [{name: (path / name).read_bytes() for name in names} for path in finished]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    folder = tmp_path_factory.mktemp("undisturbed")
    made = Sweep.create(folder / "sweep", spec(folder / "data", seeds=(1, 2), base=["training.epochs=12"]))
    outcome = running.run(made, print)
    assert [task.state for task in outcome.tasks] == ["finished", "finished"]
    return made


@pytest.mark.slow
def test_a_sweep_here_trains_what_is_missing_once_and_says_why_something_failed(
    undisturbed: Sweep, capfd: pytest.CaptureFixture[str]
):
    run = Run(undisturbed.runs_folder / undisturbed.tasks()[0].run)
    written = (run.path / "model.safetensors").stat().st_mtime_ns
    more = undisturbed.spec.model_dump() | {
        "points": [{"dataset.rate_hz": "60"}, {"dataset.rate_hz": "90"}],
        "seeds": [1],
    }
    made = Sweep.create(undisturbed.path, spec_of(more, "x"))
    said: list[str] = []
    outcome = running.run(made, said.append)
    assert [task.state for task in outcome.tasks] == ["finished", "finished", "failed"]
    assert said[0].startswith("1 runs")  # 60 Hz is what the first run had
    assert "90" in outcome.tasks[2].why
    assert (run.path / "model.safetensors").stat().st_mtime_ns == written
    assert running.run(made, said.append).tasks == outcome.tasks


@pytest.mark.slow
def test_a_pool_that_is_stopped_goes_on_to_the_same_numbers(undisturbed: Sweep, tmp_path: Path):
    data = undisturbed.path.parent / "data"
    made = Sweep.create(tmp_path / "sweep", spec(data, seeds=(1, 2), base=["training.epochs=12"]))
    process = subprocess.Popen(command(made.path), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: list(made.path.glob("runs/*/checkpoints/epoch_2.ckpt")), process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped; the same command goes on" in err
    assert {task.state for task in made.tasks()} <= {"stopped", "waiting", "finished"}
    subprocess.run(command(made.path), check=True)
    assert the_runs(made) == the_runs(undisturbed)


def until(there: object, process: subprocess.Popen[str] | None = None, limit_s: float = 300) -> None:
    """Wait for something; a program that ends before is a fault."""
    assert callable(there)
    deadline_s = time.monotonic() + limit_s
    while not there():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


@pytest.mark.slow
def test_an_array_of_the_stand_in_for_lsf_is_requeued_and_ends_with_the_same_numbers(
    undisturbed: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    lsf_stand_in.install(tmp_path / "bin")
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("LSF_STAND_IN", str(tmp_path / "state"))
    data = undisturbed.path.parent / "data"
    made = Sweep.create(tmp_path / "sweep", spec(data, base=["training.epochs=12"], where={"kind": "lsf"}))
    assert running.run(made, print).jobs == ["1"]
    assert {task.state for task in made.with_queue(cluster.queue(made)).tasks()} <= {"queued", "running"}
    until(lambda: list(made.path.glob("runs/*/checkpoints/epoch_2.ckpt")))
    script = int((tmp_path / "state" / "1.1").read_text().split()[1])
    os.kill(script, signal.SIGUSR1)  # as LSF does before the limit of a run
    until(lambda: not cluster.queue(made))
    assert the_runs(made) == the_runs(undisturbed)
    assert [task.attempts for task in made.tasks()] == [2, 1]
    assert running.run(made, print).jobs == []


def test_local_is_the_default_and_shares_the_cores():
    assert SweepSpec().where == Local()
