"""Configuration of the readouts: what all cell types share, and where each of them reads."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    Tag,
    model_validator,
)

from stcnn.nn.activation import LEAKY_SLOPE, ActivationName
from stcnn.nn.filters import FilterConfig
from stcnn.nn.filters.exponential import ExponentialConfig
from stcnn.nn.hidden import Odd
from stcnn.nn.readout import WeightsConfig
from stcnn.nn.readout.full import FullReadout
from stcnn.nn.windows import ONE_OR_EACH, Columns, Convolution, Pair, Window
from stcnn.validation import Config

Width = Annotated[
    Annotated[Odd, Tag("one")] | Annotated[tuple[Columns, Columns], Tag("each")],
    ONE_OR_EACH,
]


Margin = Annotated[int, Field(ge=0, le=1000)]


class ReadoutConfig(Config):
    """Settings that the readouts of all cell types share."""

    centre: tuple[int, int] | None = None
    """Row and column of the lattice where the neuron sits; None is the middle (the published code reads (9, 9))."""
    place: Literal["fixed", "learned"] = "fixed"
    """Where every neuron reads: where the recordings say, or at a place that is learned from there on."""
    place_sd_deg: float = Field(4.0, gt=0, le=180)
    """Standard deviation of azimuth and elevation of a learned place around the recorded one: its prior."""
    place_start: Literal["recorded", "searched"] = "recorded"
    """Where a learned place starts: as recorded, or at the most probable of all columns (for wide priors)."""
    activation: ActivationName = "leaky_relu"
    """In front of the readout."""
    slope: NonNegativeFloat = LEAKY_SLOPE
    """Slope of the leaky rectifier for negative input."""
    filter: FilterConfig = Field(default_factory=ExponentialConfig)
    weights: WeightsConfig = Field(default_factory=FullReadout)
    weight_init: PositiveFloat = 1.0
    """Standard deviation of the initial spatial weights times the square root of the number of inputs."""
    bias_init: tuple[float, float] = (-1.0, -1.0)
    """Initial biases are drawn uniformly from this range; they set the resting voltage."""


class GridConfig(Config):
    """Windows laid over the lattice side by side, of which the middle one is read, number ``n // 2`` along each axis.

    So the published program finds the place of a readout.
    """

    stride: tuple[Columns, Columns]
    """Rows and columns from one window to the next."""
    padding: tuple[Margin, Margin]
    """Rows and columns by which the first window begins before the lattice."""


class CellTypeConfig(Config):
    """Settings that differ between cell types."""

    window_columns: Width = 9
    """Width of the square window of columns the type reads, odd; or its rows and columns."""
    grid: GridConfig | None = None
    """Where the window lies; None is around ``readout.centre``."""

    @model_validator(mode="after")
    def _has_a_middle(self) -> Self:
        if self.grid is None and any(width % 2 == 0 for width in self.window):
            raise ValueError(f"a window of {self.window} columns has no middle one; choose odd numbers, or give a grid")
        return self

    @property
    def window(self) -> Pair:
        """Rows and columns of the window."""
        width = self.window_columns
        return width if isinstance(width, tuple) else (width, width)

    def place(self, lattice: Pair, centre: Pair) -> Window:
        """Return what is read of a lattice; it may reach beyond its edge."""
        (rows, columns) = self.window
        (row, column) = centre
        if self.grid is None:
            top = row - rows // 2
            left = column - columns // 2
            return Window(top, top + rows, left, left + columns)
        return Convolution(self.window, self.grid.stride, self.grid.padding).middle(lattice)
