"""Moving bars foretold by models of T5 trained on single bars and minimal motion: correlation, gain, direction.

    python benchmarks/recorded_sets.py t5_voltage
    cd stcnn && python train.py dataset=t5_voltage model=t5
    python benchmarks/t5_voltage.py experiments/*_t5-voltage
    python benchmarks/t5_voltage.py --minimal experiments/*_singles     # what is chosen by: trained on single bars

For every cell: correlation of all its traces to bars that move; the gain, which is the slope of the measured voltage
against the predicted one (below one, the prediction is too large); the direction index (forth - back)/(forth + back) of
peaks, mean over widths and speeds. The first row is the superposition of the answers to the single bars of the same
width and duration at each place of the path. Results go to ``benchmarks/results/t5_voltage.json``,
where those of other runs stay.

``--minimal`` leaves moving bars alone. It scores runs that were trained on single bars
(``split.test_families=[moving,minimal]``) on minimal motion: correlation, gain, explained variance, and how well the
peaks of pairs shown in one order, less those in the other order, are foretold (correlation, and slope of measured on
predicted differences).
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import write, written

from stcnn.config import validate
from stcnn.data import Dataset
from stcnn.evaluate.ensemble import predict_together
from stcnn.run_folder import open_run

MINIMAL = re.compile(r"minimal_w(?P<width>\d+)_(?P<first>[+-]\d+)_(?P<second>[+-]\d+)_(?P<times>.+)")
MOVING = re.compile(r"moving_w(?P<width>\d+)_(?P<step>\d+)ms_(?P<way>forth|back)_(?P<n>\d+)")
SINGLE = "single_w{width}_{step}ms_at{place:+d}"
Traces = dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Number of a recording to what was foretold and what was measured, at the same times."""


def superposition(data: Dataset) -> Traces:
    """What single bars of the same width add up to, where a cell was shown one at three quarters of the places."""
    of = {(r.cell_type, r.stimulus): r for r in data.recordings}
    found: Traces = {}
    for number, recording in enumerate(data.recordings):
        shown = MOVING.fullmatch(recording.stimulus)
        if not shown:
            continue
        width, step, n = (int(shown[key]) for key in ("width", "step", "n"))
        # the leading edge enters at the first place and leaves width - 1 steps after the last
        places = np.arange(n) - n // 2
        leading = places if shown["way"] == "forth" else places[::-1] + width - 1
        singles = [of.get((recording.cell_type, SINGLE.format(width=width, step=step, place=p))) for p in leading]
        if sum(single is not None for single in singles) < 0.75 * n:
            continue
        total = np.zeros(len(recording.trace))
        for k, single in enumerate(singles):
            if single is not None:
                since_s = recording.time_s - k * step / 1000
                total += np.interp(since_s, single.time_s, single.trace, left=0, right=0)
        found[number] = total, recording.trace.astype(float)
    return found


def predicted(paths: Sequence[Path], data: Dataset) -> Traces:
    """What runs and their members say of every recording, on average."""
    runs = [open_run(path) for path in paths]
    config = validate(runs[0].config())
    models = [model for run in runs for model in run.models()]
    answers = predict_together(models, data, config.batching).mean
    rows = zip(answers.item.tolist(), answers.prediction.double(), answers.target.double(), answers.weight, strict=True)
    return {n: (said[weight > 0].numpy(), measured[weight > 0].numpy()) for n, said, measured, weight in rows}


