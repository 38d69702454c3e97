"""In-silico physiology of trained models against that of the simulated truth: every curve, and all numbers.

    python benchmarks/physiology.py                          three models of one simulated experiment
    python benchmarks/physiology.py --models 1 --steps 300   a quick look
    python benchmarks/physiology.py --wide --to physiology_wide      recordings that hold what is asked, too
    python benchmarks/physiology.py --run FOLDER             an ensemble that is there already

The recordings hold squares, bars and discs of several sizes, speeds, directions, contrasts and speeds of approach, so
that most curves lie between stimuli that were recorded. Asked is, for each curve of each cell type, its correlation
with the true one, and for each number whether it is within 15 percent of the true one, or the true one in its interval.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record import write

from stcnn.config import compose, validate
from stcnn.experiments.physiology import ANALYSES, Bench, Models, physiology_table
from stcnn.experiments.physiology.curves import Result
from stcnn.product import open_run, run_training
from stcnn.simulation import SimulatedDataConfig
from stcnn.simulation.truth import Truth
from stcnn.stimuli import Screen

CELL_TYPES = ("lc11", "lc15", "lplc2", "lc4", "lc12")
PROTOCOLS = ("mixed", "size", "speed", "direction", "looming_rv", "contrast", "aspect")
WIDE = ("flicker", "temporal_spatial_frequency", "noise", "klapoetke2022_size", "klapoetke2022_looming", "turner2022")
"""Protocols that the wide recordings hold besides: gratings, flicker, noise, flashes, rectangles by both sides."""
CLOSE = 0.15
"""Relative distance from the truth that is asked for."""
LEAST_SHARE = 0.1
"""Share of a type's largest true response anywhere below which a curve is one of no response."""
JUDGED = (
    *("preferred_side_deg", "preferred_speed_deg_s", "preferred_height_deg", "preferred_width_deg"),
    *("size_threshold_deg", "size_suppression", "height_suppression", "width_suppression", "dark_c50", "on_off_index"),
    *("square_dsi", "bar_dsi", "bar_osi", "preferred_r_over_v_s", "dark_field_diameter_deg", "latency_s"),
)
INDICES = (
    *("size_suppression", "height_suppression", "width_suppression", "on_off_index"),
    *("square_dsi", "bar_dsi", "bar_osi"),
)
"""Numbers from 0 (or -1) to 1, of which 15 percent of a truth near 0 is nothing: their difference counts, too."""


def trained(args: argparse.Namespace, folder: Path) -> Any:  # noqa: ANN401 - a run
    overrides = [
        "dataset=simulated",
        f"dataset.cell_types=[{','.join(CELL_TYPES)}]",
        f"dataset.stimuli=[{','.join(PROTOCOLS + (WIDE if args.wide else ()))}]",
        f"n_models={args.models}",
        f"training.steps={args.steps}",
        "report=false",
        f"experiments_dir={folder}",
    ]
    return run_training(compose(overrides), overrides)


def examined(bench: Bench) -> list[Result]:
    return [analysis.measure(bench) for name, analysis in ANALYSES.items() if name != "lesions"]


