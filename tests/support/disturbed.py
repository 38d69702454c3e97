"""Kills what stcnn writes at random moments, lets it go on, and compares with what it writes undisturbed.

    python -m tests.support.disturbed --moments 200 --seed 1 [--only train report]

Each try is a process of its own, forked from this one so that nothing is imported again. Half of the moments are
points in time; the other half are calls of the system by which files are made, moved and taken away, since a moment
between two of them is short. A program of its own, because a process with threads must not fork.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import yaml

from stcnn.data import open_store, write_store
from stcnn.data.exporters import export_nwb, export_published
from stcnn.data.importers import open_import, read_import_config
from stcnn.data.store import provenance
from stcnn.nn.kernels.native import compile as native
from stcnn.report import write_report
from stcnn.run_folder import Run, open_run
from stcnn.simulation import SimulatedDataConfig, cached_simulation
from stcnn.stimuli.specification import specified_movie
from stcnn.training.fit import train
from stcnn.writing.drafts import PREFIX
from tests.support.made_up_data import dataset, write_published
from tests.support.made_up_training import recipe

Facts = dict[str, Any]
STIMULI = {
    "dot": {"kind": "moving_rectangle", "height_deg": 4.5, "width_deg": 4.5, "timing": {"before_s": 0.2}},
    "loom": {"kind": "looming_disc", "edge_speed_deg_s": 100, "timing": {"before_s": 0.2, "after_s": 0.2}},
}


class Task(NamedTuple):
    """Something that writes.

    Args:
        weight: share of the moments.
        run: writes to a folder, given one with inputs, or goes on with what is there, as a user would.
        facts: what it wrote, to compare.
    """

    weight: int
    run: Callable[[Path, Path], None]
    facts: Callable[[Path], Facts]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def files(folder: Path) -> list[str]:
    """Names of the files that a user sees."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))


def hashes(folder: Path) -> Facts:
    return {name: sha256((folder / name).read_bytes()) for name in files(folder)}


