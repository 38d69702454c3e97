"""Hidden layers: activation, spatial convolution over columns, temporal filter, bias, normalisation.

Convention: maps are frame-major with channels last, ``(T, B, Y, X, C)``: a frame is one contiguous row of the
recurrence, and the same memory is a channels-last picture for the convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Self

import torch
import torch.nn.functional as F
from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    Tag,
    field_validator,
    model_validator,
)
from torch import Tensor, nn

from stcnn.nn.activation import LEAKY_SLOPE, LEARNED, Activation, HiddenActivationName, activation
from stcnn.nn.filters import FilterConfig
from stcnn.nn.filters.exponential import ExponentialConfig
from stcnn.nn.filters.kind import FilterKind, FilterState, Interval, require_one_drive
from stcnn.nn.filters.temporal_filter import TemporalFilter
from stcnn.nn.lattices.lattice import within
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.norms import NormConfig
from stcnn.nn.norms.batch import BatchNorm
from stcnn.nn.ops.correlate import correlate
from stcnn.nn.windows import ONE_OR_EACH, Columns, Convolution, Pair, Window
from stcnn.validation import Config


def _is_odd(width: int) -> int:
    if width % 2 == 0:
        raise ValueError(f"{width} columns have no middle one; choose an odd number")
    return width


Odd = Annotated[Columns, AfterValidator(_is_odd)]
Size = Annotated[Annotated[Columns, Tag("one")] | Annotated[tuple[Columns, Columns], Tag("each")], ONE_OR_EACH]
"""One number, or one for rows and one for columns."""
Each = tuple[Size, ...]
Channels = Annotated[int, Field(ge=1, le=10_000)]
Margin = Annotated[
    Annotated[NonNegativeInt, Tag("one")] | Annotated[tuple[NonNegativeInt, NonNegativeInt], Tag("each")], ONE_OR_EACH
]
Activations = Annotated[
    Annotated[HiddenActivationName, Tag("one")] | Annotated[tuple[HiddenActivationName, ...], Tag("each")], ONE_OR_EACH
]


class HiddenConfig(Config):
    """The stack of hidden layers.

    Where a key holds one entry for each layer, their number is that of ``channels``.
    """

    channels: tuple[Channels, ...] = Field((10, 10, 10, 10), min_length=1, max_length=100)
    """Output channels of each layer; their number is the number of layers."""
    kernel_columns: Annotated[Annotated[Odd, Tag("one")] | Annotated[Each, Tag("each")], ONE_OR_EACH] = 7
    """Width of the square spatial kernel in columns, odd; or a size for each layer, a width or (rows, columns)."""
    stride: Annotated[Annotated[Columns, Tag("one")] | Annotated[Each, Tag("each")], ONE_OR_EACH] = 1
    """Columns from one place of a layer to the next, of all layers or for each."""
    padding: tuple[Margin, ...] | None = None
    """Columns beyond the edge of the lattice that each layer still reads, as zero; None is half a kernel, which keeps
    the size of the maps."""
    activation: Activations | None = None
    """In front of all layers, or of each; None is the identity for the first and ``leaky_relu`` for all others.
    ``learned_leaky_relu`` has a slope of its own in each layer, which is trained."""
    slope: NonNegativeFloat = LEAKY_SLOPE
    """Slope of the leaky rectifier for negative input; where a learned one starts, which stays between 0 and 1."""
    filter: FilterConfig = Field(default_factory=ExponentialConfig)
    norm: NormConfig = Field(default_factory=BatchNorm)
    bias: bool | None = None
    """Whether a layer adds a bias before its normalisation; None adds one unless the normalisation has its
    own, as that of batches."""
    weight_init: PositiveFloat = 1.0
    """Standard deviation of the initial spatial weights times the square root of the number of inputs."""
    bias_init: tuple[float, float] = (0.0, 0.0)
    """Initial biases are drawn uniformly from this range."""

    @field_validator("filter")
    @classmethod
    def _has_one_drive(cls, filter: FilterKind) -> FilterKind:
        return require_one_drive(filter)

    @model_validator(mode="after")
    def _fits_its_layers(self) -> Self:
        for name in ("kernel_columns", "stride", "padding", "activation"):
            each = getattr(self, name)
            if isinstance(each, tuple) and len(each) != len(self.channels):
                raise ValueError(f"{name} has {len(each)} entries for {len(self.channels)} layers")
        for i in range(len(self.channels)):
            kernel = self._kernel(i)
            padding = self._padding(i)
            if padding is None:
                for width in kernel:
                    _is_odd(width)
            elif padding[0] >= kernel[0] or padding[1] >= kernel[1]:
                raise ValueError(f"padding {padding} of layer {i} is not smaller than its kernel {kernel}")
        return self

    @model_validator(mode="after")
    def _starts_within_bounds(self) -> Self:
        if self.slope > 1 and any(self.in_front(i).name == LEARNED for i in range(len(self.channels))):
            raise ValueError(
                f"slope is {self.slope:g}, and a slope that is learned ({LEARNED}) stays between 0 and 1; "
                "choose one of at most 1, or leaky_relu, whose slope is not trained"
            )
        return self

    def convolution(self, i: int) -> Convolution:
        """Return size and steps of the spatial convolution of layer ``i``."""
        kernel = self._kernel(i)
        padding = self._padding(i)
        if padding is None:
            padding = (kernel[0] // 2, kernel[1] // 2)
        return Convolution(kernel, _pair(self.stride[i] if isinstance(self.stride, tuple) else self.stride), padding)

    def in_front(self, i: int) -> Activation:
        """Return the activation in front of layer ``i``."""
        if self.activation is None:
            return activation("leaky_relu" if i else "identity", self.slope)
        name = self.activation if isinstance(self.activation, str) else self.activation[i]
        return activation(name, self.slope)

    def _kernel(self, i: int) -> Pair:
        return _pair(self.kernel_columns[i] if isinstance(self.kernel_columns, tuple) else self.kernel_columns)

    def _padding(self, i: int) -> Pair | None:
        return None if self.padding is None else _pair(self.padding[i])


def _pair(size: int | Pair) -> Pair:
    return size if isinstance(size, tuple) else (size, size)


def draw_weights(shape: tuple[int, ...], n_inputs: int, weight_init: float) -> Tensor:
    """Draw uniform initial weights whose standard deviation is ``weight_init / sqrt(n_inputs)``."""
    return (2 * torch.rand(shape) - 1) * weight_init * (3 / n_inputs) ** 0.5


def convolve_columns(x: Tensor, weight: Tensor, shape: Convolution | None = None) -> Tensor:
    """Correlate maps ``(T, B, Y, X, C)`` with ``weight`` ``(O, C, kY, kX)``, grey outside; None keeps the size."""
    frames, clips = x.shape[:2]
    pictures = x.flatten(0, 1).permute(0, 3, 1, 2)
    if shape is None or shape.keeps_size:
        made = correlate(pictures, weight)
    else:
        weight = weight.contiguous(memory_format=torch.channels_last)
        made = F.conv2d(pictures, weight, stride=shape.stride, padding=shape.padding)
    return made.permute(0, 2, 3, 1).unflatten(0, (frames, clips))


class HiddenLayer(nn.Module):
    """One hidden layer.

    Args:
        in_channels: channels of the maps it reads.
        out_channels: channels of the maps it makes.
        config: the stack.
        i: which layer of it this is.
        lattice: on which its maps lie; its size says nothing.
    """

    parameter_bounds: Mapping[str, Interval] = MappingProxyType({"slope_root": (-1.0, 1.0)})
    """Beyond them a learned slope, which is one at most, would have no gradient that leads back."""

    def __init__(self, in_channels: int, out_channels: int, config: HiddenConfig, i: int, lattice: MapLattice) -> None:
        super().__init__()
        self.starts_with = config.in_front(i)
        self.slope_root: nn.Parameter | None = None
        """Root of a slope that is learned, so that the slope is never negative."""
        if self.starts_with.name == LEARNED:
            self.slope_root = nn.Parameter(torch.tensor(self.starts_with.slope**0.5))
        self.convolution = config.convolution(i)
        rows, columns = self.convolution.kernel
        mask = lattice.kind.kernel_mask(self.convolution.kernel)
        n_places = rows * columns if mask is None else int(mask.sum())
        drawn = draw_weights((out_channels, in_channels, rows, columns), in_channels * n_places, config.weight_init)
        self.register_buffer("mask", mask, persistent=False)
        self.mask: Tensor | None
        self.weight = nn.Parameter(within(mask, drawn))
        self.filter = TemporalFilter(config.filter, out_channels)
        self.norm = config.norm.build(out_channels, lattice)
        low, high = config.bias_init
        biased = not config.norm.STANDARDISES if config.bias is None else config.bias
        self.bias = nn.Parameter(low + (high - low) * torch.rand(out_channels)) if biased else None

    @property
    def activation(self) -> Activation:
        """What stands in front of the layer, a learned slope as the number it is by now."""
        if self.slope_root is None:
            return self.starts_with
        return activation("leaky_relu", float(self._slope(self.slope_root.detach())))

    @property
    def learns_slope(self) -> bool:
        """Whether the slope of its rectifier is trained, which PyTorch alone can do."""
        return self.slope_root is not None and self.slope_root.requires_grad

    @staticmethod
    def _slope(root: Tensor) -> Tensor:
        return root.square().clamp(max=1)

    def _rectified(self, x: Tensor) -> Tensor:
        """Apply the activation; differentiable in a slope that is learned."""
        if self.slope_root is None or not self.learns_slope:
            return self.activation(x)
        return torch.where(x > 0, x, x * self._slope(self.slope_root).to(x.dtype))

    @property
    def kernel(self) -> Tensor:
        """The spatial weights ``(O, C, kY, kX)``, zero at columns that are no part of the kernel."""
        return within(self.mask, self.weight)

    def computed(self, window: Window, lattice: Pair) -> Window:
        """Return what has to be computed of maps of size ``lattice`` for a window of them, normalised."""
        down, right = (0, 0) if self.norm is None else self.norm.reach
        top, bottom, left, right_end = window
        return Window(top - down, bottom + down, left - right, right_end + right).within(lattice)

    def linear(self, x: Tensor, rate_hz: float, state: FilterState | None = None) -> tuple[Tensor, FilterState]:
        """Activation, convolution, filter and bias: ``(T, B, Y, X, C)`` before the normalisation, and the state."""
        gain = self.filter.gain(rate_hz)
        weight = self.kernel if gain is None else self.kernel * gain.view(-1, 1, 1, 1)
        y, state = self.filter(convolve_columns(self._rectified(x), weight, self.convolution), rate_hz, state)
        return (y if self.bias is None else y + self.bias), state

    def normalise(self, y: Tensor, multiplicity: Tensor | None = None, observe: bool = True) -> Tensor:
        """Apply the normalisation, if the layer has one; arguments as of :class:`~stcnn.nn.norms.kind.Norm`."""
        if self.norm is None:
            return y
        normalised: Tensor = self.norm(y, multiplicity, observe)
        return normalised
