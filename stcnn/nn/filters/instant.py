"""No filter: every frame stands for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from stcnn.nn.filters.kind import Constants, FilterKind, FilterState
from stcnn.nn.filters.stateful import State, StatefulFilter


class NoFilterConfig(FilterKind):
    """No temporal filter: the layer answers instantly."""

    kind: Literal["none"] = "none"
    """Kernel in time; the page on the model has the formula of each kind."""

    def filtered(
        self, x: Tensor, constants: Constants, rate_hz: float, state: FilterState | None = None
    ) -> tuple[Tensor, FilterState]:
        """Return ``x`` itself."""
        return x, FilterState(x[-1])

    def stateful(
        self, constants: Constants, rate_hz: float, offset: Tensor, *, places: int, clips: int
    ) -> StatefulFilter:
        """Return the filter that adds nothing but the offset."""
        return Instant(offset, places, clips)


class Instant(StatefulFilter):
    """No filter: every frame stands for itself."""

    def filter(self, rows: Tensor) -> Tensor:
        """Return the rows."""
        return rows

    def settle(self, row: Tensor) -> Tensor:
        """Return the row."""
        return row

    def reset(self) -> None:
        """There is nothing to forget."""

    def state(self) -> State:
        """Return nothing."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """There is nothing to remember."""
