"""Four processes that make runs, files and folders of one name at the same moment; prints what became of them as JSON.

A program of its own, because a process with threads must not fork.
"""

import json
import multiprocessing
import os
import sys
from collections import Counter
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from stcnn.errors import FileError
from stcnn.run_folder import Run
from stcnn.writing import TakenError, atomic_folder, atomic_write

N_PROCESSES, N_ROUNDS = 4, 20


def race(barrier: Barrier, folder: Path, outcomes: "Queue[str]") -> None:
    for number in range(N_ROUNDS):
        barrier.wait()
        try:
            made = Run.create(folder / str(number), "x", {"by": os.getpid()})
            outcomes.put("a run" if made.config() == {"by": os.getpid()} else "a run of another")
            with atomic_write(folder / "one.csv") as draft:
                draft.write_text(f"{os.getpid()}\n" * 2000)
            with atomic_folder(folder / f"folder_{number}") as draft:
                draft.mkdir()
                (draft / "file").write_text("whole")
            outcomes.put("a folder")
        except TakenError:
            outcomes.put("taken")
        except FileError as error:
            outcomes.put(str(error))


def main(folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, outcomes = context.Barrier(N_PROCESSES), context.Queue()
    processes = [context.Process(target=race, args=(barrier, folder, outcomes)) for _ in range(N_PROCESSES)]
    for process in processes:
        process.start()
    found = Counter(outcomes.get(timeout=120) for _ in range(2 * N_PROCESSES * N_ROUNDS))
    for process in processes:
        process.join()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
