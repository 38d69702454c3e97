"""Weights that a training starts from: those of a run of ours, or of a published checkpoint.

Hidden layers and indicator are taken whole. Cell types are matched by name, whatever the case: readout, time constants
and, by name, the gain and offset of every neuron; a neuron that is not known there starts as the average one of its
type. Cell types that are not known there stay as they were drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.wide_lattice import without_growth
from stcnn.training.weights_files import Weights

DRAWS = frozenset({"tau_init_s", "n_init", "weight_init", "bias_init", "gain_init", "offset_init", "momentum"})
"""Keys that only say how weights are drawn or trained; they may differ from those of the weights."""


def network_of(weights: Weights, chosen: ModelConfig) -> ModelConfig:
    """Return the network of the weights, with the settings that were chosen for cell types it does not know."""
    theirs = weights.model
    others = {name: each for name, each in chosen.cell_types.items() if name not in theirs.cell_types}
    return without_growth(theirs.config).model_copy(update={"cell_types": {**theirs.readouts.cell_types, **others}})


def require_same_network(config: ModelConfig, weights: Weights) -> None:
    """Refuse weights of another network, in which they would mean something else.

    What differs between cell types is looked at by :func:`take`, which knows those of the recordings.

    Raises:
        ConfigError: a key differs; the message names the first.
    """
    ours = _settings(without_growth(config))
    theirs = _settings(without_growth(weights.model.config))
    differing = [key for key in [*ours, *theirs] if ours.get(key) != theirs.get(key)]
    if differing:
        key = differing[0]
        raise ConfigError(
            f"model.{key} is {ours.get(key, 'not there')}, but {theirs.get(key, 'not there')} in the network of "
            f"{weights.source}",
            expected="the network that the weights are of",
            remedy="leave model and its keys out: then the network comes with the weights",
        )


def require_same_cell_type(name: str, config: ModelConfig, weights: Weights) -> None:
    """Refuse another setting of a cell type than its weights have.

    Raises:
        ConfigError: a key differs; the message names the first.
    """
    theirs = weights.model.readouts.cell_types[name].model_dump(mode="json")
    for key, value in config.cell_types[name].model_dump(mode="json").items():
        if value != theirs[key]:
            raise ConfigError(
                f"model.cell_types.{name}.{key} is {value}, but the weights in {weights.source} have {theirs[key]}",
                remedy=f"leave model.cell_types.{name} out: then its settings come with the weights",
            )


def _settings(config: ModelConfig) -> dict[str, Any]:
    """Settings of a network by key; one that may be written in several ways is written out."""
    written = config.model_dump(mode="json", exclude={"cell_types"})
    hidden = written["hidden"]
    layers = range(len(config.hidden.channels))
    shapes = [config.hidden.convolution(i) for i in layers]
    hidden["kernel_columns"] = [list(shape.kernel) for shape in shapes]
    hidden["stride"] = [list(shape.stride) for shape in shapes]
    hidden["padding"] = [list(shape.padding) for shape in shapes]
    functions = [config.hidden.in_front(i) for i in layers]
    hidden["activation"] = [function.name for function in functions]
    if all(function.name != "leaky_relu" for function in functions):
        del hidden["slope"]
    for key in (
        "centre",
        "place",
        "place_sd_deg",
        "place_start",
        *(["slope"] if config.readout.activation != "leaky_relu" else []),
    ):
        del written["readout"][key]  # where the types read is compared place by place
    return dict(_keys(written))


def _keys(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        if name in DRAWS or name == "first_column_deg":  # it only says what the lattice is on other pictures
            continue
        if isinstance(value, Mapping):
            yield from _keys(value, f"{path}{name}.")
        else:
            yield path + name, value


@dataclass
class Taken:
    """Parts of a model that come from the weights."""

    weights: Weights
    cell_types: list[str] = field(default_factory=list)
    """Cell types that the weights know."""
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
        """Sentences about it for a person."""
        named = ", ".join(self.cell_types)
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
        ConfigError: a cell type reads another window.
    """
    known = weights.model.cell_types
    taken = Taken(weights, [name for name in model.cell_types if name in known])
    taken.drawn_types = [name for name in model.cell_types if name not in known]
    for name in taken.cell_types:
        _require_same_window(name, model, weights)
    theirs = weights.model.state_dict()
    for name, value in model.state_dict().items():
        if name not in theirs:
            taken.drawn_parameters.append(name)
            continue
        found = theirs[name]
        if name.endswith((".gain", ".offset")):
            found = _of_neurons(name, found, model, taken)
        elif name.endswith(".displacement_deg"):
            found = _displacements(name, found, model, weights)
        elif name.startswith("calcium.indicator_"):
            found = _of_indicators(found, value, model, weights.model)
        value.copy_(found)
        taken.parameters.append(name)
    return taken


