"""A client: sends a movie to a served model at its rate, and says what came back and how long it took."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.errors import DataError, FileError
from stcnn.live.gate import Address
from stcnn.live.messages import packed
from stcnn.movie import Movie

PATIENCE_S = 5.0
"""How long to wait for the first answer, and for the last ones."""


class Wire(Protocol):
    """A connection to a served model."""

    async def send(self, header: dict[str, Any], pixels: bytes = b"") -> None:
        """Send a message."""

    async def receive(self) -> dict[str, Any]:
        """Wait for an answer."""


class Answered(NamedTuple):
    """What became of one frame."""

    latency_s: float
    """From sending it to having its answer here."""
    answer: dict[str, Any]


class _WebSocketWire:
    def __init__(self, connection: Any) -> None:  # noqa: ANN401  (websockets is not required)
        self._connection = connection

    async def send(self, header: dict[str, Any], pixels: bytes = b"") -> None:
        await self._connection.send(packed(header, pixels))

    async def receive(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await self._connection.recv())
        return answer


class _ZmqWire:
    def __init__(self, socket: Any) -> None:  # noqa: ANN401  (pyzmq is not required)
        self._socket = socket

    async def send(self, header: dict[str, Any], pixels: bytes = b"") -> None:
        text = json.dumps(header).encode()
        await self._socket.send_multipart([text, pixels] if pixels else [text])

    async def receive(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(await self._socket.recv())
        return answer


@asynccontextmanager
async def connected(address: Address, token: str | None) -> AsyncIterator[Wire]:
    """Connect to a served model until the block ends.

    Raises:
        FileError: nobody answers there, or the token is not the right one, or a package is not installed.
    """
    opened = {"ws": _over_websocket, "zmq": _over_zmq}[address.scheme]
    try:
        async with opened(address, token) as wire:
            yield wire
    except ImportError as error:
        raise FileError(f"{error.name} is not installed", remedy="run: pip install 'stcnn[live]'") from None


@asynccontextmanager
async def _over_websocket(address: Address, token: str | None) -> AsyncIterator[Wire]:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake

    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        async with connect(str(address), additional_headers=headers, compression=None, proxy=None) as connection:
            yield _WebSocketWire(connection)
    except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as error:
        raise FileError(
            f"the connection to {address} failed ({error})", remedy="is it served there, and is STCNN_TOKEN right?"
        ) from None


@asynccontextmanager
async def _over_zmq(address: Address, token: str | None) -> AsyncIterator[Wire]:
    import zmq
    import zmq.asyncio

    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        if token is not None:
            socket.plain_username = b"stcnn"
            socket.plain_password = token.encode()
        socket.connect(f"tcp://{address.host}:{address.port}")
        yield _ZmqWire(socket)


async def facts_of(wire: Wire, address: Address) -> dict[str, Any]:
    """Ask what frames a served model expects.

    Raises:
        FileError: it does not answer.
    """
    await wire.send({"hello": True})
    try:
        async with asyncio.timeout(PATIENCE_S):
            while "hello" not in (answer := await wire.receive()):
                if "error" in answer:
                    raise FileError(f"{address} answers: {answer['error'].rstrip('.')}")
    except TimeoutError:
        remedy = "is it served there, and is STCNN_TOKEN right?"
        raise FileError(f"{address} does not answer", remedy=remedy) from None
    facts: dict[str, Any] = answer["hello"]
    return facts


def frames_of(movie: Movie, shape: tuple[int, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield type and pixels of the frames of a movie, as they are sent.

    Raises:
        DataError: the served model sees pictures of another size.
    """
    if movie.shape_px != shape:
        raise DataError(
            f"the movie has {movie.shape_px[0]} x {movie.shape_px[1]} pixels",
            expected=f"{shape}, as the model is served",
        )
    eight_bit = movie.levels is not None and np.array_equal(movie.levels, np.arange(256, dtype=np.float32) / 255)
    for index in range(movie.n_frames):
        if eight_bit:
            yield "uint8", movie.frames[index].tobytes()
        else:
            yield "float32", _little(movie.luminance(slice(index, index + 1))[0])


