"""Tasks as job arrays of a scheduler: the script, its submission, and what the scheduler has of them now."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from stcnn.errors import FileError, StcnnError
from stcnn.overrides import CONF
from stcnn.reading import read_json, read_text
from stcnn.sweep.folder import State, Sweep, Task
from stcnn.sweep.spec import Lsf, Slurm
from stcnn.writing import atomic_files

TEMPLATES = CONF / "cluster"
MOST_IN_AN_ARRAY = 1000
"""Slurm's MaxArraySize is 1001 unless a cluster says otherwise."""
ANSWER_S = 60
"""Seconds in which a scheduler must answer."""


class ClusterError(StcnnError):
    """A scheduler does not answer or does not take a job."""


@dataclass(frozen=True)
class Engine:
    """How one asks a scheduler.

    Args:
        submit: command that reads a script.
        number: finds the number of the job in its answer.
        ask: command that lists the tasks of a job that are not done, as ``INDEX STATE``, from its number.
        running: states of a task that has begun.
    """

    submit: tuple[str, ...]
    number: re.Pattern[str]
    ask: Callable[[str], tuple[str, ...]]
    running: frozenset[str]


ENGINES = {
    "slurm": Engine(
        ("sbatch", "--parsable"),
        re.compile(r"^(\d+)"),
        lambda job: ("squeue", "--noheader", "--array", f"--jobs={job}", "--format=%K %T"),
        frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "CONFIGURING"}),
    ),
    "lsf": Engine(
        ("bsub",),
        re.compile(r"Job <(\d+)>"),
        lambda job: ("bjobs", "-noheader", "-o", "jobindex stat", job),
        frozenset({"RUN", "USUSP", "SSUSP", "PROV"}),
    ),
}
DONE = frozenset({"DONE", "EXIT", "COMPLETED", "FAILED", "CANCELLED"})
"""States of tasks that a scheduler still names although it is done with them."""


def script(sweep: Sweep, job: Path, n_tasks: int) -> str:
    """Return the script of a job array.

    Args:
        sweep: whose ``where`` names the scheduler and the resources.
        job: folder of the job, with its ``tasks.txt``.
        n_tasks: in the array.

    Raises:
        FileError: the template cannot be read, or has words that are none of ours.
    """
    where = sweep.spec.where
    assert isinstance(where, Slurm | Lsf)
    loader = jinja2.FileSystemLoader(TEMPLATES)
    made = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    path = where.template or TEMPLATES / f"{where.kind}.sh"
    text = read_text(path, "the template of a job")
    words = {
        **where.model_dump(),
        "name": sweep.spec.name,
        "n_tasks": n_tasks,
        "memory_mb": round(where.memory_gb * 1000),
        "here": shlex.quote(str(Path.cwd())),
        "python": shlex.quote(sys.executable),
        "folder": shlex.quote(str(sweep.path)),
        "job": shlex.quote(str(job)),
        "job_log": str(job),
    }
    try:
        return made.from_string(text).render(words)
    except jinja2.TemplateError as error:
        raise FileError(f"{path} cannot be filled in ({error})", expected="the template of a job") from error


def submit(sweep: Sweep, tasks: Sequence[Task]) -> list[str]:
    """Give tasks to the scheduler, as one array for every 1,000 of them, and return the numbers of the jobs.

    Raises:
        ClusterError: it does not take them.
    """
    return [_submit(sweep, tasks[i : i + MOST_IN_AN_ARRAY]) for i in range(0, len(tasks), MOST_IN_AN_ARRAY)]


def _submit(sweep: Sweep, tasks: Sequence[Task]) -> str:
    kind = sweep.spec.where.kind
    engine = ENGINES[kind]
    number = max((int(path.name) for path in (sweep.path / "jobs").glob("[0-9]*")), default=0) + 1
    job = sweep.path / "jobs" / f"{number:04d}"
    text = script(sweep, job, len(tasks))
    with atomic_files(job) as draft:
        (draft / "job.sh").write_text(text)
        (draft / "tasks.txt").write_text("".join(f"{task.folder_name}\n" for task in tasks))
    try:
        answer = _asked(engine.submit, text)
        found = engine.number.search(answer)
        if found is None:
            raise ClusterError(f"{engine.submit[0]} answered '{answer.strip()}'", expected="the number of a job")
    except ClusterError:
        shutil.rmtree(job)
        raise
    facts = {"kind": kind, "job": found[1], "tasks": [task.number for task in tasks]}
    with atomic_files(job) as draft:
        (draft / "job.json").write_text(json.dumps(facts))
    return found[1]


def queue(sweep: Sweep) -> dict[int, State]:
    """Return the state of every task of a sweep that a scheduler has, queued or running.

    Raises:
        ClusterError: the scheduler does not answer.
    """
    found: dict[int, State] = {}
    for path in sorted((sweep.path / "jobs").glob("*/job.json")):
        facts = read_json(path, "a job of a sweep")
        found |= _of_job(facts)
    return found


def _of_job(facts: Mapping[str, object]) -> dict[int, State]:
    engine = ENGINES[str(facts["kind"])]
    numbers = facts["tasks"]
    assert isinstance(numbers, list)
    try:
        answer = _asked(engine.ask(str(facts["job"])))
    except ClusterError as error:
        if re.search("[Ii]nvalid job id|not found", str(error)):
            return {}  # done with long ago
        raise
    rows = [line.split() for line in answer.splitlines()]
    states = {int(row[0]): row[1] for row in rows if len(row) == 2 and row[0].isdecimal() and row[1] not in DONE}
    return {
        numbers[index - 1]: "running" if state in engine.running else "queued"
        for index, state in states.items()
        if 1 <= index <= len(numbers)
    }


def _asked(command: Sequence[str], text: str = "") -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except FileNotFoundError as error:
        found = f"there is no {command[0]} on this machine"
        raise ClusterError(found, remedy="go to a machine that submits jobs, or choose where: {kind: local}") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{command[0]} did not answer within {ANSWER_S} s", remedy="try again later") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
        raise ClusterError(f"{command[0]} refused: {said}")
    return done.stdout
