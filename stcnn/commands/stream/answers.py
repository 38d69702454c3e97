"""Answers of a stream: an answer per frame, printed or published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stcnn.errors import FileError

if TYPE_CHECKING:
    import zmq

LISTENER_MS = 2000


def bound_socket(kind: str, address: str, most_bytes: int = 1 << 20) -> zmq.Socket[bytes]:
    """Return a ZeroMQ socket that listens at an address.

    Args:
        kind: PULL or XPUB.
        address: where.
        most_bytes: a larger part ends the connection that it comes on, before memory is taken for it.

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
    socket.setsockopt(zmq.MAXMSGSIZE, most_bytes)
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
        """Publish an answer, and print it if it is its turn or always to be printed (and not counted)."""
        if self._socket is not None:
            self._socket.send_string(json.dumps(answer))
        if self.every and (always or self._count % self.every == 0):
            print(json.dumps(answer), flush=True)
        self._count += not always

    def close(self) -> None:
        """Let what was published reach who listens."""
        if self._socket is not None:
            self._socket.close(linger=1000)
