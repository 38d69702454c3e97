"""A low-pass whose gain a slow state divides, as photoreceptors adapt to the luminance around them.

With luminance I (the input plus ``grey``, which is zero contrast), its fast and its slow low-pass p and s,

    y = (1 + w grey) p / (1 + w s) - grey

is the model of Clark et al. 2013 (doi 10.1371/journal.pcbi.1003289) with an instant last stage. A steady luminance well
above 1/w is answered alike whatever it is, and a quick change by its contrast p/s - 1: Weber's law. In grey the answer
is zero and the gain one, so that w = 0 is the plain low-pass. Compare Idrees et al. 2024 (doi
10.1038/s41467-024-50114-5), who put adapting photoreceptors in front of networks so that they answer at other light
levels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from stcnn.nn.filters.exponential import Integrator, exponential_filter
from stcnn.nn.filters.kind import Constants, FilterKind, FilterParameter, FilterState, Range
from stcnn.nn.filters.stateful import State, StatefulFilter


class AdaptingConfig(FilterKind):
    """A low-pass divided by a slower one; of the eye above all, where both time constants and the weight are fixed."""

    kind: Literal["adapting"] = "adapting"
    PARAMETERS: ClassVar[Mapping[str, FilterParameter]] = {
        "tau_s": FilterParameter("time constant", "s", (0.005, None), "tau_init_s", is_log=True),
        "adaptation_tau_s": FilterParameter(
            "time constant of adaptation", "s", (0.02, None), "adaptation_tau_init_s", is_log=True
        ),
        "adaptation_weight": FilterParameter("weight of adaptation", "", (0.0, None), "adaptation_weight_init"),
    }
    tau_init_s: Range = (0.01, 0.16)
    """Initial time constants are drawn log-uniformly from this range; in the eye it is ``model.eye.tau_s``."""
    adaptation_tau_init_s: Range = (0.5, 0.5)
    """The same of the slow state."""
    adaptation_weight_init: tuple[NonNegativeFloat, NonNegativeFloat] = (10.0, 10.0)
    """Range of the initial weight w, per luminance: adaptation begins at a luminance of 1/w."""
    grey: NonNegativeFloat = 0.5
    """Luminance of zero contrast: the background of the movies."""

    def filtered(
        self, x: Tensor, constants: Constants, rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Divide the fast low-pass by the slow one."""
        fast, slow = (None, None) if state is None else map(FilterState, state.last.unbind())
        p, fast = exponential_filter(x, constants["tau_s"], 1 / rate_hz, state=fast)
        s, slow = exponential_filter(x, constants["adaptation_tau_s"], 1 / rate_hz, state=slow)
        return divided(p, s, constants["adaptation_weight"], self.grey), FilterState(
            torch.stack([fast.last, slow.last])
        )

    def stateful(
        self, constants: Constants, rate_hz: float, offset: Tensor, *, places: int, clips: int
    ) -> StatefulFilter:
        """Return the same with both states in place."""
        return Adapting(self, constants.detached(), rate_hz, offset, places=places, clips=clips)


def divided(p: Tensor, s: Tensor, weight: Tensor, grey: float) -> Tensor:
    """Return the answer to fast and slow low-passes of the input; a luminance below zero adapts as darkness does."""
    weight = weight.to(p)
    return (1 + weight * grey) * (p + grey) / (1 + weight * (s + grey).clamp(min=0)) - grey


class Adapting(StatefulFilter):
    """The adapting low-pass of some clips; arguments as of :meth:`AdaptingConfig.stateful`."""

    def __init__(
        self,
        config: AdaptingConfig,
        constants: Constants,
        rate_hz: float,
        offset: Tensor,
        *,
        places: int,
        clips: int,
    ) -> None:
        super().__init__(offset, places, clips)
        self.grey = config.grey
        self.weight = self._row(constants["adaptation_weight"])
        none = torch.zeros_like(offset)
        self.each = {
            name: Integrator(constants[key], 1 / rate_hz, None, none, places=places, clips=clips)
            for name, key in (("fast", "tau_s"), ("slow", "adaptation_tau_s"))
        }

    @property
    def input_offset(self) -> None:
        """Nothing: what is added to the output would adapt with the input."""
        return

    def filter(self, rows: Tensor) -> Tensor:
        """Filter rows."""
        p, s = (integrator.filter(rows.clone()) for integrator in self.each.values())
        return divided(p, s, self.weight, self.grey) + self._row(self.offset)

    def settle(self, row: Tensor) -> Tensor:
        """Adapt to a constant input."""
        p, s = (integrator.settle(row) for integrator in self.each.values())
        return divided(p, s, self.weight, self.grey) + self._row(self.offset)

    def reset(self) -> None:
        """Be adapted to grey."""
        for integrator in self.each.values():
            integrator.reset()

    def state(self) -> State:
        """Return both low-passes, ``fast`` and ``slow``."""
        return {name: integrator.state()["last"] for name, integrator in self.each.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from both low-passes."""
        for name, integrator in self.each.items():
            integrator.load({"last": state[name]} if name in state else {})
