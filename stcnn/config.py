"""The configuration of a training: composed by Hydra from ``conf/``, judged here by pydantic.

Every key of the YAML files is a field of a config class, letter for letter, in the file of what it configures. A key
that is misspelt or a value out of range is reported with its full path before any data are read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra import main as hydra_main
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from stcnn.config_faults import explained
from stcnn.data.dataset import Dataset
from stcnn.data.published import PublishedDataConfig
from stcnn.data.store import StoreDataConfig
from stcnn.errors import ConfigError
from stcnn.folders import CHECKOUT, experiments_folder
from stcnn.hydra_versions import BASE, register_resolver
from stcnn.key_paths import numbers, places
from stcnn.overrides import CONF, explaining_hydra, of_cell_type, plain, require_no_foreign_option, with_prefix
from stcnn.pooled_data import PooledDataConfig, open_set, with_absolute_paths
from stcnn.reading import core_value
from stcnn.run_folder import Run, folder_name, open_run
from stcnn.simulation import SimulatedDataConfig
from stcnn.tracking import TrackerName
from stcnn.training.from_weights import network_of, require_same_cell_type, require_same_network
from stcnn.training.recipe import Recipe
from stcnn.training.teacher import finished_run
from stcnn.training.weights_files import read_weights
from stcnn.validation import validated

register_resolver("checkout", lambda: str(CHECKOUT))

LENGTHS = ("training.epochs", "training.steps")
"""Keys that may be given anew to a training that goes on."""
OF_THE_CALL = ("resume", "time_limit_s", "report", "tracking")
"""Keys that say how a training is run and are no part of what it is; they may be given anew whenever it goes on."""
LARGEST = 1e9
"""No number of a configuration is larger; what one was slipped into is told before memory is taken for it."""
LARGEST_SEED = 2.0**64

DatasetConfig = Annotated[
    SimulatedDataConfig | PublishedDataConfig | StoreDataConfig | PooledDataConfig, Field(discriminator="kind")
]


class Config(Recipe):
    """Everything a training is made of: ``conf/config.yaml`` with a choice of ``conf/dataset`` and ``conf/model``."""

    dataset: DatasetConfig
    name: str = "run"
    """Part of the name of the run folder."""
    n_models: PositiveInt = 1
    """Models to train one after the other with the seeds ``seed``, ``seed + 1``, ...: an ensemble in one run folder."""
    experiments_dir: Path | None = None
    """Folder of the run folders; None is ``experiments/`` beside the package, or here if the package is installed."""
    resume: Literal["auto"] | Path | None = None
    """Run folder whose training goes on, with its own configuration; only its length may be given with it. ``auto``
    gives the run a name that follows from its configuration, by which the same command finds it again: it begins, goes
    on, or says that the training is finished."""
    time_limit_s: PositiveFloat | None = None
    """Seconds after which the training leaves a checkpoint and ends with exit status 75, counted from when the
    recordings are read; leave room for a step, a validation and a checkpoint. None is no limit."""
    report: bool = True
    """Write the report and its pictures when the training is finished; ``stcnn report`` writes them later."""

    tracking: TrackerName = "none"
    """Tracker that shows losses and scores while the training runs, from a process of its own
    (:mod:`stcnn.tracking`)."""

    @model_validator(mode="after")
    def _is_one_model(self) -> Self:
        if self.n_models > 1 and self.training.devices * self.training.nodes > 1:
            raise ValueError(
                f"n_models is {self.n_models}, and several processes train one model together (training.devices, "
                "training.nodes): train the models as a sweep of seeds"
            )
        return self

    @field_validator("dataset")
    @classmethod
    def _absolute_paths(cls, dataset: DatasetConfig) -> DatasetConfig:
        """Keep paths valid wherever a resumed training is started."""
        return with_absolute_paths(dataset)

    def open_dataset(self) -> Dataset:
        """Read or make the recordings.

        Raises:
            StcnnError: they cannot be used; the message says why.
        """
        return open_set(self.dataset)

    def new_run(self) -> Run:
        """Make the run folder, with a date in its name or, with ``resume=auto``, a hash of the configuration."""
        if self.resume == "auto":
            return Run.named(self._parent, self.task_name(), self.saved())
        return Run.create(self._parent, self.name, self.saved())

    @property
    def _parent(self) -> Path:
        return (self.experiments_dir or experiments_folder()).expanduser()

    def begun(self) -> Run | None:
        """Return the run that a training of this configuration with ``resume=auto`` began, if there is one."""
        folder = self._parent / self.task_name()
        return open_run(folder) if folder.exists() else None

    def task_name(self) -> str:
        """Return ``name`` and a hash of all that makes the training what it is."""
        made_of = {key: value for key, value in self.saved().items() if key not in ("name", "experiments_dir")}
        sha256 = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
        return f"{folder_name(self.name)}_{sha256[:12]}"

    def saved(self) -> dict[str, Any]:
        """Return the configuration as a run keeps it: plain values, every default written out."""
        return self.model_dump(mode="json", exclude=set(OF_THE_CALL))


def resumed(folder: Path, overrides: Sequence[str]) -> tuple[Config, Run]:
    """Return the run in a folder and its own configuration, with another length if that is asked for.

    Args:
        folder: the run folder.
        overrides: everything given on the command line.

    Raises:
        FileError: the folder is not a run.
        ConfigError: something other than the length is to be changed.
    """
    run = open_run(folder)
    saved = run.config()
    training = saved.get("training")
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key in LENGTHS and isinstance(training, dict):
            _require_its_own_length(key, training)
            training[key.removeprefix("training.")] = core_value(value)
        elif key in OF_THE_CALL:
            saved[key] = core_value(value)
        else:
            found = f"'{key}' cannot be changed in a training that is resumed"
            raise ConfigError(found, remedy="leave it out, or start a new training")
    config = validate(saved)
    run.save_config(config.saved())
    return config, run


def _require_its_own_length(key: str, training: Mapping[str, Any]) -> None:
    """Refuse epochs for a training whose length is in steps, and the other way round: its steps would move."""
    own = "training.steps" if training.get("epochs") is None else "training.epochs"
    if key != own:
        raise ConfigError(f"'{key}' cannot be given: the length of this training is in {own}", remedy=f"give {own}")


def validate(mapping: Mapping[str, Any]) -> Config:
    """Turn plain values into a configuration.

    Raises:
        ConfigError: a key is unknown or missing, or a value out of range; with its path and the nearest valid name.
    """
    config = validated(Config, mapping, partial(explained, Config), unknown_first=True)
    for path, value in numbers(config.model_dump()):
        largest = LARGEST_SEED if path.endswith("seed") else LARGEST
        if not abs(value) <= largest:
            raise ConfigError(f"'{path}' is {value}", expected=f"a number no larger than {largest:g}")
    return config


def compose(overrides: Sequence[str] = (), folder: Path = CONF) -> Config:
    """Compose and judge a configuration as the command line does.

    Args:
        overrides: as on the command line, for instance ``["model=published", "training.epochs=3"]``.
        folder: folder of ``config.yaml`` and its groups.

    Raises:
        ConfigError: as :func:`validate`, or an override that Hydra cannot follow.
    """
    values = composed_values(overrides, folder)
    return _ready_to_start(values, overrides)


def composed_values(overrides: Sequence[str] = (), folder: Path = CONF) -> dict[str, Any]:
    """Return what Hydra composes, not yet validated; arguments and errors as of :func:`compose`."""
    with explaining_hydra(), initialize_config_dir(str(folder.resolve()), **BASE):
        return plain(hydra_compose("config", overrides=with_prefix(overrides)))


def from_command_line(arguments: Sequence[str]) -> list[tuple[Config, list[str]]]:
    """Compose and judge what the command line asks for: one configuration.

    Options of Hydra such as ``--help`` and ``--cfg`` are answered here, and then there is none.

    Args:
        arguments: overrides and options of Hydra.

    Returns:
        The configuration with the overrides that led to it.

    Raises:
        ConfigError: as :func:`compose`.
    """
    composed: list[tuple[dict[str, Any], list[str]]] = []
    require_no_foreign_option(arguments, places(Config))

    @hydra_main(config_path=str(CONF), config_name="config", **BASE)
    def collect(values: DictConfig) -> None:
        composed.append((plain(values), list(HydraConfig.get().overrides.task)))

    argv = sys.argv
    sys.argv = [sys.argv[0], *with_prefix(arguments)]
    full_error, os.environ["HYDRA_FULL_ERROR"] = os.environ.get("HYDRA_FULL_ERROR"), "1"  # raise instead of leaving
    try:
        with explaining_hydra(), loggers_kept():
            collect()
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR") if full_error is None else os.environ.update(HYDRA_FULL_ERROR=full_error)
    return [(_ready_to_start(values, overrides), overrides) for values, overrides in composed]


@contextmanager
def loggers_kept() -> Iterator[None]:
    """Switch on again the loggers that Hydra switches off when it sets up logging."""
    on = [
        one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger) and not one.disabled
    ]
    try:
        yield
    finally:
        for logger in on:
            logger.disabled = False


def _ready_to_start(values: Mapping[str, Any], overrides: Sequence[str]) -> Config:
    """Judge a composed configuration, and what it builds upon, before there is a run folder.

    Raises:
        ConfigError: a key is wrong, the network is not that of ``init_from``, or the teacher is not finished.
        FileError: there are no weights, or no teacher.
    """
    config = validate(values)
    if config.training.teacher is not None and config.resume is None:
        finished_run(config.training.teacher)
    return _with_its_network(config, values, overrides)


def _with_its_network(config: Config, values: Mapping[str, Any], overrides: Sequence[str]) -> Config:
    """Let the network of ``init_from`` come with its weights, unless another was chosen, which must be the same.

    Cell types that it does not know keep their settings.

    Raises:
        ConfigError: the network that was chosen is another; the message names the key.
        FileError: there are no weights.
    """
    if config.init_from is None or config.resume is not None:
        return config
    weights = read_weights(config.init_from, config.init_epoch)
    if _chooses_network(values["model"], overrides):
        require_same_network(config.model, weights)
        return config
    network = network_of(weights, config.model)
    known = weights.model.readouts.cell_types
    for name in [given for override in overrides if (given := of_cell_type(override)) in known and given is not None]:
        require_same_cell_type(name, config.model, weights)
    return config.model_copy(update={"model": network})


def _chooses_network(model: Mapping[str, Any], overrides: Sequence[str]) -> bool:
    """Whether the network was given, on the command line or in a file, and is not just the default.

    What is said of cell types alone does not choose a network.
    """
    if any(re.match(r"[+~]*model([=@]|\.(?!cell_types))", override) for override in overrides):
        return True
    default = yaml.safe_load((CONF / "model" / "default.yaml").read_text(encoding="utf-8"))
    return any(model.get(key) != value for key, value in default.items() if key != "cell_types")
