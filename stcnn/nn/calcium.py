"""From voltage to what was recorded: rectifier, indicator filter, then gain and offset of each neuron.

    dF/F = offset + softplus(gain) * filter(rectifier(voltage))

Where a voltage or a firing rate was recorded there is no indicator (``kind: none``) and no filter: the offset is the
baseline, the gain a factor, both in the unit of the recording. Recordings of several indicators in one set each have
their own time constant (``tau: per_indicator``): a recording names its indicator, a neuron has one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, Self, cast

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from stcnn.errors import ConfigError, nearest
from stcnn.nn.activation import activation
from stcnn.nn.filters import FilterConfig
from stcnn.nn.filters.exponential import ExponentialConfig
from stcnn.nn.filters.kind import Constants, FilterKind, FilterState, Range, require_one_drive, require_unused_tau
from stcnn.validation import Config

RectifierName = Literal["elu", "softplus", "relu", "leaky_relu", "tanh", "identity"]
POSITIVE: tuple[RectifierName, ...] = ("elu", "softplus", "relu")
"""Rectifiers whose output is never below zero."""
Indicators = Mapping[str, Sequence[str]]
"""Name of the indicator of every neuron, by cell type."""

INSTANT_S = 1e-9
"""Time constant of no indicator: ``exp(-dt/tau)`` is zero at any frame rate, and so is its derivative."""
OTHER_INDICATORS = "default"
"""Entry of ``calcium.indicators`` that serves every indicator without one of its own."""


def rectified(voltage: Tensor, rectifier: RectifierName) -> Tensor:
    """Return what of the voltage drives the calcium, always a tensor of its own, which may be overwritten."""
    if rectifier == "softplus":
        return F.softplus(voltage)
    if rectifier == "elu":
        return F.elu(voltage) + 1
    if rectifier == "identity":
        return voltage.clone()
    return activation(rectifier)(voltage)


class IndicatorConfig(Config):
    """One of several indicators in a set."""

    kind: Literal["exponential", "none"] = "exponential"
    """``none`` for voltages and firing rates."""
    tau_init_s: Range = (0.4, 0.4)
    """Range of the initial time constant."""


class CalciumConfig(Config):
    """The indicator, and where gains and offsets start."""

    kind: Literal["indicator", "none"] = "indicator"
    """``none``: a voltage or a firing rate was recorded; the rectifier's output is scaled and not filtered."""
    rectifier: RectifierName = "elu"
    """``elu`` is ELU(v) + 1: exponential below zero, linear above; the others are what they are called."""
    tau: Literal["global", "per_type", "per_indicator"] = "global"
    """Which time constant filters: one for all types, one per cell type, or one per indicator that the recordings
    name."""
    tau_init_s: Range = (0.4, 0.4)
    """Range of the initial time constants."""
    indicators: dict[str, IndicatorConfig] = Field(default_factory=dict)
    """With ``tau: per_indicator``, settings of each indicator by its name in the recordings, whatever the case;
    ``default`` serves the others."""
    filter: FilterConfig = Field(default_factory=ExponentialConfig)
    """Kind, scale and length of the indicator's kernel. Its time constants start in ``tau_init_s``, not in a range of
    the kernel's; other constants of a kind are trained as its time constants are."""
    gain_init: tuple[float, float] = (0.0, 0.0)
    """Range of the initial gains before their softplus."""
    offset_init: tuple[float, float] = (0.0, 0.0)
    """Range of the initial offsets in dF/F."""

    @field_validator("filter")
    @classmethod
    def _can_stand_here(cls, filter: FilterKind) -> FilterKind:
        return require_unused_tau(require_one_drive(filter), "calcium.tau_init_s")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.indicators and self.tau != "per_indicator":
            raise ValueError(f"'indicators' are named, but tau is '{self.tau}': give tau=per_indicator")
        if self.kind == "none" and self.tau != "global":
            raise ValueError(f"kind is 'none', which has no time constant, but tau is '{self.tau}': leave tau out")
        has_none = any(indicator.kind == "none" for indicator in self.indicators.values())
        if has_none and not isinstance(self.filter, ExponentialConfig):
            raise ValueError(f"an indicator is of kind 'none', which goes with no filter of kind '{self.filter.kind}'")
        return self

    def indicator(self, name: str) -> IndicatorConfig:
        """Return the settings of an indicator.

        Raises:
            ConfigError: there are none, and no default.
        """
        by_name = {known.lower(): settings for known, settings in self.indicators.items()}
        found = by_name.get(name.lower(), by_name.get(OTHER_INDICATORS))
        if found is None:
            raise ConfigError(
                f"the recordings name the indicator '{name}', of which model.calcium.indicators says nothing",
                expected=f"an entry of that name, or '{OTHER_INDICATORS}' for all others",
                remedy=nearest(name, self.indicators) if self.indicators else "",
            )
        return found


