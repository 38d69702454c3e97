"""The folder of a sweep: its tasks, what came of each, and the table that says so.

    experiments/NAME/
      runs.csv               a row per run: number, name, state, score, axes, why it failed, overrides
      sweep.yaml             the description of the sweep, every default written out
      runs/                  the run folders, named by ``resume=auto``
      tasks/0001/            overrides.txt (one a line), attempts.txt (exit status and seconds), log.txt
      jobs/0001/             of a cluster: the script, the tasks of its array, the number of the job

The table is written anew from the run folders and ``attempts.txt`` whenever someone looks; nothing that is only in the
table can be lost but the numbers of the tasks, which are kept.
"""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import yaml

from stcnn.errors import FileError, StcnnError
from stcnn.reading import read_csv, read_saved_yaml, require_folder
from stcnn.run_folder import Run
from stcnn.stop_signals import TIME_LIMIT_EXIT_CODE
from stcnn.sweep.spec import SweepSpec, spec_of
from stcnn.sweep.tasks import Point, override_value, run_name
from stcnn.writing import atomic_folder, atomic_write, is_locked, locked

State = Literal["waiting", "queued", "running", "stopped", "pruned", "failed", "finished"]
PRUNED = "pruned"
"""File in the folder of a task that a search gave up."""
STOPPED_CODES = (TIME_LIMIT_EXIT_CODE, 129, 130, 137, 138, 140, 143)
"""Exit statuses of a run that was stopped from outside and can go on: time limit, signals, killed."""
COLUMNS = ("number", "run", "state", "score", "epochs", "duration_s", "attempts", "why", "axes", "overrides")


@dataclass(frozen=True)
class Task:
    """A run of a sweep and what came of it.

    Args:
        number: of the task, from 1; the name of its folder.
        run: name of its run folder.
        axes: what it has on every axis.
        overrides: of ``stcnn train``.
        state: ``waiting`` (not begun), ``queued`` and ``running`` (by a scheduler or another process), ``stopped`` (and
            can go on), ``pruned`` (given up by a search), ``failed``, ``finished``.
        score: validation score of a finished run, NaN before.
        epochs: that were trained.
        duration_s: all attempts together; a run that was killed hard does not tell.
        attempts: how often it was begun.
        why: it failed.
    """

    number: int
    run: str
    axes: Mapping[str, str]
    overrides: tuple[str, ...]
    state: State = "waiting"
    score: float = float("nan")
    epochs: int = 0
    duration_s: float = 0.0
    attempts: int = 0
    why: str = ""

    @property
    def folder_name(self) -> str:
        """Name of its folder in ``tasks``."""
        return f"{self.number:04d}"


