"""State of the filters of a network as compiled evaluation keeps it; the state dict is that of PyTorch.

The filter in PyTorch keeps the last row ``(B P C,)`` and a ring of rows; compiled code keeps for each clip ``(P, C)``,
for layers filled up to whole vectors, and for truncated channels a ring ``(K, C, P)`` with its own place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from stcnn.nn.kernels.native.evaluation_structs import Filter, TruncationBuffer
from stcnn.nn.kernels.native.pointers import PointerOwner


class LeakyIntegrator(Protocol):
    """State and constants of an exponential filter for compiled code, one per clip, place and channel."""

    clips: int
    places: int
    taps: int
    offset: Tensor
    """``(C,)``, what the filter starts from."""
    last: Tensor
    ring: Tensor
    truncated_channels: Tensor
    """Numbers of the channels in which the end of the kernel changes a digit."""
    tail_weight: Tensor
    """``exp(-K dt/tau)`` of those."""
    tail_start: Tensor
    """The same times the offset."""

    @property
    def leak(self) -> Tensor:
        """``1 - exp(-dt/tau)``, ``(C,)``."""

    @property
    def is_truncated(self) -> bool:
        """Whether there is a channel in which the end of the kernel changes a digit."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state."""


class FilterState:
    """State of one filter for all clips.

    Args:
        filter: the same filter in PyTorch: what it is made of, and the form of the state dict.
        lanes: channels and places are filled up to multiples of this.
        owner: keeps alive what structs point to.
    """

    def __init__(self, filter: LeakyIntegrator, lanes: int, owner: PointerOwner) -> None:
        self.filter = filter
        self._owner = owner
        self.clips = filter.clips
        self.places = filter.places
        self.channels = len(filter.offset)
        channels = whole_vectors(self.channels, lanes)
        places = whole_vectors(self.places, lanes)
        self.last = torch.zeros(self.clips, self.places, channels)
        self.ring = torch.zeros(self.clips, len(filter.ring), len(filter.truncated_channels), places)
        self.place = torch.zeros(self.clips, dtype=torch.int32)
        self.done = torch.zeros(self.clips, dtype=torch.int64)
        """Blocks of the present run that are through."""
        self.leak = filter.leak

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state of the filter in PyTorch."""
        self.filter.load(state)
        self.last[..., : self.channels] = self.filter.last.view(self.clips, self.places, self.channels)
        if self.filter.is_truncated:
            ring = self.filter.ring.view(len(self.filter.ring), self.clips, self.places, -1)
            self.ring[..., : self.places] = ring.permute(1, 0, 3, 2)
            self.place.zero_()

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the state as the filter in PyTorch would."""
        state = {"last": self.last[..., : self.channels].reshape(1, -1).clone()}
        if self.filter.is_truncated:
            oldest_first = [ring.roll(-int(place), 0) for ring, place in zip(self.ring, self.place, strict=True)]
            ring = torch.stack(oldest_first, 1)
            state["history"] = ring[..., : self.places].permute(0, 1, 3, 2).reshape(len(ring), -1)
        return state

    def truncation_buffer(self, b: int) -> TruncationBuffer:
        """Return what a layer of clip ``b`` has still to take back."""
        owner = self._owner
        return TruncationBuffer(
            channels=len(self.filter.truncated_channels),
            taps=self.filter.taps,
            place=self._place(b),
            channel=owner.constant(self.filter.truncated_channels, torch.int32),
            tail_weight=owner.constant(self.filter.tail_weight),
            start=owner.constant(self.filter.tail_start),
            ring=owner.memory(self.ring[b]),
        )

    def row_filter(self, b: int) -> Filter:
        """Return the filter of a row of clip ``b`` that is no layer's: its elements are places and channels."""
        owner = self._owner
        truncated = self.filter.truncated_channels
        index = (torch.arange(self.places) * self.channels + truncated[:, None]).flatten()
        return Filter(
            size=self.places * self.channels,
            truncated=len(index),
            taps=self.filter.taps,
            place=self._place(b),
            leak=owner.constant(self.leak.repeat(self.places)),
            last=owner.memory(self.last[b]),
            index=owner.constant(index, torch.int32),
            tail_weight=owner.constant(self.filter.tail_weight.repeat_interleave(self.places)),
            start=owner.constant(self.filter.tail_start.repeat_interleave(self.places)),
            ring=owner.memory(self.ring[b]) if len(truncated) else None,
        )

    def _place(self, b: int) -> int:
        return self._owner.memory(self.place[b : b + 1], torch.int32)


def whole_vectors(n: int, lanes: int) -> int:
    """Return ``n`` filled up to a multiple of ``lanes``."""
    return -(-n // lanes) * lanes
