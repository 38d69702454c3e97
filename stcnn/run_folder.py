"""A run folder: what it holds, how it is made, and how one opens again.

    experiments/2026-11-22_14-03-12_simulated/
      config.yaml          the whole configuration, every default written out
      environment.json     versions, hardware, git commit, seed, hash of the data, command
      split.json           recordings of the training, validation and test set
      trained_on.json      by what the training set is known again under other names (stcnn.data.splitting.leaks)
      init_from.json       of a training that started from weights: whose, and what was taken and drawn
      teacher.json         of a training with a teacher: whose answers it learned, with the hashes of its members
      checkpoints/         epoch_K.ckpt after K epochs (0 is untrained); interrupted.ckpt after Ctrl-C in mid-epoch
      losses.csv           training loss of every step and cell type
      scores.csv           training and held-out loss, and held-out correlation, of every epoch and cell type
      model.json           the network and its neurons; model.safetensors its weights
      places.csv           where neurons were recorded and found to sit, where places are learned
      test_scores.csv      scores of the test set (and .parquet), not to be chosen by; test_looks.json who looked when
      report.html          what a person should know of it; loss.png, predictions.png
      explore.html         a page in which a browser asks and changes the model
      members/K/           of an ensemble: one such folder per model, and only the first four files above

Every file is written beside its place and then moved there, so that none is ever seen half written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import safetensors.torch
import yaml
from torch import Tensor

from stcnn.errors import FileError
from stcnn.invocation import train_command
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.reading import load_tensors, load_weights, read_saved_yaml, reading, require_folder, require_weights
from stcnn.run_files import RunFiles
from stcnn.writing import TakenError, atomic_folder, atomic_write

INTERRUPTED = "interrupted.ckpt"


@dataclass(frozen=True)
class Run(RunFiles):
    """A run folder.

    Args:
        path: the folder.
    """

    @classmethod
    def create(cls, parent: Path, name: str, config: Mapping[str, Any]) -> Run:
        """Make a new dated folder.

        Args:
            parent: folder of all runs; made if need be.
            name: what the run is about; part of the folder's name.
            config: the whole configuration, plain values only.

        Raises:
            FileError: the folder cannot be made.
        """
        stem = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{folder_name(name)}"
        names = (stem if number == 1 else f"{stem}_{number}" for number in count(1))
        with _naming_the_key():
            return next(run for name in names if (run := cls._made(parent / name, config)) is not None)

    @classmethod
    def named(cls, parent: Path, name: str, config: Mapping[str, Any]) -> Run:
        """Make a folder of a fixed name, or open the run that has it.

        Args:
            parent: folder of all runs; made if need be.
            name: of the folder.
            config: the whole configuration of a new run, plain values only.

        Raises:
            FileError: the folder cannot be made, or something else has its name.
        """
        with _naming_the_key():
            made = cls._made(parent / name, config)
        return made or open_run(parent / name)

    @classmethod
    def _made(cls, path: Path, config: Mapping[str, Any]) -> Run | None:
        """A new run folder, which is whole when it appears; None where there is something of that name."""
        if path.exists():
            return None
        try:
            with atomic_folder(path) as draft:
                (draft / "checkpoints").mkdir(parents=True)
                (draft / "config.yaml").write_text(_yaml(config))
        except TakenError:
            return None
        return cls(path)

    def save_config(self, config: Mapping[str, Any]) -> None:
        """Write ``config.yaml``."""
        with atomic_write(self.path / "config.yaml") as draft:
            draft.write_text(_yaml(config))

    def config(self) -> dict[str, Any]:
        """Return the whole configuration as plain values."""
        return read_saved_yaml(self.existing("config.yaml"), "the configuration of a run")

    def environment(self) -> dict[str, Any]:
        """Return versions, hardware, commit, seed and hash of the data."""
        return self.read_json("environment.json")

    def split(self) -> dict[str, list[str]]:
        """Return the keys of the recordings on each side, see :class:`stcnn.data.splitting.splits.Split`."""
        return self.read_json("split.json")

    def trained_on(self) -> list[str]:
        """The :func:`~stcnn.data.splitting.leaks.footprints` of the training set; none in an older run."""
        if not (self.path / "trained_on.json").is_file():
            return []
        return list(self.read_json("trained_on.json")["footprints"])

    def losses(self) -> pd.DataFrame:
        """Return the training loss of every step: ``epoch``, ``step``, ``cell_type``, ``n_recordings``, ``loss``."""
        return self.read_table("losses.csv", ("cell_type", "loss"))

    def scores(self) -> pd.DataFrame:
        """Return the scores of every epoch and cell type: ``training_loss``; held-out ``loss`` and ``correlation``."""
        return self.read_table("scores.csv", ("cell_type", "loss"))

    def checkpoints(self) -> dict[int, Path]:
        """Return the checkpoint after each number of epochs, in their order."""
        files = (self.path / "checkpoints").glob("epoch_*.ckpt")
        found = {
            int(name[1]): path for path in files if (name := re.fullmatch(r"epoch_(\d{1,9})", path.stem, re.ASCII))
        }
        return dict(sorted(found.items()))

    def model(self, epoch: int | None = None) -> STCNN:
        """Rebuild the model of this run, on the CPU and in evaluation mode.

        Args:
            epoch: number of epochs it was trained; None is the finished model (the epoch of lowest held-out loss
                unless the run keeps its last).

        Raises:
            FileError: there is no such epoch, or the files are damaged.
        """
        if self.members():
            found = f"{self.path} is an ensemble of {len(self.members())} models"
            raise FileError(found, remedy=f"open one of them, such as {self.members()[0].path}, or use models()")
        facts = self.read_json("model.json")
        weights = self._weights() if epoch is None else self.checkpoint_weights(epoch)
        with reading(
            self.path / "model.json", "the network of these weights", remedy="open an undamaged copy of the run"
        ):
            config = ModelConfig(**facts["config"])
            population = Population(**facts["population"])
            model = STCNN(config, population, float(facts["deg_per_px"]))
            model.load_state_dict(weights)
        return model.eval()

    def members(self) -> list[Run]:
        """Return the runs that make up an ensemble, in their order; none for a run of one model."""
        there = (self.path / "members").glob("*")
        found = [path for path in there if path.name.isdecimal() and (path / "config.yaml").is_file()]
        return [Run(path) for path in sorted(found, key=lambda path: int(path.name))]

    def member(self, number: int, seed: int) -> Run:
        """Return the run of a member of an ensemble, its folder made if need be.

        Args:
            number: of the member, from 1.
            seed: of its training, the only thing in which its configuration differs.
        """
        path = self.path / "members" / str(number)
        return self._made(path, {**self.config(), "seed": seed, "n_models": 1}) or Run(path)

    def models(self) -> list[STCNN]:
        """Return the finished models of all members, or the one model of the run."""
        return [member.model() for member in self.members()] or [self.model()]

    def _weights(self) -> dict[str, Tensor]:
        path = self.existing("model.safetensors", remedy="resume its training, or ask for the model of an epoch")
        return require_weights(load_weights(path, "the weights of a finished training"), str(path))

    def checkpoint_weights(self, epoch: int) -> dict[str, Tensor]:
        """Return the weights after so many epochs, by parameter name.

        Raises:
            FileError: there is no such epoch, or its file is damaged.
        """
        checkpoints = self.checkpoints()
        if epoch not in checkpoints:
            raise FileError(
                f"the run {self.path} has no checkpoint of epoch {epoch}",
                expected=f"one of {', '.join(map(str, checkpoints)) or 'none: it holds no checkpoint'}",
            )
        state = load_tensors(checkpoints[epoch], "a checkpoint of a training").get("state_dict")
        state = require_weights(state, f"{checkpoints[epoch]}, state_dict,")
        return {name.removeprefix("model."): value for name, value in state.items()}

    def finished_epoch(self) -> int:
        """Return the number of epochs after which the finished model was taken.

        Raises:
            FileError: the training did not come to its end.
        """
        epoch = self.read_json("model.json").get("epoch")
        if not isinstance(epoch, int):
            found = f"the training of {self.path} did not come to its end"
            raise FileError(found, remedy=f"go on with: {train_command(f'resume={self.path}')}")
        return int(epoch)

    def is_finished(self) -> bool:
        """Whether the training came to its very end, of an ensemble that of every member.

        Raises:
            FileError: the configuration or the network of the run is damaged.
        """
        if members := self.members():
            whole = (self.path / "trained_on.json").is_file()  # the last thing that the training of an ensemble writes
            return whole and len(members) == self.config().get("n_models") and all(m.is_finished() for m in members)
        if not (self.path / "model.json").is_file() or self.read_json("model.json").get("epoch") is None:
            return False
        return (self.path / "test_scores.parquet").is_file()  # the last thing that a training writes

    def save_network(self, model: STCNN, epoch: int | None = None) -> None:
        """Write ``model.json``, from which the model is rebuilt, and which epoch the finished run opens with."""
        facts = {
            "epoch": epoch,
            "config": model.config.model_dump(mode="json"),
            "population": model.population.model_dump(mode="json"),
            "deg_per_px": model.deg_per_px,
        }
        self.write_json("model.json", facts)

    def finish(self, model: STCNN, epoch: int) -> None:
        """Choose the epoch the run opens with, and write its weights."""
        weights = {name: value.contiguous() for name, value in self.checkpoint_weights(epoch).items()}
        with atomic_write(self.path / "model.safetensors") as draft:
            draft.write_bytes(safetensors.torch.save(weights))
        self.save_network(model, epoch)


def folder_name(name: str) -> str:
    """Return a name as part of that of a folder: letters, digits, full stops and hyphens."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-") or "run"


@contextmanager
def _naming_the_key() -> Iterator[None]:
    """Say of a run folder that cannot be made which key chooses another place."""
    try:
        yield
    except FileError as error:
        found = f"the run folder cannot be made: {error.found}"
        raise FileError(found, remedy=f"{error.remedy}; experiments_dir names the folder") from error


def _yaml(values: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)


def open_run(path: str | Path) -> Run:
    """Open a run folder; ``open_run(path).model()`` is its trained model.

    Raises:
        FileError: the folder is missing or is not a run.
    """
    folder = Path(path).expanduser()
    if not (folder / "config.yaml").is_file():
        what = "a folder made by a training, such as experiments/DATE_NAME"
        require_folder(folder, what)
        raise FileError(f"{folder} is not a run: it has no config.yaml", expected=what)
    return Run(folder)
