"""The page of a sweep: means with intervals over every axis, the best, curves, cost; looked at in a browser."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from stcnn.run_folder import Run
from stcnn.sweep import Sweep
from stcnn.sweep.folder import Task
from stcnn.sweep.report import cost, scores_over_axes, write_sweep_report
from tests.sweep.test_sweep import spec

RATES = ("1e-3", "1e-2")


def tasks() -> list[Task]:
    """Eight finished runs of a grid of two rates and four seeds, and one that failed."""
    rng = np.random.default_rng(1)
    done = [
        Task(
            number,
            f"run_{number}",
            {"training.learning_rate": rate, "seed": str(seed)},
            (),
            "finished",
            score,
            5,
            60,
            2,
        )
        for number, (rate, seed, score) in enumerate(
            [
                (rate, seed, 0.4 + 0.1 * place + rng.normal() / 50)
                for place, rate in enumerate(RATES)
                for seed in range(4)
            ],
            1,
        )
    ]
    return [*done, Task(9, "run_9", {"training.learning_rate": "1"}, (), "failed", why="the loss <is> nan.")]


def test_intervals_are_those_of_students_t():
    table = scores_over_axes(tasks())
    row = table[(table.axis == "training.learning_rate") & (table.value == "1e-2")].iloc[0]
    scores = [task.score for task in tasks() if task.axes.get("training.learning_rate") == "1e-2"]
    expected = ttest_1samp(scores, 0).confidence_interval()
    assert (row["mean"], row["from"], row["to"]) == pytest.approx((np.mean(scores), expected.low, expected.high))
    assert (row["runs"], row["best"]) == (4, max(scores))
    lowest = scores_over_axes(tasks(), lowest_is_best=True)
    assert lowest.best[1] == min(scores)
    assert list(table.axis.unique()) == ["training.learning_rate", "seed"]


def test_cost_counts_all_attempts():
    assert cost(tasks()) == (
        "They took 0.13 hours of run time, 60 s in the median run; 8 attempts went on with what was stopped."
    )
    assert cost([]) == "No run has told its time yet."


def test_the_page_names_the_best_and_what_failed(tmp_path: Path):
    made = Sweep.create(tmp_path / "sweep", spec(tmp_path / "data"))
    for task in tasks()[:8]:
        run = Run.named(made.runs_folder, task.run, {})
        epochs = np.arange(6)
        curve = {"epoch": epochs, "cell_type": "a", "loss": 1.0, "correlation": task.score * epochs / 5}
        run.write_table("scores.csv", pd.DataFrame(curve))
    page = write_sweep_report(made, tasks()).read_text()
    best = max(tasks()[:8], key=lambda task: task.score)
    assert f"Best: {best.score:.4f} (correlation)." in page
    assert f"runs/{best.run}" in page
    assert "the loss &lt;is&gt; nan." in page
    assert page.count("<svg") == 2
    assert "9 runs: 8 finished, 1 failed" in page


def test_a_sweep_without_finished_runs_has_a_page(tmp_path: Path):
    made = Sweep.create(tmp_path / "sweep", spec(tmp_path / "data"))
    assert "No run is finished yet." in write_sweep_report(made, []).read_text()
