"""A core without hidden layers in evaluation: its maps on the readouts' window, and the state of some clips."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from stcnn.nn.core import Core, CoreState
from stcnn.nn.filters.stateful import State, StatefulFilter
from stcnn.nn.windows import Pair, Window

SETTLE_S = 60.0
"""A core that is shown one frame forever has settled by then."""
SETTLED = 1e-7
"""Change within a second, relative to the largest value, of a core that has settled."""


class CarriedCore(StatefulFilter):
    """A core as a filter of rows: those of the eye ``(T, B Y X)`` in, its maps ``(T, B h w C)`` on a window out.

    Args:
        core: the core.
        rate_hz: frames per second.
        clips: number of clips B.
        lattice: size of the maps of the eye.
        window: what the readouts see of the core's maps.
        like: says type and device.
    """

    def __init__(self, core: Core, rate_hz: float, clips: int, lattice: Pair, window: Window, like: Tensor) -> None:
        super().__init__(like.new_zeros(1), lattice[0] * lattice[1], clips)
        self.core = core
        self.rate_hz = rate_hz
        self.lattice = lattice
        self.window = window
        self.start: CoreState = core.initial_state(clips, lattice, like)
        self.now = self.start

    def pictures(self, rows: Tensor) -> Tensor:
        """View rows that it made as pictures ``(T B, C, h, w)``."""
        top, bottom, left, right = self.window
        return rows.view(-1, bottom - top, right - left, self.core.channels).permute(0, 3, 1, 2)

    def filter(self, rows: Tensor) -> Tensor:
        """Advance by frames."""
        maps, self.now = self.core.advance(rows.view(len(rows), self.clips, *self.lattice), self.rate_hz, self.now)
        return self.window.crop(maps).flatten(1).clone()

    def settle(self, row: Tensor) -> Tensor:
        """Show a frame until nothing changes any more, at most for :data:`SETTLE_S`."""
        self.reset()
        second = row.expand(max(2, round(self.rate_hz)), -1).contiguous()
        for _ in range(round(SETTLE_S)):
            shown = self.filter(second)
            if (shown[-1] - shown[0]).abs().max() <= SETTLED * shown.abs().max():
                break
        return shown[-1]

    def reset(self) -> None:
        """Go back to before the first frame."""
        self.now = self.start

    def state(self) -> State:
        """Return a copy of the state, clips side by side in one row."""
        return {name: values.reshape(1, -1).clone() for name, values in self.now.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from what :meth:`state` returned."""
        self.now = {
            name: self._fitting(state, name, values.reshape(1, -1)).view(values.shape).clone()
            for name, values in self.start.items()
        }
