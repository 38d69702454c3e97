"""A process beside a training that hands the rows of its tables to a tracker as they appear.

``python -m stcnn.tracking.follow RUN TRACKER PID`` goes on until the training, process PID, is gone.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from stcnn.errors import StcnnError
from stcnn.reading import read_csv
from stcnn.tracking import opened
from stcnn.tracking.tracker import Tracker

LOOK_S = 2.0
"""Seconds between two looks at the tables."""
LONGEST_AFTER_S = 600.0
"""Seconds after the training in which a tracker must be done."""
SCORES = ("training_loss", "loss", "correlation", "neuron_correlation")
LOG = "tracking.log"


def start(run: Path, tracker: str) -> None:
    """Start the process for a training in this one, and forget it.

    Args:
        run: the run folder.
        tracker: name of the tracker; ``none`` starts nothing.
    """
    if tracker == "none":
        return
    with (run / LOG).open("ab") as log:
        subprocess.Popen(
            command(run, tracker), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def command(run: Path, tracker: str) -> list[str]:
    """Return how the process is started."""
    return [sys.executable, "-m", "stcnn.tracking.follow", str(run), tracker, str(os.getpid())]


def rows(run: Path) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the values of a run after every step, those of the untrained model at step 0.

    Raises:
        FileError: a table cannot be read.
    """
    losses = _table(run / "losses.csv", ("epoch", "step", "cell_type", "loss"))
    scores = _table(run / "scores.csv", ("epoch", "cell_type"))
    last_step = losses.groupby("epoch").step.max() if len(losses) else pd.Series(dtype=int)
    by_step: dict[int, dict[str, float]] = {}
    for row in losses.to_dict("records"):
        by_step.setdefault(int(row["step"]), {})[f"{row['cell_type']}/step_loss"] = float(row["loss"])
    for row in scores.to_dict("records"):
        epoch = int(row["epoch"])
        values = by_step.setdefault(int(last_step.get(epoch, 0)), {})
        values["epoch"] = epoch
        values |= {f"{row['cell_type']}/{name}": float(row[name] or "nan") for name in SCORES if name in row}
    for step in sorted(by_step):
        yield step, {name: value for name, value in by_step[step].items() if not math.isnan(value)}


def _table(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=list(needed))
    return read_csv(path, needed, "a table of a run").astype({"epoch": int})


def hand_over(run: Path, tracker: Tracker, after: int = -1) -> int:
    """Hand over the rows after a step; return the last step."""
    for step, values in rows(run):
        if step > after:
            tracker.log(step, values)
            after = step
    return after


def follow(run: Path, name: str, pid: int) -> int:
    """Hand over rows until the training is gone, then the last ones; return the last step."""
    while _is_running(pid) and not (run / "scores.csv").is_file():
        time.sleep(LOOK_S)
    tracker = opened(name, run)
    last = -1
    looked_ns = 0
    while True:
        is_there = _is_running(pid)
        changed_ns = (run / "scores.csv").stat().st_mtime_ns if (run / "scores.csv").is_file() else 0
        if changed_ns != looked_ns:
            looked_ns = changed_ns
            last = hand_over(run, tracker, last)
        if not is_there:
            break
        time.sleep(LOOK_S)
    last = hand_over(run, tracker, last)
    tracker.end()
    return last


def _give_up_after(pid: int) -> None:
    while _is_running(pid):
        time.sleep(LOOK_S)
    time.sleep(LONGEST_AFTER_S)
    print("the tracker did not take everything; stcnn track hands it over again", flush=True)
    os._exit(1)


def _is_running(pid: int) -> bool:
    return os.getppid() == pid if os.name == "posix" else True


def main(run: str, name: str, pid: str) -> int:
    """Follow a training; return the exit status."""
    if hasattr(os, "nice"):
        os.nice(10)
    threading.Thread(target=_give_up_after, args=(int(pid),), daemon=True).start()
    try:
        print(f"{follow(Path(run), name, int(pid))} steps in {name}", flush=True)
    except StcnnError as error:
        print(error, flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
