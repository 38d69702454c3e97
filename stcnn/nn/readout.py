"""Readouts: for each cell type one spatial weight around the neuron's column, a filter and a bias; the voltage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat
from torch import Tensor, nn

from stcnn.errors import ConfigError
from stcnn.nn.hidden import LEAKY_SLOPE, Odd, draw_weights
from stcnn.nn.temporal import (
    ExponentialConfig,
    FilterState,
    TemporalFilter,
    exponential_filter,
    exponential_gain,
    n_taps,
)


class ReadoutConfig(BaseModel):
    """What the readouts of all cell types share."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    centre: tuple[int, int] | None = None
    """Row and column of the lattice where the neuron sits; None is the middle (the published code reads (9, 9))."""
    slope: NonNegativeFloat = LEAKY_SLOPE
    filter: ExponentialConfig = Field(default_factory=ExponentialConfig)
    weight_init: PositiveFloat = 1.0
    """Standard deviation of the initial spatial weights times the square root of the number of inputs."""
    bias_init: tuple[float, float] = (-1.0, -1.0)
    """Initial biases are drawn uniformly from this range; they set the resting voltage."""


class CellTypeConfig(BaseModel):
    """What differs between cell types."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    window_columns: Odd = 9
    """Width of the square window of columns the type reads; odd."""


class Readout(nn.Module):
    """Spatial weights ``(C, k, k)``, time constant and bias of one cell type."""

    def __init__(self, channels: int, config: ReadoutConfig, cell_type: CellTypeConfig) -> None:
        super().__init__()
        k = cell_type.window_columns
        self.weight = nn.Parameter(draw_weights((channels, k, k), channels * k * k, config.weight_init))
        self.filter = TemporalFilter(config.filter, 1)
        low, high = config.bias_init
        self.bias = nn.Parameter(low + (high - low) * torch.rand(1))


class Window(NamedTuple):
    """Rows ``top:bottom`` and columns ``left:right`` of the lattice."""

    top: int
    bottom: int
    left: int
    right: int

    def crop(self, maps: Tensor) -> Tensor:
        """Return the window of maps ``(T, B, Y, X, C)``."""
        return maps[:, :, self.top : self.bottom, self.left : self.right]


class Reading(NamedTuple):
    """What the readouts take from the last layer: a weighted sum over a window of its normalised maps, rectified."""

    window: Window
    weights: Tensor
    """``(N, h, w, C)``, with the gain of the filter behind them."""
    slope: float
    """Of the rectifier for negative values."""

    def drive(self, maps: Tensor) -> Tensor:
        """Read normalised maps ``(T, B, h, w, C)`` on the window; return ``(T, B, N)``."""
        return F.leaky_relu(maps, self.slope).flatten(2) @ self.weights.flatten(1).T


class Readouts(nn.ModuleDict):
    """The readouts of all cell types, computed together at one place of the lattice."""

    config: ReadoutConfig
    lattice: tuple[int, int]
    centre: tuple[int, int]
    window: Window
    """What the widest readout reads."""

    def __init__(
        self,
        channels: int,
        lattice: tuple[int, int],
        config: ReadoutConfig,
        cell_types: dict[str, CellTypeConfig],
    ) -> None:
        super().__init__({name: Readout(channels, config, cell_type) for name, cell_type in cell_types.items()})
        self.config = config
        self.lattice = lattice
        self.centre = config.centre or (lattice[0] // 2, lattice[1] // 2)
        if not all(0 <= c < n for c, n in zip(self.centre, lattice, strict=True)):
            raise ConfigError(
                f"model.readout.centre is {self.centre}", expected=f"a row and column of the lattice {lattice}"
            )
        half = max(c.window_columns for c in cell_types.values()) // 2
        (row, column), (rows, columns) = self.centre, lattice
        self.window = Window(
            max(row - half, 0), min(row + half + 1, rows), max(column - half, 0), min(column + half + 1, columns)
        )

    @property
    def each(self) -> list[Readout]:
        """The readouts in the order of the cell types."""
        return cast(list[Readout], list(self.values()))

    def weights(self, rate_hz: float) -> Tensor:
        """Return all spatial weights with their filter's gain, on the common window: ``(N, h, w, C)``."""
        top, bottom, left, right = self.window
        row, column = self.centre
        stacked = []
        for readout in self.each:
            k = readout.weight.shape[-1] // 2
            # Negative padding crops what would lie outside the lattice.
            margins = (column - k - left, right - column - k - 1, row - k - top, bottom - row - k - 1)
            weight = F.pad(readout.weight, margins)
            gain = exponential_gain(readout.filter.tau_s, 1 / rate_hz, self.config.filter)
            stacked.append(weight.permute(1, 2, 0) * gain)
        return torch.stack(stacked)

    def reading(self, rate_hz: float) -> Reading:
        """What all of them take from the last layer at this frame rate."""
        return Reading(self.window, self.weights(rate_hz), self.config.slope)

    def forward(
        self, drives: Sequence[Tensor], rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Filter what was read.

        Args:
            drives: ``(T, B, N)`` of :meth:`Reading.drive`, in consecutive pieces; a piece with B = 1 serves all clips.
            rate_hz: frames per second.
            state: state of the filters, None at the start.

        Returns:
            Voltages ``(T, B, N)`` of the N cell types, and the state.
        """
        drive = torch.cat([piece.expand(-1, drives[-1].shape[1], -1) for piece in drives])
        tau_s = torch.cat([readout.filter.tau_s for readout in self.each])
        bias = torch.cat([readout.bias for readout in self.each])
        taps = n_taps(self.config.filter.kernel_s, 1 / rate_hz)
        voltage, state = exponential_filter(drive, tau_s, 1 / rate_hz, taps, state)
        return voltage + bias, state
