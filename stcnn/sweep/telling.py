"""What a user is told of a sweep: before it begins what it would do, afterwards what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stcnn.sweep import cluster
from stcnn.sweep.folder import Sweep
from stcnn.sweep.running import Outcome, best, counted, told
from stcnn.sweep.spec import Local
from stcnn.sweep.tasks import points_of, run_name

Say = Callable[[str], None]
"""Takes a line for the user."""


def preview(sweep: Sweep) -> Iterator[str]:
    """Yield the runs of a sweep, each judged, and the script of a scheduler; nothing is made.

    Raises:
        ConfigError: a run cannot be.
    """
    points = points_of(sweep.spec)
    for number, point in enumerate(points, 1):
        run_name(sweep.command(point))  # judges it
        yield f"# {number:04d} {' '.join(point.overrides)}"
    yield f"# {len(points)} runs in {sweep.path}"
    if not isinstance(sweep.spec.where, Local):
        n_tasks = min(len(points), cluster.MOST_IN_AN_ARRAY)
        yield cluster.script(sweep, sweep.path / "jobs" / "0001", n_tasks).rstrip("\n")


def tell(sweep: Sweep, outcome: Outcome, say: Say, warn: Say) -> int:
    """Say what came of a call, and return its exit status: 0, 1 where a run failed, or as a shell reports a signal.

    Args:
        sweep: that was run.
        outcome: of the call.
        say: takes what is told.
        warn: takes what went wrong.
    """
    failed = [task for task in outcome.tasks if task.state == "failed"]
    for task in failed:
        warn(told(task))
    found = best(outcome.tasks, sweep.spec)
    if found is not None:
        say(f"best: {told(found)} in {sweep.runs_folder / found.run}")
    say(f"{counted(outcome.tasks)}; table in {sweep.path / 'runs.csv'}")
    if outcome.signal_number is not None:
        warn("stopped; the same command goes on")
        return 128 + outcome.signal_number
    return 1 if failed else 0
