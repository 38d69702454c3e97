"""Weights that a training starts from: those of a run of ours, or of a published checkpoint.

Hidden layers and indicator are taken whole. Cell types are matched by name regardless of case: readout, time constants
and, by name, the gain and offset of every neuron; a neuron that is not known there starts as the average one of its
type. Cell types that are not known there stay as they were drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stcnn.errors import ConfigError, DataError, FileError
from stcnn.nn.model import STCNN, ModelConfig
from stcnn.nn.published import published_epochs, read_published
from stcnn.runs import open_run

DRAWS = frozenset({"tau_init_s", "n_init", "weight_init", "bias_init", "gain_init", "offset_init", "momentum"})
"""Keys that only say how weights are drawn or trained; they may differ from those of the weights."""


@dataclass(frozen=True)
class Weights:
    """A trained network, and where it comes from."""

    model: STCNN
    source: Path
    epoch: int
    sha256: str
    """Of the file that holds the weights."""
    published: bool
    trained_on: tuple[str, ...] = ()
    """By what the recordings that it learned from are known again (:mod:`stcnn.data.leaks`); none if not recorded."""


def read_weights(folder: Path, epoch: int | None = None) -> Weights:
    """Open the folder that a training starts from.

    Args:
        folder: a run folder, or one with published checkpoints.
        epoch: which checkpoint; None is the finished model, of a published folder the last one.

    Raises:
        FileError: it is neither, an ensemble, or has no such epoch.
    """
    if epochs := published_epochs(folder):
        number = epochs[-1] if epoch is None else epoch
        model = read_published(folder, number).model
        return Weights(model, folder, number, _sha256(folder / f"model_chkpnt_{number}.pt"), published=True)
    run = open_run(folder)
    if members := run.members():
        raise FileError(
            f"init_from={folder} is an ensemble of {len(members)} models",
            expected="one model to start from",
            remedy=f"name a member, such as init_from={members[0].path}",
        )
    number = run.finished_epoch() if epoch is None else epoch
    model = run.model(epoch)
    file = run.path / "model.safetensors" if epoch is None else run.checkpoints()[epoch]
    return Weights(model, folder, number, _sha256(file), published=False, trained_on=tuple(run.trained_on()))


def network_of(weights: Weights, chosen: ModelConfig) -> ModelConfig:
    """Return the network of the weights, with the settings that were chosen for cell types it does not know."""
    theirs = weights.model
    known = {name.lower() for name in theirs.cell_types}
    others = {name: each for name, each in chosen.cell_types.items() if name.lower() not in known}
    default = theirs.config.cell_types["default"]
    mine = {name: theirs.config.cell_types.get(name, default) for name in theirs.cell_types}
    return theirs.config.model_copy(update={"cell_types": {**mine, **others}})


def require_same_network(config: ModelConfig, weights: Weights) -> None:
    """Refuse weights of another network, in which they would mean something else; cell types may be others.

    Raises:
        ConfigError: a key differs; the message names the first.
    """
    ours, theirs = (dict(_keys(each.model_dump(mode="json"))) for each in (config, weights.model.config))
    differing = [key for key in [*ours, *theirs] if ours.get(key) != theirs.get(key)]
    if differing:
        key = differing[0]
        raise ConfigError(
            f"model.{key} is {ours.get(key, 'not there')}, but {theirs.get(key, 'not there')} in the network of "
            f"{weights.source}",
            expected="the network that the weights are of",
            remedy="leave model and its keys out: then the network comes with the weights",
        )


def _keys(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if path + name == "cell_types" or name in DRAWS:
            continue
        if isinstance(value, Mapping):
            yield from _keys(value, f"{path}{name}.")
        else:
            yield path + name, value


@dataclass
class Taken:
    """What of a model comes from the weights."""

    weights: Weights
    cell_types: dict[str, str] = field(default_factory=dict)
    """Cell types of the model to those of the weights."""
    drawn_types: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    drawn_parameters: list[str] = field(default_factory=list)
    by_name: dict[str, list[str]] = field(default_factory=dict)
    """Neurons that were matched, by cell type."""
    average: dict[str, list[str]] = field(default_factory=dict)
    """Neurons that start as the average one of their type."""

    def to_json(self) -> dict[str, Any]:
        """Everything, as ``init_from.json`` keeps it."""
        return {
            "source": str(self.weights.source),
            "published": self.weights.published,
            "epoch": self.weights.epoch,
            "sha256": self.weights.sha256,
            "cell_types": self.cell_types,
            "drawn_cell_types": self.drawn_types,
            "neurons_by_name": self.by_name,
            "neurons_as_average": self.average,
            "taken": self.parameters,
            "drawn": self.drawn_parameters,
        }

    def sentences(self) -> list[str]:
        """What a person should know of it."""
        named = ", ".join(name if name == theirs else f"{name} ({theirs})" for name, theirs in self.cell_types.items())
        found = [
            f"starts from {self.weights.source}, epoch {self.weights.epoch}",
            f"taken: hidden layers, indicator, {'cell types ' + named if named else 'no cell type'}",
        ]
        if self.drawn_types:
            found.append(f"drawn: cell types {', '.join(self.drawn_types)}, which it does not know")
        matched, others = (sum(map(len, each.values())) for each in (self.by_name, self.average))
        if matched or others:
            found.append(f"neurons: {matched} by their name, {others} as the average of their type")
        if not self.weights.trained_on:
            found.append("what it was trained on is not recorded: it may have learned from what is held out here")
        return found


@torch.no_grad()
def take(model: STCNN, weights: Weights) -> Taken:
    """Give a model the weights, in place, as far as they go.

    Args:
        model: the untrained model, of the same network (:func:`require_same_network`).
        weights: those to start from.

    Raises:
        ConfigError: the window of a cell type has another width.
        DataError: two cell types differ by case alone.
    """
    taken = Taken(weights)
    taken.cell_types = _matched(model, weights.model)
    taken.drawn_types = [name for name in model.cell_types if name not in taken.cell_types]
    ours, theirs = model.state_dict(), weights.model.state_dict()
    for name, value in ours.items():
        counterpart = _counterpart(name, taken.cell_types)
        if counterpart is None:
            taken.drawn_parameters.append(name)
            continue
        found = theirs[counterpart]
        if counterpart.endswith((".gain", ".offset")):
            found = _of_neurons(name, found, model, taken)
        if found.shape != value.shape:
            raise _misfit(name, value, found, weights)
        value.copy_(found)
        taken.parameters.append(name)
    return taken


def _matched(model: STCNN, theirs: STCNN) -> dict[str, str]:
    """Cell types of the model to those of the weights, regardless of case."""
    folded: dict[str, str] = {}
    for name in theirs.cell_types:
        if name.lower() in folded:
            raise DataError(f"the weights have two cell types, '{folded[name.lower()]}' and '{name}', of one name")
        folded[name.lower()] = name
    found = {name: folded[name.lower()] for name in model.cell_types if name.lower() in folded}
    if len(set(found.values())) < len(found):
        raise DataError(
            f"two cell types of the recordings have one name: {', '.join(found)}", remedy="name them alike, or apart"
        )
    return found


def _counterpart(name: str, cell_types: Mapping[str, str]) -> str | None:
    """Name of a tensor in the weights; None for a cell type that is not there."""
    for room in ("readouts", "calcium.types"):
        if name.startswith(f"{room}."):
            cell_type, _, tensor = name.removeprefix(f"{room}.").partition(".")
            return f"{room}.{cell_types[cell_type]}.{tensor}" if cell_type in cell_types else None
    return name


def _of_neurons(name: str, theirs: Tensor, model: STCNN, taken: Taken) -> Tensor:
    """Gains or offsets ``(N,)`` of the neurons of a cell type: by name where the names agree, else their mean.

    The neurons of a published folder have no names, only numbers.
    """
    cell_type = name.split(".")[2]
    neurons = taken.weights.model.population.neurons[taken.cell_types[cell_type]]
    index = {} if taken.weights.published else {neuron: i for i, neuron in enumerate(neurons)}
    wanted = model.population.neurons[cell_type]
    taken.by_name[cell_type] = [neuron for neuron in wanted if neuron in index]
    taken.average[cell_type] = [neuron for neuron in wanted if neuron not in index]
    return torch.stack([theirs[index[neuron]] if neuron in index else theirs.mean() for neuron in wanted])


def _misfit(name: str, ours: Tensor, theirs: Tensor, weights: Weights) -> ConfigError:
    room, cell_type, *_ = name.split(".")
    key, found, expected = name, str(tuple(ours.shape)), str(tuple(theirs.shape))
    if room == "readouts" and name.endswith(".weight"):
        key, found, expected = (
            f"model.cell_types.{cell_type}.window_columns",
            str(ours.shape[-1]),
            str(theirs.shape[-1]),
        )
    return ConfigError(
        f"{key} is {found}, but the weights in {weights.source} have {expected}",
        remedy=f"give {key}={expected}, or leave it out",
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
