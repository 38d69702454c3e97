"""Runs damaged inputs one by one, each in a process of its own with limits of time and memory, and judges them.

python -m tests.fuzz.runner FOLDER --count 1000 --seed 1     # a line of JSON for each in FOLDER/verdicts.jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

from stcnn.errors import StcnnError
from tests.fuzz import damage
from tests.fuzz.keys import KEYS
from tests.fuzz.samples import KINDS, Kind, Refused

LONGEST_S = 20.0
"""Of a processor: an input takes longer on a machine that is busy with other things."""
LONGEST_WAIT_S = 120.0
"""Of the clock, by which one that waits forever is found."""
LARGEST_BYTES, ROOM_BYTES = 2 * 10**9, 6 * 10**9
ALL = {**KINDS, "keys": KEYS}
TRAINING = ("stcnn.command_line", "stcnn.report.ensemble", "stcnn.training.ensemble", "stcnn.training.held_out")
COMMANDS = ("stcnn.commands.compare", "stcnn.commands.stream", "stcnn.report.import_page", "stcnn.data.audit.checks")
NEEDED: dict[str, tuple[str, ...]] = {
    "import": ("stcnn.data.importers", "stcnn.data.exporters", "stcnn.stimuli.specification"),
    "import_command": COMMANDS,
    "check_command": COMMANDS,
    "store": ("stcnn.data",),
    "checkpoint": ("stcnn.published",),
    "protocol": ("stcnn.stimuli",),
    "run": TRAINING,
    "keys": TRAINING,
}
"""Modules that a kind needs; those of imports where it is not named."""


def preload(kinds: list[str]) -> None:
    """Import what cases need, so that each of them starts at once."""
    needed = {name for kind in kinds for name in NEEDED.get(kind, NEEDED["import"])}
    for name in sorted(needed):
        import_module(name)
    import torch

    torch.set_num_threads(1)


def in_a_process(kind: Kind, folder: Path, rng: random.Random, log: Path) -> dict[str, Any]:
    """Enter a folder in a process of its own; the outcome, its time and its memory."""
    started = time.monotonic()
    answer = log.with_suffix(".json")
    child = os.fork()
    if child == 0:
        _child(kind, folder, rng, log, answer)
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        waited_s = time.monotonic() - started
        if waited_s > LONGEST_WAIT_S or (waited_s > LONGEST_S and _computed_s(child) > LONGEST_S):
            os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            break
        time.sleep(0.005)
    took_s = time.monotonic() - started
    outcome = json.loads(answer.read_text()) if answer.is_file() else {"outcome": f"ended by {status}"}
    if took_s > LONGEST_WAIT_S or usage.ru_utime + usage.ru_stime > LONGEST_S:
        outcome["outcome"] = "hang"
    elif usage.ru_maxrss * 1024 > LARGEST_BYTES:
        outcome["outcome"] = f"memory ({outcome['outcome']})"
    answer.unlink(missing_ok=True)
    return {**outcome, "s": round(took_s, 2), "mb": usage.ru_maxrss // 1024}


def _computed_s(child: int) -> float:
    """Seconds of a processor that a process and those that it waited for have taken."""
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _child(kind: Kind, folder: Path, rng: random.Random, log: Path, answer: Path) -> None:
    with log.open("wb") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM_BYTES, used + ROOM_BYTES))
    outcome: dict[str, Any]
    try:
        outcome = {"outcome": "accepted", "meaning": kind.enter(folder, rng)}
    except StcnnError as error:
        outcome = {"outcome": "sentence", "said": str(error)}
    except Refused as error:
        sys.stderr.flush()
        outcome = {"outcome": "sentence", "said": f"{error}: {log.read_text(errors='replace')[-600:]}"}
    except BaseException:
        outcome = {"outcome": "traceback", "said": traceback.format_exc()}
    if (
        outcome["outcome"] == "sentence"
        and "\n" in outcome["said"].strip().split("Traceback")[0]
        and "Traceback" in outcome["said"]
    ):
        outcome["outcome"] = "traceback"
    answer.write_text(json.dumps(outcome))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def samples(folder: Path, kinds: list[str]) -> dict[str, Any]:
    """Make a whole input of each kind, enter it, and return what it means.

    Raises:
        RuntimeError: a whole input is not accepted.
    """
    meanings = {}
    for name in kinds:
        sample, case = folder / "samples" / name, folder / f"whole_{name}"
        if not sample.is_dir():
            child = os.fork()
            if child == 0:
                try:
                    sample.mkdir(parents=True)
                    ALL[name].make(sample)
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
            if os.waitpid(child, 0)[1]:
                raise RuntimeError(f"the sample of {name} cannot be made")
        if name == "keys":
            continue
        shutil.rmtree(case, ignore_errors=True)
        damage.copied(sample, case)
        found = in_a_process(ALL[name], case, random.Random(2), folder / "log")
        shutil.rmtree(case)
        if found["outcome"] != "accepted":
            raise RuntimeError(f"the whole input {name} is not accepted: {found}")
        meanings[name] = found["meaning"]
    return meanings


def judged(number: int, seed: int, folder: Path, meanings: dict[str, Any], kinds: list[str]) -> dict[str, Any]:
    """Damage an input and judge what becomes of it."""
    rng = random.Random(f"{seed}/{number}")
    name = kinds[number % len(kinds)]
    case = folder / f"case_{number}"
    shutil.rmtree(case, ignore_errors=True)
    damage.copied(folder / "samples" / name, case)
    said = "an odd value" if name == "keys" else damage.damaged(case, rng)
    found = in_a_process(ALL[name], case, rng, folder / "log")
    if name == "keys" and (case / "said.txt").is_file():
        said = (case / "said.txt").read_text()
    if found["outcome"] == "accepted" and ALL[name].summed and "flip" in said and found["meaning"] != meanings[name]:
        found["outcome"] = "accepted with another meaning"
    shutil.rmtree(case, ignore_errors=True)
    return {"number": number, "kind": name, "damage": said, **found}


def run(folder: Path, count: int, seed: int, kinds: list[str], first: int = 0) -> list[dict[str, Any]]:
    """Judge many inputs; all verdicts, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["STCNN_CACHE"] = str(folder / "cache")
    preload(kinds)
    meanings = samples(folder, kinds)
    verdicts = []
    with (folder / "verdicts.jsonl").open("w") as file:
        for number in range(first, first + count):
            verdicts.append(judged(number, seed, folder, meanings, kinds))
            print(damage.as_json(verdicts[-1]), file=file, flush=True)
    return verdicts


def main() -> int:
    """Run from the command line; the status is 1 if an input got neither a sentence nor its meaning."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=sorted(ALL))
    given = parser.parse_args()
    verdicts = run(given.folder.absolute(), given.count, given.seed, given.kinds, given.first)
    for verdict in verdicts:
        if verdict["outcome"] not in ("accepted", "sentence"):
            print(damage.as_json(verdict))
    print(dict(Counter(verdict["outcome"] for verdict in verdicts)))
    return int(any(verdict["outcome"] not in ("accepted", "sentence") for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
