"""Configuration of a network: everything that defines it but the recorded neurons."""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from stcnn.cell_type_names import by_cell_type
from stcnn.errors import ConfigError
from stcnn.nn.calcium import CalciumConfig
from stcnn.nn.cores import CoreConfig
from stcnn.nn.cores.hidden_layers import HiddenLayers
from stcnn.nn.eye import EyeConfig
from stcnn.nn.hidden import HiddenConfig
from stcnn.nn.readout.config import CellTypeConfig, ReadoutConfig
from stcnn.validation import Config


class ModelConfig(Config):
    """Everything that defines the network but the recorded neurons; YAML ``conf/model/*.yaml``, key by key."""

    eye: EyeConfig = Field(default_factory=EyeConfig)
    core: CoreConfig = Field(default_factory=HiddenLayers)
    hidden: HiddenConfig = Field(default_factory=HiddenConfig)
    readout: ReadoutConfig = Field(default_factory=ReadoutConfig)
    cell_types: dict[str, CellTypeConfig] = Field(default_factory=lambda: {"default": CellTypeConfig()})
    """Settings of each cell type by name; ``default`` serves every other name."""
    calcium: CalciumConfig = Field(default_factory=CalciumConfig)

    @field_validator("cell_types")
    @classmethod
    def _whatever_case(cls, given: dict[str, CellTypeConfig]) -> dict[str, CellTypeConfig]:
        return by_cell_type(given)

    @model_validator(mode="after")
    def _has_default(self) -> Self:
        if "default" not in self.cell_types:
            raise ValueError("cell_types has no entry 'default' for the types that are not named")
        return self

    @model_validator(mode="after")
    def _fits_its_lattice(self) -> Self:
        sizes = [self.hidden.convolution(i).kernel for i in range(len(self.hidden.channels))]
        sizes += [cell_type.window for cell_type in self.cell_types.values()]
        try:
            for size in sizes:
                self.eye.arrangement.kernel_mask(size)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if self.eye.arrangement.kind != "square" and any(each.grid for each in self.cell_types.values()):
            raise ValueError("windows of readouts lie on a grid, which is for a square lattice")
        return self
