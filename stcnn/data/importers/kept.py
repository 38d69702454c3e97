"""Traces that were read of a file once, as far as there is room: an import looks at every trace, then writes it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from stcnn.reading import memory_limit

Value = TypeVar("Value")

KEPT_BYTES = 2**29
"""How much a process keeps, of all files together; less where an eighth of its memory is less."""
_held = {"bytes": 0}


class Kept(Generic[Value]):
    """Reads by number; what was read stays in memory while there is room, and what was read last always does.

    Once there is no room nothing makes way: traces are passed over in order, first to be looked at, then to be written,
    and to drop the oldest would drop each before it is asked for again.

    Args:
        read: a number to what the file holds there; must survive pickling.
        size: bytes of what was read.
    """

    def __init__(self, read: Callable[[int], Value], size: Callable[[Value], int]) -> None:
        self.read = read
        self.size = size
        self._forget()

    def _forget(self) -> None:
        self.found: dict[int, Value] = {}
        self.last: tuple[int, Value] | None = None
        self.n_bytes = [0]
        weakref.finalize(self, _released, self.n_bytes)

    def __call__(self, number: int) -> Value:
        """Value there, read anew only where it was not kept."""
        if number in self.found:
            return self.found[number]
        if self.last is not None and self.last[0] == number:
            return self.last[1]
        value = self.read(number)
        n_bytes = self.size(value)
        if _held["bytes"] + n_bytes <= min(KEPT_BYTES, memory_limit() // 8):
            _held["bytes"] += n_bytes
            self.n_bytes[0] += n_bytes
            self.found[number] = value
        else:
            self.last = (number, value)
        return value

    def __getstate__(self) -> dict[str, Any]:
        """How to read, without what was read: another process has memory of its own."""
        return {"read": self.read, "size": self.size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


def _released(n_bytes: list[int]) -> None:
    _held["bytes"] -= n_bytes[0]
