"""A closed loop with FicTrac: the animal on a ball turns the world that the model sees.

FicTrac sends a line per camera frame over UDP, ``FT`` and 25 numbers. Column 1 of its table (``doc/data_header.txt``,
``doc/coordinate_frames.md`` of github.com/rjdmoore/fictrac) counts frames, column 17 is the integrated heading in
radians, positive where the animal turns to the right, column 22 a time in milliseconds.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from stcnn.errors import ConfigError, DataError, FileError
from stcnn.live.gate import Address
from stcnn.live.messages import SHOWN, Frame
from stcnn.live.panorama import Panorama
from stcnn.live.service import Service

FEWEST_COLUMNS = 24
"""With the ``FT`` before them; newer releases add two more."""
MOST_BYTES = 4096
MOST_RAD = 1e6
SILENT_S = 2.0
"""After so long another FicTrac may take over."""


class Step(NamedTuple):
    """One line of FicTrac."""

    number: int
    heading_deg: float
    time_s: float


def step_of(line: str) -> Step:
    """Read a line of FicTrac.

    Raises:
        DataError: it is none.
    """
    columns = [word.strip() for word in line.split(",")]
    try:
        if columns[0] != "FT" or len(columns) < FEWEST_COLUMNS:
            raise ValueError
        number, heading, stamp_ms = int(columns[1]), float(columns[17]), float(columns[22])
        if not (abs(heading) < MOST_RAD and math.isfinite(stamp_ms)):
            raise ValueError
    except ValueError:
        raise DataError(
            f"a line from FicTrac is {line[:SHOWN]!r} ({len(columns)} columns)",
            expected=f"'FT, ' and at least {FEWEST_COLUMNS - 1} numbers, of which columns 1, 17 and 22 are finite",
        ) from None
    return Step(number, math.degrees(heading), stamp_ms / 1000)


class _Followers:
    """Answers of the loop go to the peers that asked for them; FicTrac itself does not listen."""

    def __init__(self, service: Service) -> None:
        self.n_unheard = 0
        self._service = service
        self.heading_deg: float | None = None

    def put(self, answer: dict[str, Any]) -> None:
        """Hand an answer on."""
        self._service.spread({"loop": "fictrac", "heading_deg": self.heading_deg, **answer})


class FicTracListener(asyncio.DatagramProtocol):
    """Listens for FicTrac's datagrams on this machine; one animal at a time.

    Args:
        address: where; datagrams cannot show a token, so only addresses of this machine are taken.
        service: the model.
        panorama: what surrounds the animal.
        gain: degrees that the world turns for each degree that the animal turns.

    Raises:
        ConfigError: other machines can reach the address.
    """

    def __init__(self, address: Address, service: Service, panorama: Panorama, gain: float = 1.0) -> None:
        if not address.is_loopback:
            raise ConfigError(
                f"{address} can be reached from other machines, and FicTrac cannot show a token",
                expected="an address of this machine such as fictrac://127.0.0.1:1111",
                remedy="run FicTrac on this machine",
            )
        self.address = address
        self.service = service
        self.panorama = panorama
        self.gain = gain
        self._sender: tuple[Any, ...] | None = None
        self._heard_s = -math.inf
        self._first = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen until the block ends; yield the address.

        Raises:
            FileError: the address cannot be used.
        """
        self._followers = _Followers(self.service)
        with self.service.visiting(f"fictrac:{self.address.port}", self._followers) as self._peer:
            loop = asyncio.get_running_loop()
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: self, local_addr=(self.address.host, self.address.port)
                )
            except OSError as error:
                raise FileError(f"cannot listen at '{self.address}' ({error.strerror or error})") from None
            try:
                yield str(self.address._replace(port=transport.get_extra_info("sockname")[1]))
            finally:
                transport.close()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Take a datagram: the lines of one sender; those of a second one are refused while the first goes on."""
        received_s = time.perf_counter()
        if addr != self._sender:
            if received_s - self._heard_s < SILENT_S:
                self._peer.refuse(f"a second FicTrac sends from {addr[0]}:{addr[1]}; one animal turns the world.")
                return
            self._sender = addr
            self._peer.session.restart()
        self._heard_s = received_s
        for line in data[:MOST_BYTES].decode("ascii", "replace").splitlines():
            self._take(line, received_s)

    def _take(self, line: str, received_s: float) -> None:
        try:
            step = step_of(line)
        except DataError as error:
            self._peer.refuse(str(error))
            return
        if self._peer.session.is_at_start:
            self._first = step.number
        turned_deg = self.gain * step.heading_deg
        picture = self.panorama.seen(step.number - self._first, turned_deg)
        self._followers.heading_deg = step.heading_deg
        self._peer.hear(Frame(picture, step.number, received_s, step.time_s))
