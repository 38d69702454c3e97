"""Comparison over the folds of a cross-validation: the network and simple models, each fitted again in every fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from stcnn.baselines import named
from stcnn.comparison import Comparison
from stcnn.errors import ConfigError
from stcnn.metrics import half_of_mean
from stcnn.run_folder import Run
from stcnn.sweep.folder import Sweep, Task

NETWORK = "network"
"""Name of the trained networks of all folds."""
NOT_AN_AXIS = ("fold", "seed")


def best_settings(tasks: Sequence[Task], lowest_is_best: bool = False) -> list[Task]:
    """Return the finished tasks of the settings, all folds and seeds of them, whose mean score is best.

    Args:
        tasks: of a sweep.
        lowest_is_best: as of a loss.

    Raises:
        ConfigError: there are no two folds.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Task]] = {}
    for task in tasks:
        if task.state == "finished" and "fold" in task.axes:
            key = tuple((name, value) for name, value in task.axes.items() if name not in NOT_AN_AXIS)
            groups.setdefault(key, []).append(task)
    most = max((len({task.axes["fold"] for task in group}) for group in groups.values()), default=0)
    if most < 2:
        raise ConfigError(
            "the sweep has no two finished folds", expected="runs of a cross-validation", remedy="give folds: 5"
        )
    whole = [group for group in groups.values() if len({task.axes["fold"] for task in group}) == most]
    sign = -1 if lowest_is_best else 1
    return max(whole, key=lambda group: sign * float(np.nanmean([task.score for task in group])))


def fold_comparison(sweep: Sweep, tasks: Sequence[Task], baselines: str, say: Callable[[str], None]) -> pd.DataFrame:
    """Return the scores of the network and of simple models over the folds.

    Args:
        sweep: a cross-validation.
        tasks: of it, as they are now.
        baselines: names with commas between them, or ``all``.
        say: takes a line for the user.

    Returns:
        A row per model and cell type, the network first: ``model``, ``cell_type``, ``folds``, a score by its name with
        ``_low`` and ``_high`` (95 % interval by Student's t over the folds), and the same of ``_difference`` to the
        network, fold by fold. ``attrs["score"]`` names the score. A mean of seeds counts as one in its fold.

    Raises:
        StcnnError: there are no folds, or a run cannot be compared.
    """
    wanted = named(baselines)
    of_folds: dict[str, list[Task]] = {}
    for task in best_settings(tasks, sweep.spec.score == "loss"):
        of_folds.setdefault(task.axes["fold"], []).append(task)
    tables = []
    score = ""
    for number, (fold, mine) in enumerate(of_folds.items(), 1):
        runs = [Run(sweep.runs_folder / task.run) for task in mine]
        made = Comparison.of_runs(runs, score=score, folder=sweep.path / "comparison" / f"fold_{fold}")
        for line in made.fit(wanted):
            say(f"fold {number} of {len(of_folds)}: {line.strip()}")
        score = made.score
        found = made.table[["model", "cell_type", score]].copy()
        found["model"] = found.model.where(found.model.isin(wanted), NETWORK)
        tables.append(found.groupby(["model", "cell_type"], sort=False, as_index=False)[score].mean().assign(fold=fold))
    return over_folds(pd.concat(tables), score)


def over_folds(scores: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return the table of :func:`fold_comparison` from the ``score`` of every ``model``, ``cell_type`` and ``fold``."""
    by_fold = scores.pivot_table(index=["model", "cell_type"], columns="fold", values=score, sort=False)
    rows = []
    for place, values in by_fold.iterrows():
        model, cell_type = cast(tuple[str, str], place)
        difference = values - by_fold.xs((NETWORK, cell_type))
        row: dict[str, Any] = {"model": model, "cell_type": cell_type, "folds": int(values.notna().sum())}
        for name, one in ((score, values), (f"{score}_difference", difference)):
            known = np.asarray(one.dropna(), np.float64)
            mean = float(known.mean()) if len(known) else float("nan")
            half = float(half_of_mean(known)) if len(known) > 1 else float("nan")
            row |= {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}
        rows.append(row)
    table = pd.DataFrame(rows)
    table.attrs["score"] = score
    return table
