"""What the filters of a network remember, as the compiled evaluation keeps it; the state dict is that of PyTorch.

:mod:`stcnn.nn.stateful` keeps the last row ``(B P C,)`` and a ring of rows; compiled code keeps for each clip
``(P, C)``, for layers filled up to whole vectors, and for channels that forget a ring ``(K, C, P)`` with its own place.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from stcnn.nn.kernels.native.interface import Filter, Keeper, Past
from stcnn.nn.stateful import Integrator, State


class Memory:
    """State of one filter for all clips.

    Args:
        filter: the same filter in PyTorch: what it is made of, and the form of the state dict.
        lanes: channels and places are filled up to multiples of this.
        keeper: keeps alive what structs point to.
    """

    def __init__(self, filter: Integrator, lanes: int, keeper: Keeper) -> None:
        self.filter, self._keeper = filter, keeper
        self.clips, self.places, self.channels = filter.clips, filter.places, len(filter.offset)
        channels, places = (-(-n // lanes) * lanes for n in (self.channels, self.places))
        self.last = torch.zeros(self.clips, self.places, channels)
        self.ring = torch.zeros(self.clips, len(filter.ring), len(filter.late), places)
        self.place = torch.zeros(self.clips, dtype=torch.int32)
        self.done = torch.zeros(self.clips, dtype=torch.int64)
        """Blocks of the present passage that are through."""
        self.leak = filter.scan.leak[: self.channels]

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Remember a state of the filter."""
        self.filter.load(state)
        self.last[..., : self.channels] = self.filter.last.view(self.clips, self.places, self.channels)
        if self.filter.forgets:
            ring = self.filter.ring.view(len(self.filter.ring), self.clips, self.places, -1)
            self.ring[..., : self.places] = ring.permute(1, 0, 3, 2)
            self.place.zero_()

    def state(self) -> State:
        """Return a copy of the state as the filter in PyTorch would."""
        state = {"last": self.last[..., : self.channels].reshape(1, -1).clone()}
        if self.filter.forgets:
            ring = torch.stack([r.roll(-int(p), 0) for r, p in zip(self.ring, self.place, strict=True)], 1)
            state["history"] = ring[..., : self.places].permute(0, 1, 3, 2).reshape(len(ring), -1)
        return state

    def past(self, b: int) -> Past:
        """What a layer of clip ``b`` has still to take back."""
        keeper, filter = self._keeper, self.filter
        return Past(
            len(filter.late), filter.taps, self._place(b), keeper.at(filter.late, torch.int32),
            keeper.at(filter.cut), keeper.at(filter.cut_start), keeper.memory(self.ring[b]),
        )  # fmt: skip

    def row_filter(self, b: int) -> Filter:
        """The filter of a row of clip ``b`` that is no layer's: its elements are places and channels."""
        keeper, filter, late = self._keeper, self.filter, len(self.filter.late)
        index = (torch.arange(self.places) * self.channels + filter.late[:, None]).flatten()
        return Filter(
            self.places * self.channels, len(index), filter.taps, self._place(b),
            keeper.at(self.leak.repeat(self.places)), keeper.memory(self.last[b]), keeper.at(index, torch.int32),
            keeper.at(filter.cut.repeat_interleave(self.places)),
            keeper.at(filter.cut_start.repeat_interleave(self.places)),
            keeper.memory(self.ring[b]) if late else None,
        )  # fmt: skip

    def _place(self, b: int) -> int:
        return self._keeper.memory(self.place[b : b + 1], torch.int32)