def others(filter: FilterKind, channels: int) -> Constants:
    """Draw the initial constants of a kernel but its time constant, which starts where the indicator says."""
    if not filter.PARAMETERS.keys() - {"tau_s"}:
        return Constants()
    return Constants({name: values for name, values in filter.draw(channels).items() if name != "tau_s"})


def register(part: nn.Module, prefix: str, constants: Constants) -> None:
    """Make constants parameters of a part of the network."""
    for name, values in constants.items():
        part.register_parameter(prefix + name, nn.Parameter(values))


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
        if config.tau == "per_type":
            register(self, "", others(config.filter, 1))


class Calcium(nn.Module):
    """The indicator of all cell types.

    Args:
        config: rectifier, kernel and initial values.
        n_neurons: number of neurons of each cell type.
        indicators: of every neuron, needed with ``tau: per_indicator``.

    Raises:
        ConfigError: it is not known which indicator a neuron has, or what that is.
    """

    def __init__(self, config: CalciumConfig, n_neurons: dict[str, int], indicators: Indicators | None = None) -> None:
        super().__init__()
        self.config = config
        low, high = config.tau_init_s
        self.tau_s = nn.Parameter(low + (high - low) * torch.rand(1))
        self.types = nn.ModuleDict({name: Neurons(n, config) for name, n in n_neurons.items()})
        self.indicators: tuple[str, ...] = ()
        """Names of the indicators in the order of ``indicator_tau_s``; only with ``tau: per_indicator``."""
        self.filter = config.filter if config.kind == "indicator" else ExponentialConfig()
        if config.tau == "per_indicator":
            self._draw_indicators(n_neurons, indicators or {})
            register(self, "indicator_", others(config.filter, len(self.indicators)))
        elif config.tau == "global":
            register(self, "", others(self.filter, 1))

    def _draw_indicators(self, n_neurons: Mapping[str, int], named: Indicators) -> None:
        names = [indicator for name in n_neurons for indicator in named.get(name, ())]
        if len(names) != sum(n_neurons.values()):
            raise ConfigError(
                "model.calcium.tau is 'per_indicator', but the indicator of every neuron is not known",
                expected="recordings that name their indicator",
                remedy="name it when they are imported, or choose tau=per_type",
            )
        self.indicators = tuple(dict.fromkeys(names))
        settings = [self.config.indicator(name) for name in self.indicators]
        ranges = torch.tensor([each.tau_init_s for each in settings])
        drawn = ranges[:, 0] + (ranges[:, 1] - ranges[:, 0]) * torch.rand(len(ranges))
        self.indicator_tau_s = nn.Parameter(drawn)
        self.is_instant = [each.kind == "none" for each in settings]
        """Which of the indicators are none."""
        which = torch.tensor([self.indicators.index(name) for name in names])
        self.register_buffer("indicator_of_neuron", which, persistent=False)
        self.indicator_of_neuron: Tensor

    @property
    def each(self) -> list[Neurons]:
        """The neurons of each cell type, in order."""
        return cast(list[Neurons], list(self.types.values()))

    @property
    def unused(self) -> list[nn.Parameter]:
        """Time constants that filter nothing."""
        shared = [self.tau_s]
        of_types = [neurons.tau_s for neurons in self.each]
        if self.config.tau == "per_indicator" or self.config.kind == "none" or "tau_s" not in self.filter.PARAMETERS:
            return shared + of_types
        return of_types if self.config.tau == "global" else shared

    def constants(self) -> Constants:
        """Return the constants of the kernel of each cell type, ``(N,)``: of the indicator most of its neurons have."""
        n_types = len(self.types)
        if self.config.kind == "none":
            return Constants(tau_s=torch.full_like(self.tau_s, INSTANT_S).expand(n_types))
        if self.config.tau == "global":
            return Constants({name: getattr(self, name).expand(n_types) for name in self.filter.PARAMETERS})
        if self.config.tau == "per_indicator":
            which = self.indicator_of_neuron.split([len(neurons.gain) for neurons in self.each])
            usual = [Counter(of_type.tolist()).most_common(1)[0][0] for of_type in which]
            return self.indicator_constants().of(torch.tensor(usual))
        names = self.filter.PARAMETERS
        return Constants({name: torch.cat([getattr(neurons, name) for neurons in self.each]) for name in names})

    def time_constants(self) -> Tensor:
        """Return the time constant of each cell type, ``(N,)``; zero of a kernel that has none."""
        return self.constants().get("tau_s", self.tau_s.new_zeros(len(self.types)))

    def indicator_constants(self) -> Constants:
        """Return the constants of each of several indicators, ``(I,)``."""
        found = Constants({name: getattr(self, f"indicator_{name}") for name in self.filter.PARAMETERS})
        instant = torch.tensor(self.is_instant, device=self.tau_s.device)
        if instant.any():
            found["tau_s"] = found["tau_s"].masked_fill(instant, INSTANT_S)
        return found

    def neuron_constants(self, cell_type: Tensor, neuron: Tensor) -> Constants:
        """Return the constants of single neurons, ``(R,)``; arguments as in :meth:`neuron`."""
        if self.config.tau == "per_indicator":
            return self.indicator_constants().of(self.indicator_of_neuron[self._place(cell_type, neuron)])
        return self.constants().of(cell_type)

    def kernel_gain(self, constants: Constants, rate_hz: float) -> Tensor | float:
        """Return the factor of the indicator's kernel, ``(C,)``; one where there is no indicator."""
        gain = self.filter.gain(constants, rate_hz)
        return 1.0 if gain is None else torch.where(constants["tau_s"] > INSTANT_S, gain, 1.0)

    def forward(self, voltage: Tensor, rate_hz: float, state: FilterState | None = None) -> tuple[Tensor, FilterState]:
        """Rectify and filter voltages ``(T, B, N)``: dF/F of a neuron of gain one and offset zero, and the state."""
        return self.filtered(voltage, self.constants(), rate_hz, state)

    def filtered(
        self, voltage: Tensor, constants: Constants, rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Rectify and filter voltages ``(T, ..., C)`` with constants ``(C,)``; without an indicator rectify."""
        rate = rectified(voltage, self.config.rectifier)
        if self.config.kind == "none":
            return rate, FilterState(rate[-1])
        trace, state = self.filter.filtered(rate, constants, rate_hz, state)
        return trace * self.kernel_gain(constants, rate_hz), state

    def of_neurons(self, voltage: Tensor, clip: Tensor, cell_type: Tensor, neuron: Tensor, rate_hz: float) -> Tensor:
        """Return dF/F of single neurons, ``(R, T)``; arguments as in :meth:`stcnn.nn.model.STCNN.calcium_of`."""
        rows = voltage.transpose(0, 1)
        if self.config.tau == "per_indicator":
            seen = torch.stack([clip, cell_type, self.indicator_of_neuron[self._place(cell_type, neuron)]])
            columns, which = seen.unique(dim=1, return_inverse=True)
            constants = self.indicator_constants().of(columns[2])
            filtered = self.filtered(rows[:, columns[0], columns[1]], constants, rate_hz)[0][:, which]
        else:
            filtered = self(rows, rate_hz)[0][:, clip, cell_type]
        gain, offset = self.neuron(cell_type, neuron)
        return offset[:, None] + gain[:, None] * filtered.T

    def _place(self, cell_type: Tensor, neuron: Tensor) -> Tensor:
        """Return the place of single neurons among those of all cell types, ``(R,)``."""
        counts = [neurons.gain.shape[0] for neurons in self.each]
        first = torch.tensor([0, *counts[:-1]], device=neuron.device).cumsum(0)
        return first[cell_type] + neuron

    def neuron(self, cell_type: Tensor, neuron: Tensor) -> tuple[Tensor, Tensor]:
        """Return gain (after softplus) and offset of single neurons.

        Args:
            cell_type: index of the cell type of each, ``(R,)``.
            neuron: index within its type, ``(R,)``.
        """
        index = self._place(cell_type, neuron)
        gain = torch.cat([neurons.gain for neurons in self.each])[index]
        offset = torch.cat([neurons.offset for neurons in self.each])[index]
        return F.softplus(gain), offset

    def average(self) -> tuple[Tensor, Tensor]:
        """Return gain and offset ``(N,)`` of the average neuron: the mean taken before the softplus, as published."""
        gain = F.softplus(torch.stack([neurons.gain.mean() for neurons in self.each]))
        offset = torch.stack([neurons.offset.mean() for neurons in self.each])
        return gain, offset
