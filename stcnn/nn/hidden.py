"""Hidden layers: activation, spatial convolution over columns, temporal filter, bias, normalisation.

Convention: maps are frame-major with channels last, ``(T, B, Y, X, C)``: a frame is one contiguous row of the
recurrence, and the same memory is a channels-last picture for the convolution.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from stcnn.nn.ops.correlate import correlate
from stcnn.nn.temporal import ExponentialConfig, FilterConfig, FilterState, TemporalFilter

LEAKY_SLOPE = 0.01


def _is_odd(width: int) -> int:
    if width % 2 == 0:
        raise ValueError(f"{width} columns have no middle one; choose an odd number")
    return width


Odd = Annotated[PositiveInt, AfterValidator(_is_odd)]


class NormConfig(BaseModel):
    """Batch normalisation over clips, frames and columns, or none (then each layer has a bias)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["batch", "none"] = "batch"
    eps: PositiveFloat = 1e-5
    momentum: PositiveFloat = Field(0.1, le=1)


class HiddenConfig(BaseModel):
    """The stack of hidden layers; the first has no activation in front, all others a leaky rectifier."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    channels: tuple[PositiveInt, ...] = Field((10, 10, 10, 10), min_length=1)
    """Output channels of each layer; their number is the number of layers."""
    kernel_columns: Odd = 7
    """Width of the square spatial kernel in columns; odd."""
    slope: NonNegativeFloat = LEAKY_SLOPE
    """Slope of the rectifier for negative input."""
    filter: FilterConfig = Field(default_factory=ExponentialConfig)
    norm: NormConfig = Field(default_factory=NormConfig)
    bias: bool | None = None
    """Whether a layer adds a bias before its normalisation; None adds one only where there is no normalisation."""
    weight_init: PositiveFloat = 1.0
    """Standard deviation of the initial spatial weights times the square root of the number of inputs."""
    bias_init: tuple[float, float] = (0.0, 0.0)
    """Initial biases are drawn uniformly from this range."""


class WeightedBatchNorm(nn.Module):
    """Batch normalisation whose clips count with a multiplicity.

    With all multiplicities one it is ``torch.nn.BatchNorm2d``: biased variance for the output, unbiased variance in
    the running estimate. A clip of multiplicity m counts like m copies of it.
    """

    def __init__(self, channels: int, config: NormConfig) -> None:
        super().__init__()
        self.eps, self.momentum = config.eps, config.momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.running_mean: Tensor
        self.running_var: Tensor

    def forward(self, x: Tensor, multiplicity: Tensor | None = None, observe: bool = True) -> Tensor:
        """Normalise ``(T, B, Y, X, C)``; ``multiplicity`` ``(B,)`` weights the clips in the statistics.

        ``observe``: whether, in training, the running statistics move towards those of ``x``.
        """
        if not self.training:
            scale, shift = self.affine()
            return torch.addcmul(shift, x, scale)
        if multiplicity is None:
            multiplicity = x.new_ones(x.shape[1])
        per_clip = x[0, 0, ..., 0].numel() * x.shape[0]
        count = multiplicity.sum() * per_clip
        weight = (multiplicity / count).view(-1, 1, 1, 1)
        mean = (x * weight).sum((0, 1, 2, 3))
        centred = x - mean
        var = (centred.square() * weight).sum((0, 1, 2, 3))
        if observe:
            self.observe(mean.detach(), var.detach(), float(count))
        return torch.addcmul(self.bias, centred, self.weight * torch.rsqrt(var + self.eps))

    def observe(self, mean: Tensor, var: Tensor, count: float) -> None:
        """Move the running statistics towards those of a batch of ``count`` values per channel."""
        unbiased = var * (count / max(count - 1, 1))
        self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
        self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift per channel of the normalisation in evaluation."""
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale


def draw_weights(shape: tuple[int, ...], n_inputs: int, weight_init: float) -> Tensor:
    """Draw uniform initial weights whose standard deviation is ``weight_init / sqrt(n_inputs)``."""
    return (2 * torch.rand(shape) - 1) * weight_init * (3 / n_inputs) ** 0.5


def convolve_columns(x: Tensor, weight: Tensor) -> Tensor:
    """Correlate maps ``(T, B, Y, X, C)`` with ``weight`` ``(O, C, kY, kX)``, same size, grey outside."""
    frames, clips = x.shape[:2]
    pictures = x.flatten(0, 1).permute(0, 3, 1, 2)
    return correlate(pictures, weight).permute(0, 2, 3, 1).unflatten(0, (frames, clips))


class HiddenLayer(nn.Module):
    """One hidden layer.

    Args:
        in_channels: channels of the maps it reads.
        out_channels: channels of the maps it makes.
        config: what all layers share.
        slope: slope of the activation for negative input; 1 is no activation.
    """

    def __init__(self, in_channels: int, out_channels: int, config: HiddenConfig, slope: float) -> None:
        super().__init__()
        k = config.kernel_columns
        self.slope = slope
        shape = (out_channels, in_channels, k, k)
        self.weight = nn.Parameter(draw_weights(shape, in_channels * k * k, config.weight_init))
        self.filter = TemporalFilter(config.filter, out_channels)
        self.norm = WeightedBatchNorm(out_channels, config.norm) if config.norm.kind == "batch" else None
        low, high = config.bias_init
        biased = self.norm is None if config.bias is None else config.bias
        self.bias = nn.Parameter(low + (high - low) * torch.rand(out_channels)) if biased else None

    def linear(self, x: Tensor, rate_hz: float, state: FilterState | None = None) -> tuple[Tensor, FilterState]:
        """Activation, convolution, filter and bias: ``(T, B, Y, X, C)`` before the normalisation, and the state."""
        if self.slope != 1:
            x = F.leaky_relu(x, self.slope)
        gain = self.filter.gain(rate_hz)
        weight = self.weight if gain is None else self.weight * gain.view(-1, 1, 1, 1)
        y, state = self.filter(convolve_columns(x, weight), rate_hz, state)
        return (y if self.bias is None else y + self.bias), state

    def normalise(self, y: Tensor, multiplicity: Tensor | None = None, observe: bool = True) -> Tensor:
        """Apply the normalisation, if the layer has one; arguments as of :class:`WeightedBatchNorm`."""
        return y if self.norm is None else self.norm(y, multiplicity, observe)
