"""Seconds for films and reports: seven stimuli of 9 s with the traces of five cell types, a map of 63 panels, a report.

The pictures are noise that changes every tenth of a second on 83 x 83 pixels at 180 Hz, the traces are made up, so that
nothing but drawing and encoding is timed. A film of stimuli is smaller, because most of their pixels rest.
``--run FOLDER`` times the report of a finished run as well, reading of its recordings apart.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import record

import stcnn
from stcnn.config import validate
from stcnn.report import write_report
from stcnn.viz.animations import Clock, write_animation
from stcnn.viz.panel import Panel

RATE_HZ = 180.0


def panel(number: int, duration_s: float) -> Panel:
    """Return a panel with noise and five traces."""
    rng = np.random.default_rng(number)
    held = rng.integers(0, 256, (round(duration_s * 10), 83, 83), np.uint8)
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    traces = {name: (time_s, np.sin(time_s * (i + 1) + number)) for i, name in enumerate(record.CELL_TYPES)}
    return Panel(f"stimulus {number}", held.repeat(round(RATE_HZ / 10), 0), RATE_HZ, 0.0, traces)


def film(what: str, panels: list[Panel], ending: str, n_columns: int) -> dict[str, Any]:
    """Write a film at 30 frames per second in real time."""
    with tempfile.TemporaryDirectory() as folder:
        path, start = Path(folder) / f"film{ending}", (time.perf_counter(), time.process_time())
        write_animation(path, panels, Clock(30), n_columns=n_columns)
        wall_s, cpu_s = time.perf_counter() - start[0], time.process_time() - start[1]
        return {"what": what + ending, "wall_s": wall_s, "cpu_s": cpu_s, "megabytes": path.stat().st_size / 1e6}


def report(folder: str) -> dict[str, Any]:
    """Write the report of a run."""
    run = stcnn.open_run(folder)
    config = validate(run.config())
    dataset = config.open_dataset()
    start = time.perf_counter(), time.process_time()
    write_report(run, dataset, config.batching, config.bounds)
    wall_s, cpu_s = time.perf_counter() - start[0], time.process_time() - start[1]
    what = f"report of {len(dataset)} recordings"
    return {
        "what": what,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "megabytes": (run.path / "report.html").stat().st_size / 1e6,
    }


def main() -> None:
    parsed = record.arguments(__doc__, run=("", "folder of a finished run"))
    seven = [panel(number, 9.0) for number in range(7)]
    rows = [film("seven stimuli of 9 s", seven, ending, 4) for ending in (".mp4", ".gif")]
    rows.append(film("map of 63 panels, 2 s", [panel(number, 2.0) for number in range(63)], ".mp4", 9))
    if parsed.run:
        rows.append(report(parsed.run))
    record.write("pictures", rows)


if __name__ == "__main__":
    main()