def _little(picture: NDArray[np.float32]) -> bytes:
    return picture.astype("<f4", copy=False).tobytes()


class Replay:
    """Sends frames at their rate, and keeps what became of each.

    Args:
        wire: to the model.
        rate_hz: frames per second.
    """

    def __init__(self, wire: Wire, rate_hz: float) -> None:
        self.wire = wire
        self.rate_hz = rate_hz
        self.answered: dict[int, Answered] = {}
        self.refusals: list[str] = []
        self.n_sent = 0
        self._sent_s: dict[int, float] = {}

    async def run(self, frames: Iterator[tuple[str, bytes]]) -> None:
        """Send all frames, from the start of the stimulus, and wait for the last answers."""
        hearing = asyncio.create_task(self._hear())
        try:
            start_s = time.perf_counter()
            for number, (dtype, pixels) in enumerate(frames):
                await asyncio.sleep(max(0.0, start_s + number / self.rate_hz - time.perf_counter()))
                header = {"frame": number, "time_s": number / self.rate_hz, "dtype": dtype, "reset": number == 0}
                self._sent_s[number] = time.perf_counter()
                self.n_sent += 1
                await self.wire.send(header, pixels)
            patient_until_s = time.perf_counter() + PATIENCE_S
            while self._sent_s and not hearing.done() and time.perf_counter() < patient_until_s:
                await asyncio.sleep(0.01)
        finally:
            hearing.cancel()
        if hearing.done() and not hearing.cancelled():
            hearing.result()

    async def _hear(self) -> None:
        while True:
            answer = await self.wire.receive()
            now_s = time.perf_counter()
            if "error" in answer:
                self.refusals.append(answer["error"])
            elif (number := answer.get("frame")) in self._sent_s:
                self.answered[number] = Answered(now_s - self._sent_s.pop(number), answer)

    def latencies_ms(self) -> NDArray[np.float64]:
        """Return the end-to-end latency of every frame that was answered."""
        return np.array([each.latency_s for each in self.answered.values()]) * 1000

    def table(self, stimulus: str, onset_s: float) -> pd.DataFrame:
        """Return a row per cell type and frame that was answered, in the order of :func:`stcnn.experiments.respond`.

        Columns: ``stimulus``, ``cell_type``, ``time_s`` (zero at the onset of the stimulus), ``voltage``, ``dff``,
        ``frame``, ``latency_ms`` (end to end), ``model_ms`` (at the model).
        """
        rows = [
            {
                "stimulus": stimulus,
                "cell_type": cell_type,
                "time_s": number / self.rate_hz - onset_s,
                "voltage": each.answer["voltage"][cell_type],
                "dff": dff,
                "frame": number,
                "latency_ms": each.latency_s * 1000,
                "model_ms": each.answer["latency_ms"],
            }
            for number, each in sorted(self.answered.items())
            for cell_type, dff in each.answer["calcium"].items()
        ]
        columns = ["stimulus", "cell_type", "time_s", "voltage", "dff", "frame", "latency_ms", "model_ms"]
        table = pd.DataFrame(rows, columns=columns)
        return table.sort_values(["cell_type", "frame"], kind="stable", ignore_index=True)

    def sentence(self) -> str:
        """Say how it went."""
        n_lost = self.n_sent - len(self.answered)
        said = f"{self.n_sent} frames sent, {n_lost} without an answer, {len(self.refusals)} refusals"
        if not self.answered:
            return said
        median, p99, largest = np.percentile(self.latencies_ms(), [50, 99, 100])
        return f"{said}; end to end: median {median:.3g} ms, 99th percentile {p99:.3g} ms, maximum {largest:.3g} ms"
