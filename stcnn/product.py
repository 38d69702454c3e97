"""Commands as functions: train, open, ask, score, simulate; the names that ``import stcnn`` offers.

The commands call these, so both do the same.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from stcnn.addresses import located
from stcnn.asked_run import Part, Run
from stcnn.config import Config, compose, resumed, validate
from stcnn.data.dataset import Dataset
from stcnn.errors import ConfigError, FileError, StcnnError
from stcnn.folders import experiments_folder, run_folders
from stcnn.hub.folder import is_hub_folder, require_whole
from stcnn.ranks import joined, ranks, said_by_the_first
from stcnn.run_folder import Run as RunFolder
from stcnn.run_folder import open_run as open_run_folder
from stcnn.tracking import follow, require_installed
from stcnn.validation import Fault, validated

if TYPE_CHECKING:
    from stcnn.comparison import Comparison
    from stcnn.simulation import SimulatedDataConfig, Simulation


def open_run(path: str | Path) -> Run:
    """Open a run folder; ``open_run(path).model()`` is its trained model.

    A folder that was handed on (see :func:`from_pretrained`) is opened when it is whole.

    Raises:
        FileError: the folder is missing, is not a run, or is damaged.
    """
    if is_hub_folder(Path(path).expanduser()):
        require_whole(Path(path).expanduser())
    return Run(open_run_folder(path).path)


def from_pretrained(name: str | Path, revision: str | None = None) -> Run:
    """Open a model that was handed on, as ``stcnn export --as hub`` writes it.

    Args:
        name: its folder, or ``owner/name`` on the Hugging Face Hub (needs the package ``huggingface_hub``).
        revision: of the latter; None is the newest.

    Raises:
        FileError: there is no such folder or name, or it is foreign or damaged.
    """
    from stcnn.hub.opening import hub_folder

    return open_run(hub_folder(name, revision))


def example_run() -> Run:
    """Open the run that comes with the package: a default training on simulated recordings, to try things on.

    ``docs/make_example.py`` made it; its card (``README.md`` in its folder) says how well it does.
    """
    return open_run(Path(__file__).parent / "example")


def runs(folder: str | Path | None = None) -> list[Run]:
    """Return the runs in a folder, the oldest first by the date in their names.

    Args:
        folder: of the run folders; None is where a training puts them.
    """
    parent = experiments_folder() if folder is None else Path(folder).expanduser()
    return [Run(path) for path in run_folders(parent)]


def latest_run(folder: str | Path | None = None) -> Run:
    """Return the newest run in a folder; ``folder`` as of :func:`runs`.

    Raises:
        FileError: there is none.
    """
    found = runs(folder)
    if not found:
        where = experiments_folder() if folder is None else folder
        raise FileError(f"there is no run in {where}", remedy="train one with stcnn.train(), or name another folder")
    return found[-1]


def train(*overrides: str) -> Run:
    """Train as ``python train.py`` does and return the run, which is also printed with its scores.

    Args:
        overrides: as on the command line, for instance ``"dataset=store"``, ``"dataset.path=mine.zarr"``.

    Raises:
        StcnnError: a key, the recordings or the training cannot be used as they are.
    """
    return run_training(compose(overrides), overrides)


def run_training(config: Config, overrides: Sequence[str]) -> Run:
    """Train as configured, or go on with a run, which accepts few of the overrides, and print a summary.

    Several processes that train together all call this; the first one writes the run and prints.
    """
    deadline_s = None if config.time_limit_s is None else time.monotonic() + config.time_limit_s
    begun = None
    if isinstance(config.resume, Path):
        config, begun = resumed(config.resume, overrides)
    elif config.resume == "auto":
        begun = config.begun()
        if begun is not None and begun.is_finished() and not (config.report and _lacks_report(begun)):
            print(f"finished before: {begun.path}")
            return Run(begun.path)
    require_installed(config.tracking)
    how = config.training
    command = [sys.executable, "-m", "stcnn.cli", "train", *overrides]
    with joined(how.devices, how.nodes, how.device != "cpu" and torch.cuda.is_available(), command):
        return _run_training(config, begun, deadline_s)


def _run_training(config: Config, begun: RunFolder | None, deadline_s: float | None) -> Run:
    dataset = config.open_dataset()
    if config.training.devices * config.training.nodes > 1:
        return _trained_together(dataset, config, begun, deadline_s)
    from stcnn.training.ensemble import train_members  # Lightning takes seconds that --help need not wait for
    from stcnn.training.fit import train as fit

    run = begun or config.new_run()
    resume = begun is not None
    if config.n_models == 1:
        follow.start(run.path, config.tracking)
        fit(dataset, config, run, resume=resume, deadline_s=deadline_s)
        _tell(run, dataset, config)
    else:
        for member in train_members(dataset, config, run, config.n_models, resume, deadline_s):
            _tell(member, dataset, config)
        if config.report:
            from stcnn.explorer.of_run import page_beside
            from stcnn.report.ensemble import write_ensemble_report

            page_beside(run, dataset)
            print(write_ensemble_report(run, dataset, config))
    return Run(run.path)


def _trained_together(dataset: Dataset, config: Config, begun: RunFolder | None, deadline_s: float | None) -> Run:
    """Train with other processes, which follow what the first one makes or finds."""
    from stcnn.training.callbacks import TrainingStopped
    from stcnn.training.fit import train as fit

    run = (begun or config.new_run()) if ranks().is_first else None
    told = said_by_the_first("" if run is None else f"{begun is not None} {run.path}")
    resume, _, path = told.partition(" ")
    run = run or RunFolder(Path(path))
    if ranks().is_first:
        follow.start(run.path, config.tracking)
    try:
        fit(dataset, config, run, resume=resume == "True", deadline_s=deadline_s)
    except TrainingStopped as stopped:
        if ranks().is_first:
            raise
        raise SystemExit(stopped.exit_code) from stopped  # the first process says it
    if ranks().is_first:
        _tell(run, dataset, config)
    return Run(run.path)


def _lacks_report(run: RunFolder) -> bool:
    return not (run.path / "report.html").is_file()


def _tell(run: RunFolder, dataset: Dataset, config: Config) -> None:
    """Print what came of a training, with its report if that is wanted."""
    from stcnn.explorer.of_run import page_beside
    from stcnn.report import report_or_reason

    if config.report and config.n_models == 1:
        page_beside(run, dataset)
    print(report_or_reason(run, dataset, config.batching, config.bounds) if config.report else str(run.path))


def explore(runs: Sequence[RunFolder | str | Path], to: str | Path | None = None) -> Path:
    """Write one HTML file in which a browser computes what the models answer; return where it is.

    Args:
        runs: run folders; an ensemble answers by the mean of its members.
        to: file to write; None is ``explore.html`` in the first run.

    Raises:
        StcnnError: a run cannot be opened, its frame rate is not known, or its core is not made of hidden layers.
    """
    from stcnn.explorer.of_run import PAGE, explored
    from stcnn.explorer.page import write_page

    opened = [run if isinstance(run, RunFolder) else open_run(run) for run in runs]
    path = opened[0].path / PAGE if to is None else Path(to).expanduser()
    return write_page([explored(run, _recordings_at_hand(run)) for run in opened], path)


def _recordings_at_hand(run: RunFolder) -> Dataset | None:
    """The recordings of a run; None where they cannot be had, which is said."""
    try:
        return validate(run.config()).open_dataset()
    except StcnnError as error:
        warnings.warn(f"{run.path.name} goes without its recordings: {error}", stacklevel=3)
        return None


def compare(
    runs: Sequence[RunFolder | str | Path],
    baselines: str = "",
    part: Part = "validation",
    *,
    score: str = "",
    folder: str | Path | None = None,
    again: bool = False,
) -> Comparison:
    """Set runs side by side on the recordings that they hold out, as ``stcnn compare`` does.

    Args:
        runs: run folders; the others are held against the first.
        baselines: simple models that are fitted and compared too: ``"all"``, or names with commas between them.
        part: which recordings.
        score: the score that is drawn; the table has all of them.
        folder: to write tables and figures to; None is one in the first run.
        again: evaluate the test set again; every look is recorded.

    Returns:
        The comparison: its ``table``, and what was ``left_out``.

    Raises:
        StcnnError: a run, a name or the folder cannot be used, or the runs do not hold out the same recordings.
    """
    from stcnn.baselines import named
    from stcnn.comparison import Comparison

    wanted = named(baselines) if baselines else []
    opened = [run if isinstance(run, RunFolder) else open_run_folder(run) for run in runs]
    where = None if folder is None else Path(folder).expanduser()
    found = Comparison.of_runs(opened, part, score=score, folder=where, again=again)
    for _ in found.fit(wanted):
        pass
    return found


def open_recordings(path: str | Path) -> Dataset:
    """Open a store (``NAME.zarr``), or what the YAML of an import describes.

    Raises:
        StcnnError: neither can be opened.
    """
    from stcnn.data import open_store
    from stcnn.data.importers import open_import, read_import_config
    from stcnn.stimuli.specification import specified_movie

    path = located(path).expanduser()
    if path.suffix.lower() in (".yaml", ".yml"):
        return open_import(read_import_config(path), specified_movie)
    return open_store(path)


def simulate(to: str | Path, **keys: Any) -> Simulation:
    """Simulate recordings with a known truth and write them into a folder, as ``stcnn simulate`` does.

    Args:
        to: folder to make.
        keys: fields of :class:`stcnn.simulation.SimulatedDataConfig`.

    Returns:
        Recordings and truth.

    Raises:
        ConfigError: a key is unknown or out of range.
        FileError: the folder is there already, or cannot be made.
    """
    from stcnn.simulation import simulate as run
    from stcnn.simulation.folder import write_simulation

    simulation = run(_simulation_config(keys))
    write_simulation(simulation, Path(to).expanduser())
    return simulation


def _simulation_config(keys: Mapping[str, Any]) -> SimulatedDataConfig:
    from stcnn.simulation import SimulatedDataConfig

    def explained(fault: Fault) -> ConfigError:
        if fault.is_unknown:
            return ConfigError(f"a simulation has no key '{fault.key}'", remedy=fault.nearest(SimulatedDataConfig))
        return ConfigError(f"key '{fault.key or 'simulation'}' of the simulation: {fault.message}")

    return validated(SimulatedDataConfig, keys, explained)
