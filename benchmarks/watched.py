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
    """

    cpu_s: float
    peak_gb: float
    at_epoch_cpu_s: dict[int, float]
    scores: pd.DataFrame
    finished: bool

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
    kept = {"cpu_s": 0.0, "peak_gb": 0.0, "epochs": {}, "finished": False}
    if path.exists():
        kept = json.loads(path.read_text())
    if not kept["finished"]:
        folder.mkdir(parents=True, exist_ok=True)
        given = [f"experiments_dir={folder}", f"name={name}", f"time_limit_s={for_s:g}", "report=false", "resume=auto"]
        child = subprocess.Popen([sys.executable, "-m", "stcnn.train", *overrides, *given], cwd=record.ROOT)
        before_s = kept["cpu_s"]
        while (status := child.poll()) is None:
            _look(child.pid, folder, name, before_s, kept)
            path.write_text(json.dumps(kept))
            time.sleep(LOOK_EVERY_S)
        kept["finished"] = status == 0
        path.write_text(json.dumps(kept))
    found = sorted(folder.glob(f"{folder_name(name)}_*/scores.csv"))
    if not found:
        return None
    epochs = {int(epoch): seconds for epoch, seconds in kept["epochs"].items()}
    return Watched(kept["cpu_s"], kept["peak_gb"], epochs, pd.read_csv(found[-1]), kept["finished"])


def _look(pid: int, folder: Path, name: str, before_s: float, kept: dict) -> None:
    """Note processor seconds and memory of a process so far, and the latest epoch if it is new."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return
    kept["cpu_s"] = before_s + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    peak_kb = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    kept["peak_gb"] = max([kept["peak_gb"], *(kb / 1e6 for kb in peak_kb)])
    for scores in folder.glob(f"{folder_name(name)}_*/scores.csv"):
        try:
            latest = int(pd.read_csv(scores).epoch.max())
        except (ValueError, OSError):
            continue
        kept["epochs"].setdefault(str(latest), kept["cpu_s"])
