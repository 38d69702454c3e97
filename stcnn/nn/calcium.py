"""From voltage to calcium: rectifier, indicator filter, then gain and offset of each neuron.

``dF/F = offset + softplus(gain) * filter(rectifier(voltage))``
"""

from __future__ import annotations

from typing import Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from stcnn.nn.activation import activation
from stcnn.nn.filters.exponential import ExponentialConfig, exponential_filter, exponential_gain
from stcnn.nn.filters.kind import FilterState, Range, n_taps
from stcnn.validation import Config

RectifierName = Literal["elu", "softplus", "relu", "leaky_relu", "tanh", "identity"]


def rectified(voltage: Tensor, rectifier: RectifierName) -> Tensor:
    """Return what of the voltage drives the calcium, always a tensor of its own, which may be overwritten."""
    if rectifier == "softplus":
        return F.softplus(voltage)
    if rectifier == "elu":
        return F.elu(voltage) + 1
    if rectifier == "identity":
        return voltage.clone()
    return activation(rectifier)(voltage)


class CalciumConfig(Config):
    """The indicator, and where gains and offsets start."""

    rectifier: RectifierName = "elu"
    """``elu`` is ELU(v) + 1: exponential below zero, linear above; the others are what they are called."""
    tau: Literal["global", "per_type"] = "global"
    """Which time constant filters: one for all types, or one per cell type."""
    tau_init_s: Range = (0.4, 0.4)
    filter: ExponentialConfig = Field(default_factory=ExponentialConfig)
    """Scale and length of the indicator's kernel; its initial time constants are not used."""
    gain_init: tuple[float, float] = (0.0, 0.0)
    """Range of the initial gains before their softplus."""
    offset_init: tuple[float, float] = (0.0, 0.0)
    """Range of the initial offsets in dF/F."""


class Neurons(nn.Module):
    """Gain and offset of every neuron of one cell type, and the type's own time constant."""

    def __init__(self, n_neurons: int, config: CalciumConfig) -> None:
        super().__init__()
        for name, (low, high) in (("offset", config.offset_init), ("gain", config.gain_init)):
            self.register_parameter(name, nn.Parameter(low + (high - low) * torch.rand(n_neurons)))
        low, high = config.tau_init_s
        self.tau_s = nn.Parameter(low + (high - low) * torch.rand(1))
        self.offset: Tensor
        self.gain: Tensor


class Calcium(nn.Module):
    """The indicator of all cell types.

    Args:
        config: rectifier, kernel and initial values.
        n_neurons: number of neurons of each cell type.
    """

    def __init__(self, config: CalciumConfig, n_neurons: dict[str, int]) -> None:
        super().__init__()
        self.config = config
        low, high = config.tau_init_s
        self.tau_s = nn.Parameter(low + (high - low) * torch.rand(1))
        self.types = nn.ModuleDict({name: Neurons(n, config) for name, n in n_neurons.items()})

    @property
    def each(self) -> list[Neurons]:
        """The neurons of each cell type, in order."""
        return cast(list[Neurons], list(self.types.values()))

    def time_constants(self) -> Tensor:
        """Return the time constant of each cell type, ``(N,)``."""
        if self.config.tau == "global":
            return self.tau_s.expand(len(self.types))
        return torch.cat([neurons.tau_s for neurons in self.each])

    def forward(self, voltage: Tensor, rate_hz: float, state: FilterState | None = None) -> tuple[Tensor, FilterState]:
        """Rectify and filter voltages ``(T, B, N)``: dF/F of a neuron of gain one and offset zero, and the state."""
        return self.filtered(voltage, self.time_constants(), rate_hz, state)

    def filtered(
        self, voltage: Tensor, tau_s: Tensor, rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Rectify and filter voltages ``(T, ..., C)`` with time constants ``(C,)``."""
        rate = rectified(voltage, self.config.rectifier)
        dt_s = 1 / rate_hz
        trace, state = exponential_filter(rate, tau_s, dt_s, n_taps(self.config.filter.kernel_s, dt_s), state)
        return trace * exponential_gain(tau_s, dt_s, self.config.filter), state

    def neuron(self, cell_type: Tensor, neuron: Tensor) -> tuple[Tensor, Tensor]:
        """Return gain (after softplus) and offset of single neurons.

        Args:
            cell_type: index of the cell type of each, ``(R,)``.
            neuron: index within its type, ``(R,)``.
        """
        counts = [neurons.gain.shape[0] for neurons in self.each]
        first = torch.tensor([0, *counts[:-1]], device=neuron.device).cumsum(0)
        index = first[cell_type] + neuron
        gain = torch.cat([neurons.gain for neurons in self.each])[index]
        offset = torch.cat([neurons.offset for neurons in self.each])[index]
        return F.softplus(gain), offset

    def average(self) -> tuple[Tensor, Tensor]:
        """Return gain and offset ``(N,)`` of the average neuron: the mean taken before the softplus, as published."""
        gain = F.softplus(torch.stack([neurons.gain.mean() for neurons in self.each]))
        offset = torch.stack([neurons.offset.mean() for neurons in self.each])
        return gain, offset
