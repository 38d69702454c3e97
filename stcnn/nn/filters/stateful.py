"""Temporal filters that remember: values in place, no gradients, any number of frames per call with the same answer.

Convention: frames are rows, ``(T, B P C)``: B clips, P places, C channels. A filter adds an *offset* c of each channel
(a bias, or what normalisation leaves of one) by starting from it:

    v[t] = v[t-1] + b (x[t] - v[t-1]),  v[-1] = 0     and     q = v + c
    q[t] = q[t-1] + b (x[t] + c - q[t-1]),  q[-1] = c

so that the offset may come with the input, as the bias of the convolution in front.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from stcnn.errors import ShapeError

State = dict[str, Tensor]
"""Memory of a filter: name to rows ``(n, B P C)``."""


class StatefulFilter(ABC):
    """A causal filter over rows, and what it remembers.

    Args:
        offset: added to the output, ``(C,)``.
        places: places P of one clip.
        clips: number of clips B.
    """

    def __init__(self, offset: Tensor, places: int, clips: int) -> None:
        self.offset = offset
        self.places = places
        self.clips = clips

    @property
    def input_offset(self) -> Tensor | None:
        """Offset to be added to the input, ``(C,)``; None is nothing."""
        return self.offset

    @abstractmethod
    def filter(self, rows: Tensor) -> Tensor:
        """Filter consecutive rows ``(T, B P C)``, which may be overwritten."""

    @abstractmethod
    def settle(self, row: Tensor) -> Tensor:
        """Remember an input that has been ``row`` ``(B P C,)`` forever; return the output."""

    @abstractmethod
    def reset(self) -> None:
        """Remember nothing but an input of zero."""

    @abstractmethod
    def state(self) -> State:
        """Return a copy of what is remembered."""

    @abstractmethod
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Remember what :meth:`state` returned; the state of one clip serves all.

        Raises:
            ShapeError: the state is that of another filter.
        """

    def _row(self, per_channel: Tensor) -> Tensor:
        return per_channel.repeat(self.clips * self.places)

    def _fitting(self, state: Mapping[str, Tensor], name: str, like: Tensor) -> Tensor:
        """Return the rows ``name`` of a state, as many as ``like`` has and for as many clips."""
        rows = state.get(name, like.new_empty(0, 0))
        if rows.dim() == 2 and rows.shape[1] * self.clips == like.shape[1]:
            rows = rows.repeat(1, self.clips)
        if rows.shape != like.shape:
            raise ShapeError(
                f"the saved state has '{name}' of shape {tuple(rows.shape)}",
                expected=f"{tuple(like.shape)} for {self.clips} clips",
                remedy="load it into the model, rate and number of clips it was saved from",
            )
        return rows.to(like)