def seen(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def train_or_resume(inputs: Path, place: Path) -> None:
    begun = seen(place / "runs")
    run = open_run(begun[0]) if begun else Run.create(place / "runs", "killed", {"a": 1})
    train(open_store(inputs / "set.zarr"), recipe(epochs=2), run, resume=bool(begun))


def trained(place: Path) -> Facts:
    (path,) = seen(place / "runs")
    run = open_run(path)
    weights = {
        f"epoch {epoch}": sha256(b"".join(value.numpy().tobytes() for value in run.checkpoint_weights(epoch).values()))
        for epoch in run.checkpoints()
    }
    same = ("losses.csv", "scores.csv", "split.json", "model.json", "model.safetensors", "test_scores.csv")
    contents = {name: sha256((path / name).read_bytes()) for name in same}
    return {"files": files(path), **weights, **contents, "config": run.config()}


def import_once(inputs: Path, place: Path) -> None:
    if not (place / "set.zarr").exists():
        config = read_import_config(inputs / "import.yaml")
        write_store(open_import(config, specified_movie), place / "set.zarr", provenance={"lab": "here"})


def imported(place: Path) -> Facts:
    data = open_store(place / "set.zarr")
    n_samples = sum(len(recording.trace) for recording in data.recordings)
    facts = {"seen": [path.name for path in seen(place)], "samples": n_samples, "said": provenance(place / "set.zarr")}
    return {**facts, "hash": data.content_hash(), **hashes(place / "set.zarr")}


def overwrite(inputs: Path, place: Path) -> None:
    """Replace a store; whichever of the two is there is whole."""
    if not (place / "set.zarr").exists():
        shutil.copytree(inputs / "other.zarr", place / f".copy-{os.getpid()}").rename(place / "set.zarr")
    else:
        assert open_store(place / "set.zarr").content_hash()
    write_store(open_store(inputs / "set.zarr"), place / "set.zarr", provenance={"lab": "here"}, overwrite=True)


def simulate(inputs: Path, place: Path) -> None:
    cached_simulation(SimulatedDataConfig(stimuli=STIMULI, n_animals=1), place)


def simulated(place: Path) -> Facts:
    (file,) = seen(place)
    with np.load(file, allow_pickle=False) as arrays:
        return {"file": file.name, **{name: sha256(arrays[name].tobytes()) for name in arrays.files}}


def to_nwb(inputs: Path, place: Path) -> None:
    if not (place / "nwb").exists():
        export_nwb(open_store(inputs / "set.zarr"), place / "nwb")


def nwb(place: Path) -> Facts:
    facts: Facts = {"files": files(place)}
    for name in facts["files"]:
        with h5py.File(place / name) as file:
            numbers: list[tuple[str, str]] = []
            file.visititems(
                lambda path, node, found=numbers: (
                    found.append((path, sha256(node[()].tobytes())))
                    if isinstance(node, h5py.Dataset) and node.dtype.kind in "fiu"
                    else None
                )
            )
            facts[name] = sorted(numbers)
    return facts


def to_published(inputs: Path, place: Path) -> None:
    if not (place / "published").exists():
        export_published(open_store(inputs / "single.zarr"), place / "published")


CODE = native.Geometry.of((5, 5), (2, 2, 3, 3))


def compile_layer(inputs: Path, place: Path) -> None:
    os.environ["STCNN_CACHE"] = str(place)
    native.library(CODE)


def compiled(place: Path) -> Facts:
    (file,) = seen(place / "native")
    ctypes.CDLL(str(file))
    return {"file": file.name, "bytes": sha256(file.read_bytes())}


def report(inputs: Path, place: Path) -> None:
    if not (place / "run").exists():  # the copy is not what is tried here
        shutil.copytree(inputs / "run", place / f".copy-{os.getpid()}").rename(place / "run")
    write_report(Run(place / "run"), open_store(inputs / "set.zarr"), recipe().batching)


def reported(place: Path) -> Facts:
    names = ("loss.png", "predictions.png", "losses.csv", "model.safetensors")
    written = {name: sha256((place / "run" / name).read_bytes()) for name in names}
    page = (place / "run" / "report.html").read_text()
    return {"files": files(place / "run"), **written, "page": page.rstrip().endswith("</html>")}


TASKS = {
    "train": Task(8, train_or_resume, trained),
    "import": Task(3, import_once, imported),
    "overwrite": Task(2, overwrite, imported),
    "simulate": Task(2, simulate, simulated),
    "nwb": Task(1, to_nwb, nwb),
    "published": Task(1, to_published, hashes),
    "compile": Task(1, compile_layer, compiled),
    "report": Task(2, report, reported),
}


def prepare(inputs: Path, with_run: bool = True) -> None:
    """Make what the tasks read; the report alone needs a run."""
    write_published(inputs)
    config = {"kind": "published", "ca_path": "ca", "mov_path": "mov", "rate_hz": 60, "background": 0.5}
    (inputs / "import.yaml").write_text(yaml.safe_dump(config))
    write_store(dataset(), inputs / "set.zarr")
    write_store(dataset(1), inputs / "other.zarr")
    write_store(open_import(read_import_config(inputs / "import.yaml"), specified_movie), inputs / "single.zarr")
    if not with_run:
        return
    run = Run.create(inputs, "finished", {"a": 1})
    train(open_store(inputs / "set.zarr"), recipe(epochs=1), run)
    run.path.rename(inputs / "run")


def in_a_child(work: Callable[[], Any], said: Path, after_s: float | None = None) -> tuple[Any, bool]:
    """Run something in a fork of this process; return what it gave, and whether it was killed.

    Raises:
        RuntimeError: it ended with an exception, which is in the message.
    """
    said.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        try:
            with open(os.devnull, "w") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            said.write_text(json.dumps(work()))
            os._exit(0)
        except BaseException:
            said.write_text(traceback.format_exc())
            os._exit(1)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return None, True
    if os.WEXITSTATUS(status):
        raise RuntimeError(said.read_text())
    return json.loads(said.read_text()), False


WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CALLS = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.truncate", "os.link"}


def watched(work: Callable[[], Any], place: Path, kill_at: int | None = None) -> Callable[[], int]:
    """Count the calls by which files under ``place`` are made or moved, and end the process before one of them."""

    def run() -> int:
        count = 0

        def on_event(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal count
            writes = event in CALLS or (event == "open" and bool((arguments[2] or 0) & WRITING))
            if writes and str(place) in str(arguments[0]):
                count += 1
                if count == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(on_event)
        work()
        return count

    return run


def drafts(place: Path) -> list[str]:
    """Drafts that hold something."""
    found = (path for path in place.rglob(f"{PREFIX}*") if any(path.iterdir()))
    return [path.relative_to(place).as_posix() for path in found]


class Undisturbed(NamedTuple):
    """What a task does when it is left alone."""

    facts: Facts
    duration_s: float
    n_calls: int


class Disturber:
    """Kills tasks at random moments.

    Args:
        folder: for everything.
        seed: of the moments.
        with_run: make what the report needs.
    """

    def __init__(self, folder: Path, seed: int, with_run: bool) -> None:
        self.folder, self.inputs, self.said = folder, folder / "inputs", folder / "said"
        self.random = random.Random(seed)
        self.inputs.mkdir()
        in_a_child(lambda: prepare(self.inputs, with_run), self.said)
        self.undisturbed: dict[str, Undisturbed] = {}

    def place(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))

    def alone(self, name: str) -> Undisturbed:
        """The undisturbed task; twice, since what is not the same then cannot be compared."""
        if name not in self.undisturbed:
            both = []
            for _ in range(2):
                place = self.place()
                begun_s = time.monotonic()
                n_calls, _ = in_a_child(watched(partial(TASKS[name].run, self.inputs, place), place), self.said)
                duration_s = time.monotonic() - begun_s
                facts, _ = in_a_child(partial(TASKS[name].facts, place), self.said)
                both.append(Undisturbed(facts, duration_s, n_calls))
                shutil.rmtree(place)
            differ = [key for key in both[0].facts if both[0].facts[key] != both[1].facts.get(key)]
            assert not differ, f"{name} is not the same twice: {differ}"
            self.undisturbed[name] = both[1]
        return self.undisturbed[name]

    def kill_once(self, name: str) -> tuple[str, str]:
        """Kill a task at a random moment and let it go on; return the moment and what went wrong, if anything did."""
        alone, task, place = self.alone(name), TASKS[name], self.place()
        run: Callable[[], Any] = lambda: task.run(self.inputs, place)  # noqa: E731
        if self.random.random() < 0.5:
            after_s = self.random.uniform(0, alone.duration_s)
            moment = f"after {after_s:.3f} s"
            _, killed = in_a_child(run, self.said, after_s)
        else:
            number = self.random.randint(1, alone.n_calls)
            moment = f"before call {number} of {alone.n_calls}"
            _, killed = in_a_child(watched(run, place, number), self.said)
        moment += "" if killed else " (it had ended)"
        try:
            in_a_child(run, self.said)
            facts, _ = in_a_child(lambda: task.facts(place), self.said)
        except RuntimeError as error:
            return moment, str(error)
        differ = [key for key in alone.facts.keys() | facts.keys() if alone.facts.get(key) != facts.get(key)]
        left = drafts(place)
        shutil.rmtree(place)
        return moment, f"{differ} differ" if differ else f"{left} are left" if left else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    chosen = parser.parse_args()
    held, killed, faults = Counter[str](), Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        disturber = Disturber(Path(folder), chosen.seed, "report" in chosen.only)
        names = disturber.random.choices(chosen.only, [TASKS[n].weight for n in chosen.only], k=chosen.moments)
        for number, name in enumerate(names, 1):
            moment, fault = disturber.kill_once(name)
            held[name] += not fault
            killed[name] += "it had ended" not in moment
            faults += bool(fault)
            if fault:
                print(f"{number}. {name} killed {moment}: {fault}", flush=True)
            elif number % 20 == 0:
                print(f"{number} of {len(names)}", flush=True)
    for name in chosen.only:
        print(f"{name}: {held[name]} of {names.count(name)} held, {killed[name]} of them were killed in time")
    print(f"{sum(held.values())} of {len(names)} held, seed {chosen.seed}")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
