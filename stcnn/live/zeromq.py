"""Frames and answers over ZeroMQ: a ROUTER socket here, a DEALER socket at each peer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from stcnn.errors import ConfigError, FileError
from stcnn.live.gate import Address, Gate
from stcnn.live.messages import Message, most_bytes
from stcnn.live.outbox import MOST_WAITING, as_json
from stcnn.live.service import Peer, Service

if TYPE_CHECKING:
    import zmq

MOST_PARTS = 2
"""Parts behind a header that are kept: one more than a frame has."""
TURN = 32
"""Messages that are answered before others have their turn."""
SILENT_S = 10.0
"""A peer that has sent nothing for so long is asked whether it is there."""
HEARTBEAT_MS = 5000
ZAP = "inproc://zeromq.zap.01"
"""Where ZeroMQ asks about those who want to connect (RFC 27/ZAP)."""


def received(socket: zmq.Socket[bytes]) -> Message:
    """Read a header and what stands behind it; of parts behind the pixels only that they came."""
    header = socket.recv()
    received_s = time.perf_counter()
    parts: list[bytes] = []
    while socket.rcvmore:
        part = socket.recv()
        if len(parts) < MOST_PARTS:
            parts.append(part)
    return Message(header, parts, received_s)


class ZmqListener:
    """Listens for DEALER sockets; each is a peer with a state of its own.

    Args:
        address: where.
        service: the model.
        gate: who may connect: the token is the password of ZeroMQ's mechanism PLAIN (RFC 24), its user is ``stcnn``.
    """

    def __init__(self, address: Address, service: Service, gate: Gate) -> None:
        gate.require_safe(address)
        self.address = address
        self.service = service
        self.gate = gate
        self._most_bytes = most_bytes(service.shape)
        self._peers: dict[bytes, Peer] = {}
        self._heard_s: dict[bytes, float] = {}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen until the block ends; yield the address.

        Raises:
            FileError: the address cannot be used, or the package pyzmq is not installed.
        """
        try:
            import zmq
        except ImportError:
            remedy = "install it with: pip install 'stcnn[live]'"
            raise FileError("ZeroMQ needs the package 'pyzmq'", remedy=remedy) from None
        loop = asyncio.get_running_loop()
        with zmq.Context() as context, _gatekeeper(context, loop, self), context.socket(zmq.ROUTER) as socket:
            self._socket = socket
            self._prepare()
            port = self.address.port or "*"
            try:
                socket.bind(f"tcp://{self.address.host}:{port}")
            except zmq.ZMQError as error:
                raise FileError(f"cannot listen at '{self.address}' ({error})") from None
            found = socket.getsockopt_string(zmq.LAST_ENDPOINT)
            asking = asyncio.create_task(self._ask_the_silent())
            self._monitor = socket.get_monitor_socket()
            loop.add_reader(socket.fileno(), self._pump)
            loop.add_reader(self._monitor.fileno(), self._watch)
            self._watch()  # what came before the descriptor was watched would be told with the next event only
            try:
                yield str(self.address._replace(port=int(found.rpartition(":")[2])))
            finally:
                loop.remove_reader(socket.fileno())
                loop.remove_reader(self._monitor.fileno())
                socket.disable_monitor()
                self._monitor.close(linger=0)
                asking.cancel()
                for identity in list(self._peers):
                    self._free(identity, "the end")
                socket.close(linger=500)

    def _prepare(self) -> None:
        import zmq

        options = {
            zmq.ROUTER_MANDATORY: 1,  # a peer that is gone is an error, not a silence
            zmq.ROUTER_HANDOVER: 1,  # a peer with a name of its own comes back to its session
            zmq.SNDHWM: MOST_WAITING,
            zmq.RCVHWM: MOST_WAITING,
            zmq.MAXMSGSIZE: self._most_bytes,
            zmq.HEARTBEAT_IVL: HEARTBEAT_MS,
            zmq.HEARTBEAT_TIMEOUT: 3 * HEARTBEAT_MS,
        }
        for option, value in options.items():
            self._socket.setsockopt(option, value)
        if self.gate.token is not None:
            self._socket.zap_domain = b"stcnn"
            self._socket.plain_server = 1

    def _pump(self) -> None:
        """Answer what has come; the descriptor tells only that something changed, so all of it is looked at."""
        for _ in range(TURN):
            if self._socket.closed or not _has_come(self._socket):
                return
            self._hear()
        asyncio.get_running_loop().call_soon(self._pump)

    def _watch(self) -> None:
        """Count connections that ended; ZeroMQ does not say whose."""
        import zmq
        from zmq.utils.monitor import recv_monitor_message

        while _has_come(self._monitor):
            if recv_monitor_message(self._monitor)["event"] == zmq.Event.DISCONNECTED:
                self.service.disconnected(
                    f"a connection over ZeroMQ ended: its peer left, or sent a part of more than {self._most_bytes} "
                    "bytes, which is not read."
                )

    def _hear(self) -> None:
        identity = self._socket.recv()
        message = received(self._socket) if self._socket.rcvmore else Message(b"", [], time.perf_counter())
        peer = self._peers.get(identity) or self._met(identity)
        if peer is None:
            return
        self._heard_s[identity] = time.monotonic()
        peer.hear(message)
        if peer.session.is_over:
            self._free(identity, "it said so")

    def _met(self, identity: bytes) -> Peer | None:
        name = f"zmq:{identity.hex()[:64]}"
        outlet = _Outlet(self, identity)
        try:
            self._peers[identity] = self.service.join(name, outlet)
        except ConfigError as error:
            outlet.put({"error": str(error)})
            return None
        return self._peers[identity]

    def send(self, identity: bytes, text: str) -> bool:
        """Send an answer; return whether there was room for it.

        ROUTER sockets keep a queue for each peer, and refuse what does not fit.
        """
        import zmq

        try:
            self._socket.send_multipart([identity, text.encode()], flags=zmq.DONTWAIT)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            asyncio.get_running_loop().call_soon(self._free, identity, "it vanished")
        if not self._socket.closed:
            asyncio.get_running_loop().call_soon(self._pump)  # sending may have taken the news that something came
        return True

    def _free(self, identity: bytes, why: str) -> None:
        self._heard_s.pop(identity, None)
        peer = self._peers.pop(identity, None)
        if peer is not None:
            self.service.leave(peer, why)

    async def _ask_the_silent(self) -> None:
        """Find out who vanished among those who have sent nothing for long."""
        while True:
            await asyncio.sleep(SILENT_S / 2)
            now_s = time.monotonic()
            for identity, heard_s in list(self._heard_s.items()):
                if now_s - heard_s > SILENT_S:
                    self._peers[identity].outlet.put({"waiting": True})


