"""Answers of a stream: an answer per frame, printed or published, and how long each took."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from stcnn.errors import FileError

if TYPE_CHECKING:
    import zmq

REMEMBERED = 1 << 16
"""Latencies that the percentiles are taken of: the last six minutes at 180 Hz."""


LISTENER_MS = 2000


def bound_socket(kind: str, address: str) -> zmq.Socket[bytes]:
    """Return a ZeroMQ socket that listens at an address.

    Raises:
        FileError: the address cannot be used, or ZeroMQ is not installed.
    """
    try:
        import zmq
    except ImportError:
        raise FileError(
            "ZeroMQ needs the package 'pyzmq'", remedy="install it with: pip install 'stcnn[live]'"
        ) from None
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(getattr(zmq, kind))
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        socket.close(linger=0)
        raise FileError(
            f"cannot listen at '{address}' ({error})", expected="a free address such as tcp://127.0.0.1:5555"
        ) from None
    return socket


class Answers:
    """Prints answers as lines of JSON, and publishes them.

    Args:
        every: print every so many answers; 0 prints none.
        address: where to publish all answers to SUB sockets; None publishes none.
    """

    def __init__(self, every: int, address: str | None) -> None:
        self.every = every
        self._socket = None if address is None else bound_socket("XPUB", address)
        self._count = 0

    def wait_for_listener(self) -> None:
        """Wait a moment for the first one who subscribes, so that they miss nothing."""
        if self._socket is not None:
            self._socket.poll(LISTENER_MS)

    def give(self, answer: dict[str, Any], always: bool = False) -> None:
        """Publish an answer, and print it if it is its turn or always to be printed."""
        if self._socket is not None:
            self._socket.send_string(json.dumps(answer))
        if self.every and (always or self._count % self.every == 0):
            print(json.dumps(answer), flush=True)
        self._count += 1

    def close(self) -> None:
        """Let what was published reach who listens."""
        if self._socket is not None:
            self._socket.close(linger=1000)


class Latencies:
    """How long frames waited for their answers, in constant memory.

    Args:
        rate_hz: frames per second; an answer that takes longer than one frame is late.
    """

    def __init__(self, rate_hz: float) -> None:
        self.frame_s = 1 / rate_hz
        self.n_frames = 0
        self.n_late = 0
        self.n_dropped = 0
        self.largest_s = 0.0
        self._recent: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, latency_s: float) -> None:
        """Count one frame."""
        self.n_frames += 1
        self.n_late += latency_s > self.frame_s
        self.largest_s = max(self.largest_s, latency_s)
        self._recent.append(latency_s)

    def summary(self) -> dict[str, Any]:
        """Return counts and the median, 99th percentile and maximum latency in milliseconds; null before any frame."""
        latency_ms = None
        if self._recent:
            median_s, p99_s = np.percentile(self._recent, [50, 99])
            found_s = {"median": median_s, "p99": p99_s, "max": self.largest_s}
            latency_ms = {name: round(float(value) * 1000, 4) for name, value in found_s.items()}
        counts = {"n_frames": self.n_frames, "n_dropped": self.n_dropped, "n_late": self.n_late}
        return {**counts, "latency_ms": latency_ms}

    def sentence(self) -> str:
        """Return the summary for people."""
        took = self.summary()["latency_ms"]
        counts = f"{self.n_frames} frames answered, {self.n_dropped} lost on the way"
        if took is None:
            return counts
        return (
            f"{counts}, {self.n_late} answered later than a frame lasts ({self.frame_s * 1000:.2f} ms); latency: "
            f"median {took['median']} ms, 99th percentile {took['p99']} ms, maximum {took['max']} ms"
        )
