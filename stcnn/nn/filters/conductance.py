"""A membrane with excitatory and inhibitory conductances, which divide as well as add.

    tau dv/dt = e (E_e - v) + i (E_i - v) - v,      e = [x_e + e_0],  i = [x_i + i_0]

in units of the leak conductance, the leak's reversal at zero; [x] is a rectifier. Drives are held for a frame, during
which the equation is linear, so that

    v[t] = v[t-1] + (1 - exp(-g dt/tau)) (u - v[t-1]),   g = 1 + e + i,   u = (e E_e + i E_i) / g

is exact at every frame rate. Inhibition with a reversal near rest changes little alone and divides what excitation
does: so T4 and T5 answer a bar that moves with less than the sum of what they answer to its places (Gruntman et al.
2018, doi 10.1038/s41593-017-0046-4; 2019, doi 10.7554/eLife.50706; Torre & Poggio 1978).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.filters.kind import Constants, FilterKind, FilterParameter, FilterState, Range
from stcnn.nn.filters.stateful import State, StatefulFilter
from stcnn.nn.ops.varying_leak import varying_leak

Interval = tuple[float, float]


class ConductanceConfig(FilterKind):
    """A membrane whose leak grows with its input; reads an excitatory and an inhibitory drive. Of readouts only."""

    kind: Literal["conductance"] = "conductance"
    """Kernel in time; the page on the model has the formula of each kind."""
    INPUTS: ClassVar[int] = 2
    PARAMETERS: ClassVar[Mapping[str, FilterParameter]] = {
        "tau_s": FilterParameter("time constant", "s", (0.005, None), "tau_init_s", is_log=True),
        "excitation_reversal": FilterParameter("reversal of excitation", "", (0.1, None), "excitation_reversal_init"),
        "inhibition_reversal": FilterParameter("reversal of inhibition", "", (None, 0.0), "inhibition_reversal_init"),
        "excitation_bias": FilterParameter("bias of excitation", "", (None, None), "bias_init"),
        "inhibition_bias": FilterParameter("bias of inhibition", "", (None, None), "bias_init"),
    }
    tau_init_s: Range = (0.02, 0.04)
    """Initial time constants of the membrane at rest are drawn log-uniformly from this range."""
    excitation_reversal_init: Interval = (8.0, 8.0)
    """Range of the initial reversal potential of excitation, above rest, in units of the voltage."""
    inhibition_reversal_init: Interval = (-1.0, -1.0)
    """The same of inhibition."""
    bias_init: Interval = (0.1, 0.1)
    """Range of the initial biases of both drives, which are conductances at rest where they are rectified."""
    rectifier: Literal["relu", "softplus"] = "relu"
    """Rectifier that makes conductances of drives. A softplus is exponential for weak drives, so that they multiply."""

    def filtered(
        self, x: Tensor, constants: Constants, rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Return voltages ``(T, ..., C)`` to drives ``(T, ..., 2 C)``, excitation of all channels first."""
        x = x if x.dtype == torch.float64 else x.float()
        target, share = self.towards(x, constants, 1 / rate_hz)
        start = self.resting(constants).to(x).expand(target.shape[1:]) if state is None else state.last
        v = varying_leak(target, share, start)
        return v, FilterState(v[-1])

    def stateful(
        self, constants: Constants, rate_hz: float, offset: Tensor, *, places: int, clips: int
    ) -> StatefulFilter:
        """Return the membrane with its voltage in place."""
        return Membrane(self, constants.detached(), rate_hz, offset, places=places, clips=clips)

    def towards(self, x: Tensor, constants: Constants, dt_s: float) -> tuple[Tensor, Tensor]:
        """Return where drives ``(..., 2 C)`` lead and the share of the way gone in a frame, both ``(..., C)``."""
        rectified = F.relu if self.rectifier == "relu" else F.softplus
        e, i = x.chunk(2, -1)
        e = rectified(e + constants["excitation_bias"].to(x))
        i = rectified(i + constants["inhibition_bias"].to(x))
        g = 1 + e + i
        driven = e * constants["excitation_reversal"].to(x) + i * constants["inhibition_reversal"].to(x)
        return driven / g, -torch.expm1(-g * dt_s / constants["tau_s"].to(x))

    def resting(self, constants: Constants) -> Tensor:
        """Return the voltage without drive, ``(C,)``."""
        tau_s = constants["tau_s"]
        return self.towards(tau_s.new_zeros(2 * len(tau_s)), constants, 1.0)[0]


class Membrane(StatefulFilter):
    """The membrane of some clips; arguments as of :meth:`ConductanceConfig.stateful`."""

    def __init__(
        self,
        config: ConductanceConfig,
        constants: Constants,
        rate_hz: float,
        offset: Tensor,
        *,
        places: int,
        clips: int,
    ) -> None:
        super().__init__(offset, places, clips)
        self.config = config
        self.constants = constants
        self.dt_s = 1 / rate_hz
        self.start = config.resting(constants).repeat(clips * places)
        self.last = self.start

    @property
    def input_offset(self) -> None:
        """Nothing: what is added to the voltage is no drive."""
        return

    def _towards(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        drives = rows.view(len(rows), self.clips * self.places, -1)
        target, share = self.config.towards(drives, self.constants, self.dt_s)
        return target.flatten(1), share.flatten(1)

    def filter(self, rows: Tensor) -> Tensor:
        """Return voltages ``(T, B P C)`` to drives ``(T, B P 2 C)``."""
        target, share = self._towards(rows)
        v = varying_leak(target, share, self.last)
        self.last = v[-1].clone()
        return v + self._row(self.offset)

    def settle(self, row: Tensor) -> Tensor:
        """Go where a constant drive leads."""
        self.last = self._towards(row.unsqueeze(0))[0][0]
        return self.last + self._row(self.offset)

    def reset(self) -> None:
        """Go where no drive leads."""
        self.last = self.start

    def state(self) -> State:
        """Return the voltage without its offset, ``last``."""
        return {"last": self.last.unsqueeze(0).clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a voltage."""
        self.last = self._fitting(state, "last", self.last.unsqueeze(0))[0].clone()
