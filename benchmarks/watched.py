"""Trainings that are watched from outside: processor seconds and peak memory of each epoch, across interruptions.

A training runs in a process of its own with ``resume=auto``, so that a call that is cut off loses an epoch at most;
what was seen is kept in a JSON file beside the runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import record

from stcnn.run_folder import folder_name

LOOK_EVERY_S = 0.3


@dataclass(frozen=True)
class Watched:
    """What was seen of a training.

    Args:
        cpu_s: processor seconds of all threads, from the start of Python on, of all calls together.
        peak_gb: largest resident memory.
        at_epoch_cpu_s: with which of the seconds the scores of each epoch came.
        scores: the run's ``scores.csv``.
        finished: whether the training came to its end.
        kept: epoch that the finished run opens with, that of the lowest held-out loss; None before its end.
    """

    cpu_s: float
    peak_gb: float
    at_epoch_cpu_s: dict[int, float]
    scores: pd.DataFrame
    finished: bool
    kept: int | None

    @property
    def mean(self) -> pd.Series:
        """Held-out correlation after each epoch, mean over cell types."""
        return self.scores.groupby("epoch").correlation.mean()


def watch(overrides: list[str], folder: Path, name: str, for_s: float) -> Watched | None:
    """Train, or go on, for so many seconds on the clock; None where no epoch is complete yet.

    Args:
        overrides: of the configuration.
        folder: of the runs.
        name: of the run and of the file with what was seen.
        for_s: seconds until the training leaves a checkpoint and stops.
    """
    path = folder / f"{name}.json"
    kept = json.loads(path.read_text()) if path.exists() else _nothing_yet("")
    folder.mkdir(parents=True, exist_ok=True)
    given = [f"experiments_dir={folder}", f"name={name}", f"time_limit_s={for_s:g}", "report=false", "resume=auto"]
    child = subprocess.Popen([sys.executable, "-m", "stcnn.train", *overrides, *given], cwd=record.ROOT)
    before_s = kept["cpu_s"]
    while (status := child.poll()) is None:
        if (run := _run(folder, name)) != kept["run"]:  # another configuration is another run
            kept = _nothing_yet(run)
            before_s = 0.0
        if not kept["finished"]:
            _look(child.pid, folder / run, before_s, kept)
            path.write_text(json.dumps(kept))
        time.sleep(LOOK_EVERY_S)
    kept["finished"] = status == 0
    path.write_text(json.dumps(kept))
    found = folder / kept["run"] / "scores.csv"
    if not kept["run"] or not found.is_file():
        return None
    epochs = {int(epoch): seconds for epoch, seconds in kept["epochs"].items()}
    opened = json.loads((found.parent / "model.json").read_text()).get("epoch") if kept["finished"] else None
    return Watched(kept["cpu_s"], kept["peak_gb"], epochs, pd.read_csv(found), kept["finished"], opened)


def _nothing_yet(run: str) -> dict:
    return {"run": run, "cpu_s": 0.0, "peak_gb": 0.0, "epochs": {}, "finished": False}


def _run(folder: Path, name: str) -> str:
    """The run that was begun or gone on with last."""
    runs = [path.parent for path in folder.glob(f"{folder_name(name)}_*/config.yaml")]
    return max(runs, key=lambda run: run.stat().st_mtime).name if runs else ""


def _look(pid: int, run: Path, before_s: float, kept: dict) -> None:
    """Note processor seconds and memory of a process so far, and the latest epoch if it is new."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return
    kept["cpu_s"] = before_s + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    peak_kb = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    kept["peak_gb"] = max([kept["peak_gb"], *(kb / 1e6 for kb in peak_kb)])
    try:
        latest = int(pd.read_csv(run / "scores.csv").epoch.max())
    except (ValueError, OSError):
        return
    kept["epochs"].setdefault(str(latest), kept["cpu_s"])