def _of_neurons(name: str, theirs: Tensor, model: STCNN, taken: Taken) -> Tensor:
    """Gains or offsets ``(N,)`` of the neurons of a cell type: by name where the names agree, else their mean.

    The neurons of a published folder have no names, only numbers.
    """
    cell_type = name.removeprefix("calcium.types.").rpartition(".")[0]
    neurons = taken.weights.model.population.neurons[cell_type]
    index = {} if taken.weights.published else {neuron: i for i, neuron in enumerate(neurons)}
    wanted = model.population.neurons[cell_type]
    taken.by_name[cell_type] = [neuron for neuron in wanted if neuron in index]
    taken.average[cell_type] = [neuron for neuron in wanted if neuron not in index]
    return torch.stack([theirs[index[neuron]] if neuron in index else theirs.mean() for neuron in wanted])


def _of_indicators(theirs: Tensor, drawn: Tensor, model: STCNN, weights: STCNN) -> Tensor:
    """Time constants of the indicators ``(I,)``: by name, whatever the case; those not known there as drawn."""
    known = {name.lower(): value for name, value in zip(weights.calcium.indicators, theirs, strict=True)}
    ours = zip(model.calcium.indicators, drawn, strict=True)
    return torch.stack([known.get(name.lower(), value) for name, value in ours])


def _displacements(name: str, theirs: Tensor, model: STCNN, weights: Weights) -> Tensor:
    """Return learned displacements ``(N, 2)`` of the neurons of a cell type by their names; of others none."""
    cell_type = name.removeprefix("readouts.").rpartition(".")[0]
    index = {neuron: i for i, neuron in enumerate(weights.model.population.neurons[cell_type])}
    none = torch.zeros_like(theirs[0])
    wanted = model.population.neurons[cell_type]
    return torch.stack([theirs[index[neuron]] if neuron in index else none for neuron in wanted])


def _require_same_window(cell_type: str, model: STCNN, weights: Weights) -> None:
    both = (model.readouts, weights.model.readouts)
    mine, right = (readouts.cell_types[cell_type].window for readouts in both)
    if mine != right:
        raise ConfigError(
            f"model.cell_types.{cell_type}.window_columns is {_size(mine)}, but the weights in {weights.source} have "
            f"{_size(right)}",
            remedy=f"give model.cell_types.{cell_type}.window_columns={_size(right)}, or leave it out",
        )
    if _columns_from_the_middle(cell_type, model) != _columns_from_the_middle(cell_type, weights.model):
        mine, right = ((each.places[cell_type].top, each.places[cell_type].left) for each in both)
        raise ConfigError(
            f"model.readout.centre (or the grid of '{cell_type}') lets it read from column {mine} on, but the weights "
            f"in {weights.source} from {right} on",
            expected="the network that the weights are of",
            remedy="leave model and its keys out: then the network comes with the weights",
        )


def _columns_from_the_middle(cell_type: str, model: STCNN) -> tuple[float, float]:
    """Return rows and columns from the middle of the picture to where a window begins, whatever lies around it."""
    eye = model.config.eye
    down, right = eye.in_columns(torch.tensor(eye.centre_deg, dtype=torch.float64)).tolist()
    place = model.readouts.places[cell_type]
    rows, columns = model.readouts.lattice
    return round(place.top - (rows - 1) / 2 + down, 6), round(place.left - (columns - 1) / 2 + right, 6)


def _size(window: tuple[int, int]) -> str:
    return str(window[0]) if window[0] == window[1] else str(list(window)).replace(" ", "")