def _has_come(socket: zmq.Socket[bytes]) -> bool:
    import zmq

    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)


class _Outlet:
    """The way to one peer."""

    def __init__(self, listener: ZmqListener, identity: bytes) -> None:
        self.n_unheard = 0
        self._listener = listener
        self._identity = identity

    def put(self, answer: dict[str, Any]) -> None:
        """Send an answer, or count it as unheard."""
        self.n_unheard += not self._listener.send(self._identity, as_json(answer, self.n_unheard))


class _gatekeeper:
    """Answers ZeroMQ's questions about those who want to connect, where there is a token."""

    def __init__(self, context: zmq.Context[Any], loop: asyncio.AbstractEventLoop, listener: ZmqListener) -> None:
        self._context = context
        self._loop = loop
        self._listener = listener

    def __enter__(self) -> None:
        if self._listener.gate.token is None:
            return
        import zmq

        self._socket = self._context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.bind(ZAP)
        self._loop.add_reader(self._socket.fileno(), self._pump)

    def __exit__(self, *error: object) -> None:
        if self._listener.gate.token is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _pump(self) -> None:

        while _has_come(self._socket):
            version, request, _, address, _, mechanism, *shown = self._socket.recv_multipart()
            is_welcome = mechanism == b"PLAIN" and len(shown) == 2 and self._listener.gate.admits(shown[1])
            status, text = (b"200", b"OK") if is_welcome else (b"400", b"Show the token as the password.")
            if not is_welcome:
                self._listener.service.keep_out(f"zmq://{address.decode('ascii', 'replace')}")
            self._socket.send_multipart([version, request, status, text, b"stcnn", b""])
