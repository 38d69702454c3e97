"""Serves a model at several addresses on one asyncio loop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any, Protocol, TypeVar

from stcnn.live.service import Service

Found = TypeVar("Found")


class Listener(Protocol):
    """Something that listens at an address."""

    def listening(self) -> AbstractAsyncContextManager[str]:
        """Listen until the block ends; yield the address."""


async def serve(
    service: Service, listeners: Sequence[Listener], stop: asyncio.Event, duration_s: float | None = None
) -> dict[str, Any]:
    """Listen until ``stop`` is set or ``duration_s`` is over; return the summary.

    The addresses are told as soon as all of them are open.
    """
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(listener.listening()) for listener in listeners]
        service.tell({"listening": found})
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), duration_s)
    return service.summary()


def run(work: Coroutine[Any, Any, Found]) -> Found:
    """Run an asyncio program on a loop that can watch sockets of ZeroMQ on every platform."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(work)


def stopped_by_signals(stop: asyncio.Event) -> Callable[[], None]:
    """Set an event at Ctrl-C and TERM; return what gives the signals back."""
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    former = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        former[number] = signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))

    def give_back() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    return give_back
