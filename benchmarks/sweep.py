"""What a sweep costs a run: four short trainings by hand, by `where: local` and by a real Slurm, one after the other.

    python benchmarks/sweep.py

By hand is ``python -m stcnn.cli train`` with the same overrides. A training of two epochs on a small simulated set is
mostly the start of Python, which all three have. Slurm is the one of ``.ci/slurm`` in this container (it needs Debian's
slurmctld, slurmd and slurm-client, and root), left out with a word where that is not there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import record

from stcnn.sweep import Sweep, cluster, running
from stcnn.sweep.folder import Task
from stcnn.sweep.spec import SweepSpec, spec_of

N_RUNS = 4
CORES = len(os.sched_getaffinity(0))
SHORT = [
    *("dataset=simulated", "dataset.neurons_per_animal=1", "training.steps=null", "training.validate_every=null"),
    *("training.epochs=2", "report=false"),
]


def description(where: dict[str, object]) -> SweepSpec:
    """Four seeds of a short training, one at a time because each has every core."""
    return spec_of({"name": "short", "base": SHORT, "seeds": N_RUNS, "where": where}, "benchmark")


def by_hand(folder: Path, n_runs: int = N_RUNS) -> float:
    """Return the seconds of the trainings without a sweep."""
    start = time.perf_counter()
    for seed in range(1, n_runs + 1):
        words = [*SHORT, f"seed={seed}", f"experiments_dir={folder}"]
        environment = {**os.environ, "OMP_NUM_THREADS": str(CORES)}
        with (folder / "log.txt").open("a") as log:
            command = [sys.executable, "-m", "stcnn.cli", "train", *words]
            subprocess.run(command, check=True, stdout=log, stderr=log, env=environment)
    return time.perf_counter() - start


def here(folder: Path) -> float:
    """Return the seconds of the same as a sweep on this machine."""
    start = time.perf_counter()
    sweep = Sweep.create(folder, description({"kind": "local", "threads": CORES}))
    outcome = running.run(sweep, print)
    require_finished(outcome.tasks)
    return time.perf_counter() - start


def by_slurm(folder: Path) -> float:
    """Return the seconds of the same as a job array."""
    start = time.perf_counter()
    sweep = Sweep.create(folder, description({"kind": "slurm", "memory_gb": 2, "cpus": CORES}))
    running.run(sweep, print)
    while cluster.queue(sweep):
        time.sleep(0.5)
    seconds = time.perf_counter() - start
    require_finished(sweep.tasks())
    return seconds


def require_finished(tasks: list[Task]) -> None:
    """Refuse a measurement of trainings that failed."""
    states = {task.state for task in tasks}
    if states != {"finished"}:
        raise SystemExit(f"not all trainings finished: {states}")


def main() -> None:
    """Measure and write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "hand").mkdir()
        by_hand(folder / "hand", 1)  # makes the simulated set, which is kept
        seconds = {"by hand": by_hand(folder / "hand"), "where: local": here(folder / "local")}
        if shutil.which("slurmctld") and os.getuid() == 0:
            os.environ["SLURM_CONF"] = str(folder / "slurm" / "slurm.conf")
            script = record.ROOT / ".ci" / "slurm"
            subprocess.run([script, "start", folder / "slurm"], check=True)
            try:
                seconds["where: slurm"] = by_slurm(folder / "slurmed")
            finally:
                subprocess.run([script, "stop", folder / "slurm"], check=True)
        else:
            print("no Slurm on this machine: left out")
    rows = [
        {"way": way, "runs": N_RUNS, "s": took, "overhead_s_a_run": (took - seconds["by hand"]) / N_RUNS}
        for way, took in seconds.items()
    ]
    record.write("sweep", rows)


if __name__ == "__main__":
    main()
