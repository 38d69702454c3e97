"""The page of a sweep: means with intervals over every axis, the best, curves, cost; looked at in a browser."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from stcnn.errors import ConfigError
from stcnn.run_folder import Run
from stcnn.sweep import Sweep, running
from stcnn.sweep.fold_comparison import best_settings, fold_comparison, over_folds
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


def folds(rate: str, *scores: float) -> list[Task]:
    axes = [{"training.learning_rate": rate, "fold": str(k), "seed": "1"} for k in range(len(scores))]
    return [
        Task(k, f"r{k}", one, (), "finished", score) for k, (one, score) in enumerate(zip(axes, scores, strict=True))
    ]


def test_the_comparison_is_of_the_settings_that_are_best_over_all_folds():
    better = folds("1e-3", 0.5, 0.6)
    assert best_settings([*folds("1e-2", 0.4, 0.6), *better, *folds("1e-1", 0.9)]) == better
    assert best_settings([*folds("1e-2", 0.4, 0.5), *better], lowest_is_best=True) == folds("1e-2", 0.4, 0.5)
    with pytest.raises(ConfigError, match="the sweep has no two finished folds"):
        best_settings([*tasks(), *folds("1e-2", 0.4)])


def test_intervals_over_folds_are_students_and_differences_are_paired():
    rng = np.random.default_rng(3)
    network = rng.normal(0.5, 0.2, 5)
    linear = network - rng.normal(0.1, 0.01, 5)
    rows = [("network", "all", str(k), value) for k, value in enumerate(network)]
    rows += [("linear", "all", str(k), value) for k, value in enumerate(linear)]
    table = over_folds(pd.DataFrame(rows, columns=["model", "cell_type", "fold", "r"]), "r").set_index("model")
    expected = ttest_1samp(linear - network, 0).confidence_interval()
    found = table[["r_difference_low", "r_difference_high"]].to_numpy()
    np.testing.assert_allclose(found[1], (expected.low, expected.high))
    np.testing.assert_allclose(table["r"].iloc[0], network.mean())
    assert table["r_difference"].iloc[0] == 0
    assert table.folds.tolist() == [5, 5]


@pytest.mark.slow
def test_the_comparison_of_a_cross_validation_stands_in_the_report(tmp_path: Path):
    base = ["split.kind=stimulus_x_neuron", "training.epochs=2"]
    made = Sweep.create(tmp_path / "sweep", spec(tmp_path / "data", [1], base=base, folds=2))
    outcome = running.run(made, print)
    assert {task.state for task in outcome.tasks} == {"finished"}
    table = fold_comparison(made, outcome.tasks, "grand mean of the type", print)
    assert set(table.model) == {"network", "grand mean of the type"}
    page = write_sweep_report(made, outcome.tasks, table).read_text()
    assert "Comparison over the folds" in page
    assert "grand mean of the type" in page
