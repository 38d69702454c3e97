"""A sweep as one calls it: what is missing is trained here or given to a scheduler, and what there is is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from stcnn.folders import experiments_folder
from stcnn.sweep import cluster
from stcnn.sweep.folder import Sweep, Task
from stcnn.sweep.local import Pool
from stcnn.sweep.spec import Local, SweepSpec
from stcnn.sweep.tasks import Point, points_of
from stcnn.writing import locked

TABLE_S = 5
"""Seconds between two tables while runs end one after the other."""


@dataclass(frozen=True)
class Outcome:
    """What came of a call.

    Args:
        tasks: of the sweep, as they are now.
        jobs: numbers that a scheduler gave.
        signal_number: what stopped the runs on this machine; None if nothing did.
    """

    tasks: list[Task]
    jobs: list[str]
    signal_number: int | None = None


def folder_of(spec: SweepSpec, to: Path | None) -> Path:
    """Where a sweep goes unless it is told: beside the runs, under its name."""
    return (experiments_folder() / str(spec.name)) if to is None else to


def run(
    sweep: Sweep, say: Callable[[str], None], *, points: Sequence[Point] | None = None, retry: bool = False
) -> Outcome:
    """Train what is missing of a sweep, or give it to a scheduler.

    Args:
        sweep: made or opened.
        say: takes a line for the user.
        points: the runs that are asked for; None is those of its description.
        retry: begin again those that failed.

    Raises:
        ConfigError: a run cannot be.
        ClusterError: the scheduler does not take them.
    """
    if sweep.spec.search is not None:
        return _searched(sweep, say)
    wanted = {task.number for task in sweep.add(points_of(sweep.spec) if points is None else points)}
    if isinstance(sweep.spec.where, Local):
        return _here(sweep, sweep.spec.where, say, to_do(sweep.tasks(), wanted, retry))
    with locked(sweep.path, "submission", "submits", wait=True):  # of two calls at once the second finds all queued
        sweep = sweep.with_queue(cluster.queue(sweep))
        missing = to_do(sweep.tasks(), wanted, retry)
        jobs = cluster.submit(sweep, missing) if missing else []
        for job in jobs:
            say(f"job {job}")
    return Outcome(sweep.with_queue(cluster.queue(sweep)).tasks(), jobs)


def _here(sweep: Sweep, where: Local, say: Callable[[str], None], missing: Sequence[Task]) -> Outcome:
    written_s = monotonic()
    n_ended = 0

    def tell(task: Task, status: int) -> None:
        nonlocal n_ended, written_s
        n_ended += 1
        say(f"{n_ended} of {len(missing)}: {told(sweep.looked_at(task))}")
        if monotonic() - written_s > TABLE_S:
            sweep.tasks()
            written_s = monotonic()

    pool = Pool(sweep, where, tell)
    if missing:
        say(f"{len(missing)} runs, {min(len(missing), pool.n_places)} at once with {where.threads} threads each")
    stopped = pool.run(missing)
    return Outcome(sweep.tasks(), [], stopped)


def _searched(sweep: Sweep, say: Callable[[str], None]) -> Outcome:
    from stcnn.sweep.search import Search

    assert isinstance(sweep.spec.where, Local)
    search = Search(sweep)

    def tell(task: Task, status: int) -> None:
        ended = sweep.looked_at(task)
        search.tell(ended)
        say(f"{len(search.finished())} scored: {told(ended)}")

    pool = Pool(sweep, sweep.spec.where, tell, search.is_hopeless)
    stopped = pool.run(search.tasks())
    return Outcome(sweep.tasks(), [], stopped)


def to_do(tasks: Sequence[Task], wanted: Collection[int], retry: bool) -> list[Task]:
    """Tasks of those numbers that are to be begun or go on."""
    states = {"waiting", "stopped", *(["failed"] if retry else [])}
    return [task for task in tasks if task.state in states and task.number in wanted]


def told(task: Task) -> str:
    """A task in a line."""
    axes = " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in task.axes.items())
    end = f"score {task.score:.4f}" if task.state == "finished" else task.why
    return " ".join(filter(None, [task.folder_name, axes, task.state, end]))


def counted(tasks: Sequence[Task]) -> str:
    """How many tasks are in each state, as a clause."""
    counts = Counter[str](task.state for task in tasks)
    order = ("finished", "running", "queued", "stopped", "waiting", "pruned", "failed")
    return ", ".join(f"{counts[state]} {state}" for state in order if counts[state]) or "no runs"


def best(tasks: Sequence[Task], spec: SweepSpec) -> Task | None:
    """The finished task of the best score."""
    scored = [task for task in tasks if task.score == task.score]
    sign = -1 if spec.score == "loss" else 1
    return max(scored, key=lambda task: sign * task.score, default=None)
