"""What a sweep is made of, as its YAML says it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from stcnn.errors import ConfigError
from stcnn.key_paths import locate
from stcnn.reading import read_yaml
from stcnn.run_folder import folder_name
from stcnn.validation import Config, Fault, validated

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)]


class Local(Config):
    """This machine: a pool of processes that share its cores."""

    kind: Literal["local"] = "local"
    """What runs the trainings: this machine, or a scheduler."""
    at_once: PositiveInt | None = None
    """Runs at the same time; None is one for every ``threads`` cores."""
    threads: PositiveInt = 1
    """Threads of a run. Small networks train fastest with one thread each and a run on every core."""
    gpus: int = Field(0, ge=0)
    """GPUs that the runs take in turns, the first ones of the machine; 0 leaves the choice to each run."""


class Cluster(Config):
    """What the jobs of every scheduler have."""

    time_min: PositiveInt = 60
    """Longest time of a run at one go, in minutes. One that needs more leaves a checkpoint, is requeued and goes on."""
    cpus: PositiveInt = 1
    """Cores of a run, and its threads."""
    memory_gb: PositiveFloat = 4.0
    """Memory of a run."""
    gpus: int = Field(0, ge=0)
    """GPUs of a run."""
    at_once: PositiveInt | None = None
    """Runs at the same time; None leaves it to the scheduler."""
    setup: tuple[str, ...] = ()
    """Lines of shell before the training, such as ``module load cuda``."""
    options: tuple[str, ...] = ()
    """Further options of the scheduler, each as after ``#SBATCH`` or ``#BSUB``."""
    template: Path | None = None
    """A script of your own in the place of ``conf/cluster/KIND.sh``, with the same words in double braces."""


class Slurm(Cluster):
    """Slurm: one job array, ``conf/cluster/slurm.sh``."""

    kind: Literal["slurm"]
    """What runs the trainings: this machine, or a scheduler."""
    partition: str | None = None
    """Partition; None is the cluster's default."""
    account: str | None = None
    """Account that is charged."""
    qos: str | None = None
    """Quality of service."""
    grace_s: int = Field(120, ge=1)
    """Seconds before the end of ``time_min`` at which the run is told to leave a checkpoint."""


class Lsf(Cluster):
    """LSF: one job array, ``conf/cluster/lsf.sh``."""

    kind: Literal["lsf"]
    """What runs the trainings: this machine, or a scheduler."""
    queue: str | None = None
    """Queue; None is the cluster's default."""
    project: str | None = None
    """Project that is charged."""
    grace_min: PositiveInt = 2
    """Minutes before the end of ``time_min`` at which the run is told to leave a checkpoint."""


class Range(Config):
    """Numbers from which a search takes one."""

    low: float
    """The smallest."""
    high: float
    """The largest."""
    log: bool = False
    """Whether factors count instead of differences."""
    whole: bool = False
    """Whether they are whole numbers."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"a range from {self.low:g} to {self.high:g}{' by factors' if self.log else ''} is none")
        return self


class SearchConfig(Config):
    """A search by Optuna (``pip install 'stcnn[search]'``): the best point of a space, by the score of the sweep."""

    trials: PositiveInt
    """How many runs, those that were given up included."""
    space: dict[str, Range | tuple[Any, ...]] = Field(min_length=1)
    """Key to a range, ``{low: 1e-4, high: 1e-2, log: true}``, or to a list of values."""
    prune: bool = True
    """Give up runs whose score after an epoch is below the median of the others after it."""
    unpruned_trials: int = Field(5, ge=0)
    """Runs at the start that are never given up."""
    unpruned_epochs: int = Field(3, ge=0)
    """Epochs of every run before it may be given up."""


Where = Annotated[Local | Slurm | Lsf, Field(discriminator="kind")]


class SweepSpec(Config):
    """The YAML of a sweep: its runs are all combinations of ``datasets``, ``grid``, ``points``, ``folds`` and seeds."""

    name: Name | None = None
    """Name of the sweep and its folder; None is that of the YAML file."""
    base: tuple[str, ...] = ()
    """Overrides that all runs share, as of ``stcnn train``: ``[training.steps=400, model.hidden.channels=[8]]``."""
    datasets: dict[Name, tuple[str, ...]] = Field(default_factory=dict)
    """Several data sets: a name for each and the overrides that choose it."""
    grid: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    """Key to values; every combination is a run."""
    points: tuple[dict[str, Any], ...] = ()
    """A list of runs, each with its keys and values; with a grid each of them is combined with each of its points."""
    folds: int | None = Field(None, ge=2, le=1000)
    """Cross-validation: ``split.folds``, and a run for each ``split.fold``."""
    seeds: PositiveInt | tuple[int, ...] = 1
    """How many seeds, from 1 on, or which."""
    search: SearchConfig | None = None
    """Instead of a grid: a search for the best point. It runs on this machine; the same command on another one, with
    the same folder, is another worker."""
    score: Literal["correlation", "neuron_correlation", "loss"] = "correlation"
    """Validation score of the finished epoch, the mean over cell types, by which runs are compared; of ``loss`` the
    lowest is the best."""
    reports: bool = False
    """Write the report of every run; ``stcnn report RUN`` writes it later."""
    where: Where = Field(default_factory=Local)
    """What runs the trainings."""

    @model_validator(mode="after")
    def _has_values(self) -> Self:
        for key, values in self.grid.items():
            if not values:
                raise ValueError(f"grid.{key} has no values")
        if not self.seeds:
            raise ValueError("seeds is empty")
        if self.search is None and any(override.startswith("seed=") for override in self.base):
            raise ValueError("base has a seed, and seeds says which there are: give it there, seeds: [7]")
        others = (self.grid, self.points, self.datasets, self.folds, self.seeds != 1)
        if self.search is not None and any(others):
            raise ValueError("a search has no grid, points, datasets, folds or seeds: put what it needs in base")
        if self.search is not None and not isinstance(self.where, Local):
            raise ValueError("a search runs where kind is local; called on another machine it is another worker")
        return self


def read_spec(path: Path) -> SweepSpec:
    """Read the YAML of a sweep; values stay the text that stands there, as on a command line.

    Raises:
        FileError: there is no such file, or it is no YAML.
        ConfigError: a key is unknown, missing or out of range.
    """
    spec = spec_of(read_yaml(path, "the YAML of a sweep"), str(path))
    return spec.model_copy(update={"name": spec.name or folder_name(path.stem)})


def spec_of(values: object, where: str) -> SweepSpec:
    """Turn plain values into the description of a sweep; errors as :func:`read_spec`."""

    def explained(fault: Fault) -> ConfigError:
        key, beside = locate(SweepSpec, fault.location)
        if fault.is_unknown:
            return ConfigError(f"{where}: unknown key '{key}'", expected=f"one of {', '.join(beside)}")
        if fault.kind == "value_error" or not key:
            return ConfigError(f"{where}: {fault.context.get('error', fault.message)}")
        return ConfigError(f"{where}: '{key}': {fault.rule}")

    return validated(SweepSpec, values, explained, unknown_first=True)