def compared(ours: pd.DataFrame, truth: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves (a row each: ``r``, share of points ``covered`` by intervals) and numbers (``close``, ``covered``)."""
    key = ["analysis", "cell_type", "quantity", "series", "x", "x_value", "y", "y_value"]
    both = ours.merge(truth[[*key, "value"]], on=key, suffixes=("", "_true"))
    points = both[both.x.notna()]
    largest = points[points.quantity.str.startswith("peak dF/F")].groupby("cell_type").value_true.max()
    curves = []
    points = points.assign(covered=_covered(points))
    for (analysis, quantity, series, cell_type), mine in points.groupby(
        ["analysis", "quantity", "series", "cell_type"]
    ):
        responds = mine.value_true.max() >= LEAST_SHARE * largest[cell_type] or not quantity.startswith("peak dF/F")
        r = float(mine.value.corr(mine.value_true)) if responds and len(mine) > 2 else float("nan")
        curves.append((analysis, quantity, series, cell_type, len(mine), r, mine.covered.mean()))
    numbers = both[both.x.isna() & both.value_true.notna()].copy()
    numbers["close"] = (numbers.value - numbers.value_true).abs() <= CLOSE * numbers.value_true.abs()
    numbers["covered"] = _covered(numbers)
    numbers["index_close"] = numbers.quantity.isin(INDICES) & ((numbers.value - numbers.value_true).abs() <= CLOSE)
    columns = ["analysis", "quantity", "series", "cell_type", "n", "r", "covered"]
    return pd.DataFrame(curves, columns=columns), numbers


def _covered(rows: pd.DataFrame) -> pd.Series:
    """Whether truths lie within intervals, 0 or 1; NaN where there is one model alone and no interval."""
    inside = (rows.low <= rows.value_true) & (rows.value_true <= rows.high)
    return inside.astype(float).where(rows.low.notna())


def by_analysis(curves: pd.DataFrame) -> dict[str, Any]:
    """Median correlation of the curves of each analysis that the truth answers to."""
    return {
        str(name): {
            "median_r": round(mine.r.median(), 3),
            "n_curves": len(mine),
            "above_0.9": round(float((mine.r > 0.9).mean()), 2),
            "truth_in_interval": _rounded(np.average(mine.covered, weights=mine.n)),
        }
        for name, mine in curves[curves.r.notna()].groupby("analysis")
    }


def judged(numbers: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "number": row.quantity,
            "cell_type": row.cell_type,
            "model": _rounded(row.value),
            "low": _rounded(row.low),
            "high": _rounded(row.high),
            "truth": _rounded(row.value_true),
            "within_15_percent": bool(row.close),
            "index_within_0.15": bool(row.index_close) if name in INDICES else None,
            "truth_in_interval": bool(row.covered) if np.isfinite(row.covered) else None,
        }
        for name in JUDGED
        for row in numbers[numbers.quantity == name].itertuples()
    ]


def _rounded(value: float) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--wide", action="store_true", help="recordings that hold more kinds of stimuli")
    parser.add_argument("--run", type=Path, help="an ensemble or run of this script's recordings")
    parser.add_argument("--runs", type=Path, help="folder for the trained models; by default a temporary one")
    parser.add_argument("--to", default="physiology", help="name of the result")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        run = open_run(args.run) if args.run else trained(args, args.runs or Path(temporary))
        config = validate(run.config())
        assert isinstance(config.dataset, SimulatedDataConfig)
        screen = Screen(rate_hz=config.dataset.rate_hz)
        stimuli = list(config.dataset.stimuli)
        models = Models(run.models())
        finished = [member.scores() for member in run.members() or [run]]
        last = pd.concat([table[table.epoch == table.epoch.max()] for table in finished])
        scores = last.groupby("cell_type").correlation.mean().round(3).to_dict()
    ours = physiology_table(examined(Bench(models, screen)), models.cell_types)
    subject = Truth(config.dataset)
    truth = physiology_table(examined(Bench(subject, screen)), subject.cell_types)
    curves, numbers = compared(ours, truth)
    print(curves.to_string(float_format=lambda v: f"{v:.2f}"))
    notes = {"held_out_correlation": scores, "curves": by_analysis(curves), "n_models": len(models.members)}
    print(pd.DataFrame(notes["curves"]).T.to_string())
    rows = judged(numbers)
    notes |= {key: sum(bool(row[key]) for row in rows) for key in ("within_15_percent", "truth_in_interval")}
    notes["within_15_percent_or_0.15_of_an_index"] = sum(
        bool(row["within_15_percent"] or row["index_within_0.15"]) for row in rows
    )
    write(args.to, rows, n_numbers=len(rows), stimuli=stimuli, **notes)


if __name__ == "__main__":
    main()
