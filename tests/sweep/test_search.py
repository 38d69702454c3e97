"""A search asks Optuna for trials, trains them with the real command, and goes on wherever it was stopped."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stcnn.errors import ConfigError
from stcnn.run_folder import Run
from stcnn.sweep import Sweep, SweepSpec, running
from stcnn.sweep.search import Search
from stcnn.sweep.spec import spec_of
from tests.sweep.test_sweep import command, spec, until

optuna = pytest.importorskip("optuna", reason="needs Optuna: pip install 'stcnn[search]'")

SPACE = {"training.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}, "batching.batch_size": [2, 4]}
ONE = {"kind": "local", "at_once": 1}


def searching(data: Path, n_trials: int, **keys: Any) -> SweepSpec:
    chosen = spec(data, where=ONE, **keys).model_dump() | {"seeds": 1}
    return spec_of(chosen | {"search": {"trials": n_trials, "space": SPACE}}, "x")


def told_as_finished(sweep: Sweep, search: Search, score: float) -> None:
    """Take the next trial, let its run have a score, and tell it."""
    task = next(search.tasks())
    search.tell(replace(task, state="finished", score=score))


def test_a_search_asks_for_so_many_trials_and_what_was_left_behind_comes_first(tmp_path: Path):
    made = Sweep.create(tmp_path / "sweep", searching(tmp_path / "data", 4))
    first = Search(made)
    told_as_finished(made, first, 0.5)
    begun = next(first.tasks())  # and its worker is gone
    second = Search(made)
    assert next(second.tasks()) == begun
    assert next(second.tasks()).number == 3
    third = Search(made)
    assert [task.number for task in third.tasks()] == [2, 3, 4]
    assert list(Search(made).tasks())[:1] == [begun]
    numbers = [trial.user_attrs["task"] for trial in third.study.trials if "task" in trial.user_attrs]
    assert sorted(numbers) == [1, 2, 3, 4]
    axes = made.tasks()[0].axes
    assert 1e-4 <= float(axes["training.learning_rate"]) <= 1e-1
    assert axes["batching.batch_size"] in ("2", "4")


def test_a_run_that_two_workers_saw_end_is_told_once(tmp_path: Path):
    made = Sweep.create(tmp_path / "sweep", searching(tmp_path / "data", 1))
    first = Search(made)
    second = Search(made)
    task = next(first.tasks())
    assert next(second.tasks()) == task  # nobody was at it between its end and its telling
    ended = replace(task, state="finished", score=0.5)
    for search in (second, first):
        search.tell(ended)
    (told,) = Search(made).finished()
    assert told.value == 0.5


def test_a_point_that_was_trained_before_is_no_trial(tmp_path: Path):
    chosen = searching(tmp_path / "data", 9).model_dump()
    chosen["search"]["space"] = {"batching.batch_size": [2, 4]}
    search = Search(Sweep.create(tmp_path / "sweep", spec_of(chosen, "x")))
    assert [task.number for task in search.tasks()] == [1, 2]


def test_a_run_below_the_median_of_the_others_is_given_up(tmp_path: Path):
    made = Sweep.create(tmp_path / "sweep", searching(tmp_path / "data", 9))
    search = Search(made)
    for number in range(7):
        task = next(search.tasks())
        run = Run.named(made.runs_folder, task.run, {})
        good = 0.5 if number < 6 else 0.1
        scores = {"epoch": range(1, 6), "cell_type": "a", "loss": 1.0, "correlation": good}
        run.write_table("scores.csv", pd.DataFrame(scores))
        assert search.is_hopeless(task) == (number == 6)
        if number < 6:
            search.tell(replace(task, state="finished", score=good))
    assert made.tasks()[6].state == "pruned"
    search.tell(made.tasks()[6])
    assert search.study.trials[6].state == optuna.trial.TrialState.PRUNED


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"folds": 3}, "a search has no grid, points, datasets, folds or seeds"),
        ({"where": {"kind": "slurm"}}, "a search runs where kind is local"),
        ({"search": {"trials": 3, "space": {"seed": {"low": 2, "high": 1}}}}, "a range from 2 to 1 is none"),
    ],
)
def test_a_search_that_cannot_be_is_a_sentence(change: dict, sentence: str, tmp_path: Path):
    with pytest.raises(ConfigError, match=sentence):
        spec_of(searching(tmp_path / "data", 3).model_dump() | change, "x")


@pytest.mark.slow
@pytest.mark.parametrize("n_trials", [30])
def test_thirty_trials_by_two_workers_stopped_and_gone_on_twice(n_trials: int, tmp_path: Path):
    made = Sweep.create(tmp_path / "sweep", searching(tmp_path / "data", n_trials, base=["training.epochs=6"]))
    for stop_at in (n_trials // 3, 2 * n_trials // 3):
        workers = [subprocess.Popen(command(made.path), stdout=subprocess.DEVNULL) for _ in range(2)]
        until(lambda stop_at=stop_at: len(list(made.path.glob("runs/*/test_scores.parquet"))) >= stop_at, limit_s=1500)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(timeout=300) for worker in workers] == [128 + signal.SIGTERM] * 2
    workers = [subprocess.Popen(command(made.path), stdout=sys.stderr) for _ in range(2)]
    assert [worker.wait(timeout=1500) for worker in workers] == [0, 0]
    tasks = made.tasks()
    assert len(tasks) == len({task.run for task in tasks}) == n_trials
    assert {task.state for task in tasks} <= {"finished", "pruned"}
    search = Search(made)
    states = [trial.state.name for trial in search.study.trials if "task" in trial.user_attrs]
    assert len(states) == n_trials
    assert states.count("COMPLETE") == sum(task.state == "finished" for task in tasks)
    best = running.best(tasks, made.spec)
    assert best is not None
    assert search.study.best_trial.user_attrs["task"] == best.number
    assert search.study.best_value == best.score
