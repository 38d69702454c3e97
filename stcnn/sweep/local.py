"""Tasks on this machine: a pool of processes, each one ``stcnn train``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType

from stcnn.errors import FileError
from stcnn.stop_signals import SIGNALS, given_back, may_be_taken
from stcnn.sweep.folder import Sweep, Task
from stcnn.sweep.spec import Local
from stcnn.writing import locked

LOOK_S = 0.05
"""Seconds between two looks at the processes."""
ASK_S = 1.0
"""Seconds between two questions whether a run is to be given up."""
ON_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class _Running:
    """A process that trains."""

    task: Task
    process: subprocess.Popen[bytes]
    place: int
    """Which place of the pool it has."""
    started_s: float
    held: ExitStack
    """What is given back when it ends."""
    given_up: bool = False


@dataclass
class Pool:
    """The processes that train the tasks of a sweep on this machine.

    Args:
        sweep: the tasks are of.
        where: how many there are at once, and what each has.
        tell: is told of every task that ended, with its exit status.
        give_up: asked now and then whether a task that runs is to be ended.
    """

    sweep: Sweep
    where: Local
    tell: Callable[[Task, int], None]
    give_up: Callable[[Task], bool] | None = None
    running: list[_Running] = field(default_factory=list)
    received: int | None = None
    """Signal that came from outside."""

    @property
    def n_places(self) -> int:
        """Runs at the same time."""
        return self.where.at_once or max(1, _n_cores() // self.where.threads)

    def run(self, tasks: Iterable[Task]) -> int | None:
        """Train tasks and wait for their end; one that another process has taken is passed over.

        Args:
            tasks: each is asked for when there is a place for it.

        Returns:
            The signal that stopped the pool, whose runs then left checkpoints; None if all ended by themselves.
        """
        waiting = iter(tasks)
        looked_s = time.monotonic()
        with self._listening():
            while True:
                while self.received is None and len(self.running) < self.n_places:
                    task = next(waiting, None)
                    if task is None:
                        break
                    self._begin(task)
                if not self.running:
                    return self.received
                time.sleep(LOOK_S)
                for one in [one for one in self.running if one.process.poll() is not None]:
                    self._end(one)
                if time.monotonic() - looked_s > ASK_S:
                    self._give_up()
                    looked_s = time.monotonic()

    def _give_up(self) -> None:
        for one in self.running:
            if self.give_up is not None and not one.given_up and self.give_up(one.task):
                one.given_up = True
                one.process.send_signal(signal.SIGTERM)

    def _begin(self, task: Task) -> None:
        held = ExitStack()
        try:
            held.enter_context(locked(self.sweep.task_folder(task), "task", "runs"))
        except FileError:
            return  # another process took it first
        with held:
            log = held.enter_context((self.sweep.task_folder(task) / "log.txt").open("ab"))
            place = min(set(range(self.n_places)) - {one.place for one in self.running})
            self._note(task, "begun")
            process = subprocess.Popen(
                [sys.executable, "-m", "stcnn.cli", "train", *task.overrides],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(place),
                start_new_session=True,  # Ctrl-C comes to it once, from here
            )
            self.running.append(_Running(task, process, place, time.monotonic(), held.pop_all()))

    def _environment(self, place: int) -> dict[str, str]:
        own = dict.fromkeys(ON_THREADS, str(self.where.threads))
        if self.where.gpus:
            own["CUDA_VISIBLE_DEVICES"] = str(place % self.where.gpus)
        return {**os.environ, **own}

    def _end(self, one: _Running) -> None:
        self.running.remove(one)
        code = one.process.returncode
        status = 128 - code if code < 0 else code  # as a shell reports a signal
        self._note(one.task, f"{status} {time.monotonic() - one.started_s:.1f}")
        one.held.close()
        self.tell(one.task, status)

    def _note(self, task: Task, line: str) -> None:
        with (self.sweep.task_folder(task) / "attempts.txt").open("a") as file:
            file.write(f"{line}\n")

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Hand signals on to the runs, which leave their checkpoints; only the main thread may take them."""
        with given_back():
            for number in SIGNALS if may_be_taken() else ():
                signal.signal(number, self._stop)
            yield

    def _stop(self, number: int, frame: FrameType | None) -> None:
        again = self.received is not None
        self.received = number
        for one in self.running:
            one.process.send_signal(signal.SIGKILL if again and number == signal.SIGINT else signal.SIGTERM)


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
