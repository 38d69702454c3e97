"""The recorded neurons of a model."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator
from torch import nn

from stcnn.cell_type_names import by_cell_type
from stcnn.nn.readout.readouts import Readouts
from stcnn.validation import Config

RESERVED = frozenset({*dir(nn.ModuleDict()), *dir(Readouts), *Readouts.__annotations__})
"""Names of attributes, which cell types cannot have: their parts are found as ``readouts.NAME``."""


class Population(Config):
    """The recorded neurons of each cell type, in the order of their index."""

    neurons: dict[str, tuple[str, ...]]
    indicators: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Name of the indicator of each neuron, in the same order; empty where a model does not tell them apart."""

    @field_validator("neurons", "indicators")
    @classmethod
    def _whatever_case(cls, given: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return by_cell_type(given)

    @model_validator(mode="after")
    def _one_indicator_each(self) -> Self:
        for name, indicators in self.indicators.items():
            neurons = self.neurons.get(name, ())
            if len(indicators) != len(neurons):
                raise ValueError(f"cell type '{name}' has {len(neurons)} neurons and {len(indicators)} indicators")
        return self

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for name, neurons in self.neurons.items():
            if not neurons:
                raise ValueError(f"cell type '{name}' has no neuron")
            if not name or "." in name or name in RESERVED:
                raise ValueError(f"'{name}' cannot name a cell type: choose another word, without a full stop")
        if not self.neurons:
            raise ValueError("there is no cell type")
        return self
