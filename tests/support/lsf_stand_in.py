"""A stand-in for LSF, not LSF: ``bsub`` and ``bjobs`` that run the tasks of an array here, one after the other.

It knows what our script uses: ``-J NAME[1-N]``, ``-Q`` (exit statuses that are requeued), ``LSB_JOBINDEX`` and the
output of ``bjobs -noheader -o "jobindex stat"``. That LSF reads the other options as meant is not shown by it.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

NAMES = ("bsub", "bjobs")


def install(folder: Path) -> None:
    """Put both commands into a folder; it belongs first on PATH, and LSF_STAND_IN names a folder for their files."""
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {name} "$@"\n')
        (folder / name).chmod(0o755)


def bsub(state: Path) -> None:
    text = sys.stdin.read()
    number = len(list(state.glob("*.sh"))) + 1
    (state / f"{number}.sh").write_text(text)
    found = re.search(r'^#BSUB -J "[^"]*\[1-(\d+)\]', text, re.MULTILINE)
    n_tasks = int(found[1]) if found else 0
    for index in range(1, n_tasks + 1):
        (state / f"{number}.{index}").write_text("PEND")
    command = [sys.executable, __file__, "dispatch", str(number)]
    null = subprocess.DEVNULL
    subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
    print(f"Job <{number}> is submitted to default queue <normal>.")


def dispatch(state: Path, number: str) -> None:
    text = (state / f"{number}.sh").read_text()
    requeued = re.search(r'^#BSUB -Q "([\d ]+)"', text, re.MULTILINE)
    codes = [int(code) for code in requeued[1].split()] if requeued else []
    tasks = sorted(state.glob(f"{number}.[0-9]*"), key=lambda path: int(path.suffix[1:]))
    for task in tasks:
        code = codes[0]
        while code in codes:
            process = subprocess.Popen(["bash", str(state / f"{number}.sh")], env=environment(task.suffix[1:]))
            task.write_text(f"RUN {process.pid}")
            code = process.wait()
            task.write_text("PEND")
        task.write_text("DONE" if code == 0 else "EXIT")


def environment(index: str) -> dict[str, str]:
    return {**os.environ, "LSB_JOBINDEX": index}


def bjobs(state: Path, number: str) -> None:
    for task in state.glob(f"{number}.[0-9]*"):
        print(task.suffix[1:], (task.read_text() or "RUN").split()[0])


if __name__ == "__main__":
    folder = Path(os.environ["LSF_STAND_IN"])
    match sys.argv[1]:
        case "bsub":
            bsub(folder)
        case "dispatch":
            time.sleep(0.2)
            dispatch(folder, sys.argv[2])
        case "bjobs":
            bjobs(folder, sys.argv[-1])
