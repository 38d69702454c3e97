"""Answers on their way to one peer: bounded, so that a slow peer costs neither memory nor the model's time."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any, Protocol

MOST_WAITING = 256
"""Answers that wait for a slow peer: more than a second at 200 Hz."""


class Outlet(Protocol):
    """Takes answers to a peer and never waits."""

    n_unheard: int
    """Answers that the peer was too slow for."""

    def put(self, answer: dict[str, Any]) -> None:
        """Send an answer, or count it as unheard."""


class Outbox:
    """A queue of answers; when it is full, the oldest gives way.

    Args:
        most: answers that wait.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self.n_unheard = 0
        self._waiting: deque[dict[str, Any]] = deque()
        self._most = most
        self._changed = asyncio.Event()
        self._is_closed = False

    def put(self, answer: dict[str, Any]) -> None:
        """Queue an answer."""
        if len(self._waiting) >= self._most:
            self._waiting.popleft()
            self.n_unheard += 1
        self._waiting.append(answer)
        self._changed.set()

    def close(self) -> None:
        """Let :meth:`next` return None once all answers are taken."""
        self._is_closed = True
        self._changed.set()

    async def next(self) -> dict[str, Any] | None:
        """Wait for an answer and return it; None when there will be no more."""
        while not self._waiting:
            if self._is_closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()


def as_json(answer: dict[str, Any], n_unheard: int) -> str:
    """Return an answer as one line, with the number of answers that did not reach the peer."""
    return json.dumps({**answer, "n_unheard": n_unheard})
