"""The page of a sweep: scores over every axis with intervals, the best, learning curves, cost; one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stcnn.errors import StcnnError
from stcnn.metrics import half_of_mean
from stcnn.report.filled import filled, placed, write_page
from stcnn.report.svg import inline_svg
from stcnn.run_folder import Run
from stcnn.sweep.folder import Sweep, Task
from stcnn.sweep.running import best, counted
from stcnn.viz.comparison import comparison_figure
from stcnn.viz.theme import LIGHT, PALETTE, Margins, panels, themed

MOST_ROWS = 500
"""Runs in the table of the page."""
MOST_CURVES = 100
"""Learning curves that are drawn, those of the best runs."""
MOST_VALUES = 12
"""Values of an axis that are drawn."""


def write_sweep_report(sweep: Sweep, tasks: Sequence[Task], compared: pd.DataFrame | None = None) -> Path:
    """Write ``report.html`` into the folder of a sweep.

    Args:
        sweep: the sweep.
        tasks: of it, as they are now.
        compared: of :func:`stcnn.sweep.fold_comparison.fold_comparison`; None leaves it out.

    Raises:
        FileError: the page cannot be written.
    """
    found = best(tasks, sweep.spec)
    score = sweep.spec.score.replace("_", " ")
    table = scores_over_axes(tasks, lowest_is_best=sweep.spec.score == "loss")
    drawings = {}
    if len(table):
        drawings["axes"] = inline_svg(_axes_figure(tasks, table, score), "axes", f"{score} over every axis; see table")
        curves = learning_curves(sweep, tasks)
        drawings["curves"] = inline_svg(
            _curves_figure(curves, found, score), "curves", f"{score} by epoch of every run"
        )
    if compared is not None:
        figure = comparison_figure(compared, compared.attrs["score"])
        drawings["comparison"] = inline_svg(
            figure, "comparison", "scores of the network and of simple models; see table"
        )
    page = filled(
        "sweep.html",
        compared=[] if compared is None else _compared_rows(compared),
        compared_score="" if compared is None else compared.attrs["score"].replace("_", " "),
        name=sweep.spec.name,
        counts=f"{len(tasks)} runs: {counted(tasks)}",
        cost=cost(tasks),
        score=score,
        best=None if found is None else _in_words(found),
        axes=[_written(row) for row in table.to_dict("records")],
        failed=[
            {"task": task.folder_name, "why": task.why, "axes": _in_words(task)["axes"]}
            for task in tasks
            if task.state == "failed"
        ],
        runs=[_in_words(task) for task in tasks[:MOST_ROWS]],
        runs_caption="All runs" if len(tasks) <= MOST_ROWS else f"The first {MOST_ROWS} of {len(tasks)} runs",
        pictures=placed(drawings),
    )
    return write_page(page, sweep.path / "report.html")


def scores_over_axes(tasks: Sequence[Task], lowest_is_best: bool = False) -> pd.DataFrame:
    """Return the scores of the finished runs over every axis that has several values.

    Args:
        tasks: of a sweep.
        lowest_is_best: as of a loss.

    Returns:
        A row for each ``axis`` and ``value``: ``runs``, ``mean``, its 95 % interval ``from`` ``to`` by Student's t over
        the runs (NaN for a single one), and the ``best`` score.
    """
    scored = [task for task in tasks if task.score == task.score]
    names = list(dict.fromkeys(name for task in scored for name in task.axes))
    rows = []
    for name in names:
        values = list(dict.fromkeys(task.axes[name] for task in scored if name in task.axes))
        if len(values) < 2:
            continue
        for value in values:
            scores = np.array([task.score for task in scored if task.axes.get(name) == value])
            half = float(half_of_mean(scores)) if len(scores) > 1 else float("nan")
            mean = scores.mean()
            row: dict[str, Any] = {"axis": name, "value": value, "runs": len(scores), "mean": mean}
            rows.append(
                row | {"from": mean - half, "to": mean + half, "best": scores.min() if lowest_is_best else scores.max()}
            )
    return pd.DataFrame(rows, columns=["axis", "value", "runs", "mean", "from", "to", "best"])


def learning_curves(sweep: Sweep, tasks: Sequence[Task]) -> dict[int, pd.Series]:
    """Return the score after every epoch, the mean over cell types, of the best finished runs by their numbers."""
    sign = 1 if sweep.spec.score == "loss" else -1
    scored = sorted((task for task in tasks if task.score == task.score), key=lambda task: sign * task.score)
    found = {}
    for task in scored[:MOST_CURVES]:
        run = Run(sweep.runs_folder / task.run)
        try:
            table = (run.members() or [run])[0].scores()
        except StcnnError:
            continue
        found[task.number] = table.groupby("epoch")[sweep.spec.score].mean()
    return found


def cost(tasks: Sequence[Task]) -> str:
    """What the runs took, in a sentence."""
    told = [task.duration_s for task in tasks if task.duration_s > 0]
    if not told:
        return "No run has told its time yet."
    again = sum(max(0, task.attempts - 1) for task in tasks)
    sentence = f"They took {sum(told) / 3600:.2f} hours of run time, {np.median(told):.0f} s in the median run"
    return f"{sentence}; {again} attempts went on with what was stopped." if again else f"{sentence}."


def _in_words(task: Task) -> dict[str, str]:
    return {
        "task": task.folder_name,
        "state": task.state,
        "score": f"{task.score:.4f}" if task.score == task.score else "",
        "epochs": str(task.epochs),
        "seconds": f"{task.duration_s:.0f}",
        "attempts": str(task.attempts),
        "axes": ", ".join(f"{key} = {value}" for key, value in task.axes.items()) or "no axis",
        "run": task.run,
    }


def _compared_rows(compared: pd.DataFrame) -> list[dict[str, str]]:
    score = compared.attrs["score"]
    columns = {"mean": score, "from": f"{score}_low", "to": f"{score}_high"}
    columns |= {
        f"difference {key}": f"{score}_difference{end}"
        for key, end in (("mean", ""), ("from", "_low"), ("to", "_high"))
    }
    shown = []
    for row in compared.to_dict("records"):
        numbers = {key: "–" if row[name] != row[name] else f"{row[name]:.3f}" for key, name in columns.items()}
        shown.append({"model": row["model"], "cell_type": row["cell_type"], "folds": str(row["folds"]), **numbers})
    return shown


def _written(row: dict[Any, Any]) -> dict[str, str]:
    numbers = {key: "–" if row[key] != row[key] else f"{row[key]:.4f}" for key in ("mean", "from", "to", "best")}
    return {"axis": row["axis"], "value": row["value"], "runs": str(row["runs"])} | numbers


def _axes_figure(tasks: Sequence[Task], table: pd.DataFrame, score: str) -> Figure:
    names = list(table.axis.unique())
    with themed(LIGHT):
        n_columns = min(2, len(names))
        n_rows = -(-len(names) // n_columns)
        figure, grid = panels(n_rows, n_columns, (3.6, 2.3), Margins(bottom=0.95, down=1.35), sharey=True)
        for name, axes in zip(names, grid.ravel(), strict=False):
            mine = table[table.axis == name][:MOST_VALUES]
            for place, row in enumerate(mine.to_dict("records")):
                scores = [task.score for task in tasks if task.axes.get(name) == row["value"]]
                axes.plot(np.full(len(scores), place), scores, ".", color=PALETTE[0], alpha=0.5, ms=4)
                axes.plot([place - 0.25, place + 0.25], [row["mean"]] * 2, color=LIGHT.ink)
                axes.plot([place] * 2, [row["from"], row["to"]], color=LIGHT.ink, lw=1)
            axes.set_xticks(range(len(mine)), [_short(value) for value in mine.value], rotation=30, ha="right")
            axes.set(title=name, ylabel=score, xlim=(-0.5, len(mine) - 0.5))
            axes.grid(axis="y", lw=0.5)
        for axes in grid.ravel()[len(names) :]:
            axes.set_visible(False)
    return figure


def _short(value: str) -> str:
    return value if len(value) <= 18 else f"{value[:17]}…"


def _curves_figure(curves: dict[int, pd.Series], found: Task | None, score: str) -> Figure:
    with themed(LIGHT):
        figure, ((axes,),) = panels(1, 1, (5.5, 2.8))
        for number, curve in reversed(list(curves.items())):
            is_best = found is not None and number == found.number
            look = {"color": LIGHT.ink, "lw": 1.8} if is_best else {"color": PALETTE[0], "lw": 0.8, "alpha": 0.4}
            axes.plot(curve.index, curve.to_numpy(), **look)
        axes.set(xlabel="epoch", ylabel=score)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", lw=0.5)
    return figure
