"""A model served in a thread of the test, at free ports."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stcnn.live.fictrac import FicTracListener
from stcnn.live.gate import Address, Gate
from stcnn.live.messages import packed
from stcnn.live.panorama import Panorama
from stcnn.live.service import Service
from stcnn.live.serving import Listener, run, serve
from stcnn.live.stimpack import StimpackListener
from stcnn.live.websocket import WebSocketListener
from stcnn.live.zeromq import ZmqListener
from stcnn.nn.model import STCNN
from stcnn.stimuli import Screen
from tests.support.nn_twin import POPULATION, Case

SHAPE_PX = (11, 13)
RATE_HZ = 60.0
SCREEN = Screen(shape_px=SHAPE_PX, deg_per_px=1.0, rate_hz=RATE_HZ)
WORLD = {"kind": "drifting_grating", "period_deg": 12, "speed_deg_s": 6, "duration_s": 0.5}
TOKEN = "correct-horse-battery"


def small_model() -> STCNN:
    torch.manual_seed(0)
    return STCNN(Case().config(), POPULATION)


def codes(n_frames: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n_frames, *SHAPE_PX), dtype=np.uint8)


class Served:
    """What is served where, and what was told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.addresses: dict[str, Address] = {}
        self.summary: dict[str, Any] = {}
        self.loops: list[asyncio.AbstractEventLoop] = []

    def url(self, scheme: str) -> str:
        address = self.addresses[scheme]
        return f"{'tcp' if scheme == 'zmq' else scheme}://{address.host}:{address.port}"


def wait_until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for something that another thread does."""
    until_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < until_s, "it did not happen in time"
        time.sleep(0.01)


def listener(scheme: str, service: Service, gate: Gate) -> Listener:
    address = Address(scheme, "127.0.0.1", 0)
    if scheme == "ws":
        return WebSocketListener(address, service, gate)
    if scheme == "zmq":
        return ZmqListener(address, service, gate)
    if scheme == "stimpack":
        return StimpackListener(address, service, gate, SCREEN)
    return FicTracListener(address, service, Panorama(WORLD, SCREEN))


@contextmanager
def served(
    model: STCNN, *schemes: str, token: str | None = None, peers: int = 4, start: str = "rest"
) -> Iterator[tuple[Served, Service]]:
    """Serve a model until the block ends; the summary is there after it."""
    told = Served()
    options: dict[str, Any] = {"rate_hz": RATE_HZ, "start": start, "deg_per_px": 1.0}
    service = Service(lambda: model.stream(**options), SHAPE_PX, RATE_HZ, peers, told.events.append)
    listeners = [listener(scheme, service, Gate(token)) for scheme in schemes]
    stop = asyncio.Event()

    async def work() -> dict[str, Any]:
        told.loops.append(asyncio.get_running_loop())
        return await serve(service, listeners, stop)

    def serve_here() -> None:
        told.summary = run(work())

    thread = threading.Thread(target=serve_here, daemon=True)
    thread.start()
    wait_until(lambda: any("listening" in event for event in told.events) or not thread.is_alive())
    for scheme, text in zip(schemes, told.events[-1]["listening"], strict=True):
        host, _, port = text.partition("://")[2].rpartition(":")
        told.addresses[scheme] = Address(scheme, host, int(port))
    try:
        yield told, service
    finally:
        told.loops[0].call_soon_threadsafe(stop.set)
        thread.join(20)
    assert not thread.is_alive()


class WebSocketPeer:
    """A peer over WebSocket."""

    def __init__(self, told: Served, **options: Any) -> None:
        from websockets.sync.client import connect

        self._opened = connect(told.url("ws"), compression=None, proxy=None, **options)
        self.connection = self._opened.__enter__()

    def __enter__(self) -> WebSocketPeer:
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.__exit__(None, None, None)

    def send(self, header: dict[str, Any] | bytes, *parts: bytes) -> None:
        if isinstance(header, dict):
            self.connection.send(packed(header, b"".join(parts)))
        else:
            self.connection.send(len(header).to_bytes(4, "little") + header + b"".join(parts))

    def receive(self) -> dict[str, Any]:
        return json.loads(self.connection.recv(timeout=20))

    def ask(self, header: dict[str, Any] | bytes, *parts: bytes) -> dict[str, Any]:
        self.send(header, *parts)
        return self.receive()


class ZmqPeer:
    """A peer over ZeroMQ."""

    def __init__(self, told: Served, token: str | None = None, name: bytes | None = None) -> None:
        import zmq

        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        if token is not None:
            self.socket.plain_username = b"stcnn"
            self.socket.plain_password = token.encode()
        if name is not None:
            self.socket.identity = name
        self.socket.connect(told.url("zmq"))

    def __enter__(self) -> ZmqPeer:
        return self

    def __exit__(self, *error: object) -> None:
        self.context.destroy()

    def send(self, header: dict[str, Any] | bytes, *parts: bytes) -> None:
        text = json.dumps(header).encode() if isinstance(header, dict) else header
        self.socket.send_multipart([text, *parts])

    def receive(self, timeout_s: float = 20.0) -> dict[str, Any]:
        assert self.socket.poll(round(timeout_s * 1000)), "no answer"
        return json.loads(self.socket.recv())

    def ask(self, header: dict[str, Any] | bytes, *parts: bytes) -> dict[str, Any]:
        self.send(header, *parts)
        return self.receive()


PEERS: dict[str, type[WebSocketPeer] | type[ZmqPeer]] = {"ws": WebSocketPeer, "zmq": ZmqPeer}