@dataclass(frozen=True)
class Sweep:
    """A sweep and its folder.

    Args:
        path: the folder.
        spec: its description.
    """

    path: Path
    spec: SweepSpec
    queue: Mapping[int, State] = field(default_factory=dict)
    """State of the tasks that a scheduler has."""

    @classmethod
    def create(cls, path: Path, spec: SweepSpec) -> Sweep:
        """Make the folder of a sweep, or take one that is there and may have had fewer runs.

        Raises:
            FileError: the folder is something else, or cannot be made.
        """
        path = path.expanduser().absolute()
        if not path.exists():
            with atomic_folder(path) as draft:
                (draft / "tasks").mkdir(parents=True)
                (draft / "runs").mkdir()
                (draft / "sweep.yaml").write_text(_yaml(spec))
        elif not (path / "sweep.yaml").is_file():
            found = f"'{path}' is there and is no sweep"
            raise FileError(
                found, expected="a folder to make, or one with sweep.yaml", remedy="give another one with --to"
            )
        with atomic_write(path / "sweep.yaml") as draft:
            draft.write_text(_yaml(spec))
        return cls(path, spec)

    @classmethod
    def open(cls, path: Path) -> Sweep:
        """Open the folder of a sweep.

        Raises:
            FileError: it is none.
        """
        given = path
        path = path.expanduser().absolute()
        if not (path / "sweep.yaml").is_file():
            what = "a folder made by stcnn sweep, such as experiments/NAME"
            require_folder(given.expanduser(), what)
            raise FileError(f"{path} is no sweep: it has no sweep.yaml", expected=what)
        return cls(
            path, spec_of(read_saved_yaml(path / "sweep.yaml", "the description of a sweep"), f"{path}/sweep.yaml")
        )

    def with_queue(self, queue: Mapping[int, State]) -> Sweep:
        """The same sweep, knowing which of its tasks a scheduler has."""
        return replace(self, queue=queue)

    @property
    def runs_folder(self) -> Path:
        """Folder of the run folders."""
        return self.path / "runs"

    def command(self, point: Point) -> tuple[str, ...]:
        """All overrides of a run that is asked for."""
        own = (f"name={self.spec.name}", f"experiments_dir={override_value(str(self.runs_folder))}", "resume=auto")
        return (*point.overrides, *own, f"report={str(self.spec.reports).lower()}")

    def add(self, points: Sequence[Point]) -> list[Task]:
        """Give every run that is asked for a number and a folder, where it has none yet; safe with several processes.

        Returns:
            The tasks of these points, in their order, as they are now.

        Raises:
            ConfigError: the configuration of a run cannot be.
        """
        with self._alone():
            by_run = {task.run: task for task in self._listed()}
            run_of = {task.overrides: task.run for task in by_run.values()}
            number = max((task.number for task in by_run.values()), default=0)
            for point in points:
                overrides = self.command(point)
                if overrides in run_of:
                    continue
                run = run_of[overrides] = run_name(overrides)
                if run in by_run:  # the same run in other words
                    continue
                number += 1
                by_run[run] = Task(number, run, dict(point.axes), overrides)
                self._write_task(by_run[run])
            mine = {run_of[self.command(point)] for point in points}
            table = self._write(list(by_run.values()))
        return [task for task in table if task.run in mine]

    def tasks(self) -> list[Task]:
        """Look at all tasks, write the table, and return them."""
        with self._alone():
            return self._write(self._listed())

    def table(self) -> pd.DataFrame:
        """Return the tasks as a table with a column for every axis."""
        rows = [{**_row(task), **{f"{key}": value for key, value in task.axes.items()}} for task in self.tasks()]
        return pd.DataFrame(rows).drop(columns="axes", errors="ignore")

    def task_folder(self, task: Task) -> Path:
        """Folder of a task."""
        return self.path / "tasks" / task.folder_name

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with locked(self.path, "table", "writes the table of", wait=True):
            yield

    def _listed(self) -> list[Task]:
        """Tasks as the table has them: their numbers and what they are."""
        path = self.path / "runs.csv"
        if not path.is_file():
            return []
        table = read_csv(path, COLUMNS, "the table of a sweep")
        return [
            Task(int(row["number"]), row["run"], json.loads(row["axes"]), tuple(shlex.split(row["overrides"])))
            for row in table.to_dict("records")
        ]

    def _write(self, tasks: Sequence[Task]) -> list[Task]:
        found = [self.looked_at(task) for task in sorted(tasks, key=lambda task: task.number)]
        with atomic_write(self.path / "runs.csv") as draft, draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(_row(task) for task in found)
        return found

    def _write_task(self, task: Task) -> None:
        with atomic_write(self.task_folder(task) / "overrides.txt") as draft:
            draft.write_text("\n".join(task.overrides) + "\n")

    def looked_at(self, task: Task) -> Task:
        """A task with what came of it by now."""
        run = Run(self.runs_folder / task.run)
        attempts = _attempts(self.task_folder(task) / "attempts.txt")
        ended = [attempt for attempt in attempts if attempt is not None]
        task = replace(task, attempts=len(attempts), duration_s=sum(seconds for _, seconds in ended))
        try:
            if run.is_finished():
                return replace(task, state="finished", **_scores(run, self.spec.score))
            epochs = int(run.scores().epoch.max()) if (run.path / "scores.csv").is_file() else 0
        except StcnnError as error:
            return replace(task, state="failed", why=str(error))
        task = replace(task, epochs=epochs)
        if task.number in self.queue:
            return replace(task, state=self.queue[task.number])
        if is_locked(self.task_folder(task), "task") or is_locked(run.path, "training"):
            return replace(task, state="running")
        if (self.task_folder(task) / PRUNED).is_file():
            return replace(task, state="pruned")
        if attempts and attempts[-1] is not None and attempts[-1][0] not in (0, *STOPPED_CODES):
            return replace(task, state="failed", why=self._why(task, attempts[-1][0]))
        return replace(task, state="stopped" if attempts else "waiting")

    def _why(self, task: Task, code: int) -> str:
        """The last thing that a run said."""
        path = self.task_folder(task) / "log.txt"
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4000))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit status {code}"


def _attempts(path: Path) -> list[tuple[int, float] | None]:
    """Exit status and seconds of every attempt; None where it did not tell: it runs, or was killed hard."""
    found: list[tuple[int, float] | None] = []
    if not path.is_file():
        return found
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:1] == ["begun"]:
            found.append(None)
        elif len(words) == 2 and words[0].isdecimal() and found:
            found[-1] = int(words[0]), float(words[1])
    return found


def _scores(run: Run, score: str) -> dict[str, Any]:
    """Score and epochs of a finished run, of an ensemble the mean of its members."""
    values = []
    epochs = 0
    for member in run.members() or [run]:
        table = member.scores()
        epochs = max(epochs, int(table.epoch.max()))
        kept = table[table.epoch == member.finished_epoch()]
        values.append(float(kept[score].mean()) if score in kept else float("nan"))
    return {"score": sum(values) / len(values), "epochs": epochs}


def _row(task: Task) -> dict[str, Any]:
    row = {name: getattr(task, name) for name in COLUMNS}
    return row | {
        "score": "" if task.score != task.score else repr(task.score),
        "duration_s": round(task.duration_s, 1),
        "axes": json.dumps(dict(task.axes)),
        "overrides": shlex.join(task.overrides),
    }


def _yaml(spec: SweepSpec) -> str:
    return yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