def scores(data: Dataset, traces: Traces) -> list[dict[str, Any]]:
    """Correlation, gain and direction indices of every cell over the moving bars that were foretold."""
    rows = []
    for cell in data.cell_types:
        mine = [(n, r) for n, r in enumerate(data.recordings) if n in traces and r.cell_type == cell]
        mine = [(n, r) for n, r in mine if MOVING.fullmatch(r.stimulus)]
        if not mine:
            continue
        said, measured = (np.concatenate([traces[n][k] for n, _ in mine]) for k in (0, 1))
        peaks: dict[tuple[str, str], dict[str, tuple[float, float]]] = defaultdict(dict)
        for n, r in mine:
            shown = MOVING.fullmatch(r.stimulus)
            assert shown
            peaks[shown["width"], shown["step"]][shown["way"]] = (float(traces[n][0].max()), float(traces[n][1].max()))
        both = [pair for pair in peaks.values() if len(pair) == 2]
        index = np.mean([[direction(pair, k) for k in (0, 1)] for pair in both], 0)
        rows.append(
            {
                "cell": cell,
                "n_recordings": len(mine),
                "correlation": float(np.corrcoef(said, measured)[0, 1]),
                "gain": float(np.polyfit(said, measured, 1)[0]),
                "direction_index": float(index[0]),
                "measured_direction_index": float(index[1]),
            }
        )
    return rows


def minimal_scores(data: Dataset, traces: Traces) -> list[dict[str, Any]]:
    """Correlation, gain, explained variance and differences of order of every cell, over pairs of bars."""
    rows = []
    for cell in data.cell_types:
        shown = {n: MINIMAL.fullmatch(r.stimulus) for n, r in enumerate(data.recordings) if r.cell_type == cell}
        mine = {n: found for n, found in shown.items() if found}
        if not mine:
            continue
        said, measured = (np.concatenate([traces[n][k] for n in mine]) for k in (0, 1))
        peak = {
            (found["width"], found["times"], int(found["first"]), int(found["second"])): [t.max() for t in traces[n]]
            for n, found in mine.items()
        }
        orders = [
            np.subtract(peak[w, t, a, b], peak[w, t, b, a]) for w, t, a, b in peak if a < b and (w, t, b, a) in peak
        ]
        difference = np.array(orders).reshape(-1, 2).T
        rows.append(
            {
                "cell": cell,
                "n_recordings": len(mine),
                "correlation": float(np.corrcoef(said, measured)[0, 1]),
                "gain": float(np.polyfit(said, measured, 1)[0]),
                "explained_variance": 1 - float(np.mean((said - measured) ** 2) / measured.var()),
                "n_orders": difference.shape[1],
                "order_correlation": float(np.corrcoef(difference)[0, 1]),
                "order_slope": float(difference.prod(0).sum() / np.square(difference[0]).sum()),
            }
        )
    return rows


def direction(pair: Mapping[str, tuple[float, float]], k: int) -> float:
    """The direction index of a pair of peaks, predicted (0) or measured (1)."""
    forth, back = pair["forth"][k], pair["back"][k]
    return (forth - back) / (forth + back)


def medians(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Medians over cells of every score."""
    return {key: float(np.median([row[key] for row in rows])) for key in rows[0] if key not in ("cell", "n_recordings")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--minimal", action="store_true", help="score minimal motion, and leave moving bars alone")
    parser.add_argument("--together", action="store_true", help="score the mean of all runs")
    options = parser.parse_args()
    data = validate(open_run(options.runs[0]).config()).open_dataset()
    score = minimal_scores if options.minimal else scores
    models = {} if options.minimal else {"superposition": superposition(data)}
    results = []
    if options.minimal:
        kept = [n for n, r in enumerate(data.recordings) if not MOVING.fullmatch(r.stimulus)]
        data = data.subset(kept)
    for paths in [options.runs] if options.together else [[path] for path in options.runs]:
        name = "mean of runs" if options.together else re.sub(r"^[\d_-]+_", "", paths[0].resolve().name)
        models[name] = predicted(paths, data)
    for name, traces in models.items():
        rows = score(data, traces)
        print(name, {key: round(value, 3) for key, value in medians(rows).items()})
        results.append({"model": name, "median": medians(rows), "cells": rows})
    name = "t5_voltage_minimal" if options.minimal else "t5_voltage"
    write(name, [row for row in written(name) if row["model"] not in models] + results)


if __name__ == "__main__":
    main()
