"""A rig that runs stimpack shows its stimuli to the model, too: lists of requests, a line of JSON each, over TCP.

The requests are those of ``stimpack.rpc`` (github.com/ClandininLab/stimpack): lists of
``{"target": ..., "name": ..., "args": [...], "kwargs": {...}}``, tuples as ``{"__tuple__": true, "items": [...]}``.
Answers have the same form, so that a client of stimpack can register functions for them: ``stcnn_response`` and
``stcnn_error``.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np

from stcnn.errors import ConfigError, DataError, FileError, StcnnError, nearest
from stcnn.live.gate import Address, Gate
from stcnn.live.messages import SHOWN, Frame
from stcnn.live.outbox import Outbox
from stcnn.live.service import Peer, Service
from stcnn.live.trajectories import Layer, grey_of, layer_of
from stcnn.stimuli import Screen

MOST_LINE_BYTES = 1 << 20
MOST_LAYERS = 16
TICK_S = 0.02
MOST_AT_ONCE_S = 0.5
"""Frames of at most so long are shown in one go; a model that is further behind has lost the rest."""
LONGEST_S = 600.0
"""Of a response; what comes later in a stimulus is shown but not kept."""
TOKEN_S = 10.0
"""How long a peer may take to show its token."""
LAST_ANSWERS_S = 1.0
DISPLAY_ONLY = {
    "clear_profile",
    "corner_square_off",
    "corner_square_on",
    "corner_square_toggle_start",
    "corner_square_toggle_stop",
    "hide_corner_square",
    "print_profile",
    "save_pos_history_to_file",
    "set_corner_square",
    "set_save_pos_history_dir",
    "set_save_pos_history_flag",
    "show_corner_square",
}
"""Requests to the display that change nothing the animal sees: taken without an answer."""


def requests_of(line: bytes) -> list[dict[str, Any]]:
    """Read a line of requests.

    Raises:
        DataError: it is none.
    """
    try:
        found = json.loads(line, object_hook=_untupled)
        if not isinstance(found, list) or not all(isinstance(one, dict) and "name" in one for one in found):
            raise ValueError
    except (ValueError, RecursionError):
        raise DataError(
            f"a line is {line[:SHOWN]!r} ({len(line)} bytes)",
            expected='a list of requests such as [{"name": "start_stim", "args": [], "kwargs": {}}]',
        ) from None
    return found


def _untupled(value: dict[str, Any]) -> Any:  # noqa: ANN401  (JSON)
    return value["items"] if "__tuple__" in value and isinstance(value.get("items"), list) else value


class Stage:
    """What one rig shows: the ground, the stimuli on it, and since when.

    Args:
        screen: of the model.
        peer: the rig.
    """

    def __init__(self, screen: Screen, peer: Peer) -> None:
        self._screen = screen
        self._peer = peer
        self._ground = screen.background
        self._layers: list[tuple[str, Layer]] = []
        self._started_s: float | None = None
        self._n_shown = 0
        self._clock_s = time.perf_counter()
        self._n_clock = 0
        self._kept: list[dict[str, Any]] = []
        self._is_told = False
        """Whether it was said that a picture of this stimulus cannot be shown."""

    async def take(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Do what a request says; return the answer to it, if there is one.

        Raises:
            StcnnError: it cannot be done.
        """
        name, arguments = str(request["name"]), request.get("kwargs", {})
        target = request.get("target")
        if target not in {None, "all", "visual"}:
            raise ConfigError(f"the target '{target!s:.{SHOWN}}' is not here", expected="'visual' or 'all'")
        if not isinstance(arguments, dict) or not isinstance(request.get("args", []), list):
            raise ConfigError(
                f"the request '{name:.{SHOWN}}' has no proper args and kwargs", expected="a list and a mapping"
            )
        known = {
            "load_stim": self._load,
            "start_stim": self._start,
            "stop_stim": self._stop,
            "set_idle_background": self._colour,
        }
        if name in known:
            return await known[name](list(request.get("args", [])), dict(arguments))
        if name in DISPLAY_ONLY:
            return None
        raise ConfigError(f"the request '{name:.{SHOWN}}' is not known here", remedy=nearest(name[:SHOWN], known))

    def catch_up(self) -> None:
        """Show the frames whose time has come."""
        due = int((time.perf_counter() - self._clock_s) * self._screen.rate_hz) - self._n_clock
        most = round(MOST_AT_ONCE_S * self._screen.rate_hz)
        for _ in range(min(due, most)):
            self._show()
        self._n_clock += max(0, due)
        if due > most:
            self._peer.session.latencies.n_dropped += due - most

    def _show(self) -> None:
        picture = np.full(self._screen.shape_px, self._ground, np.float32)
        running = self._started_s is not None
        if running:
            for _, layer in self._layers:
                picture = layer(self._n_shown / self._screen.rate_hz, picture)
        number = self._peer.session.n_messages
        answer = self._peer.session.answer(Frame(np.clip(picture, 0, 1), number, time.perf_counter()))
        if "error" in answer and not self._is_told:
            self._is_told = True
            self._peer.outlet.put({"name": "stcnn_error", "kwargs": answer})
        if running:
            self._n_shown += 1
            if "calcium" in answer and len(self._kept) < LONGEST_S * self._screen.rate_hz:
                self._kept.append(answer)

    async def _load(self, args: list[Any], given: dict[str, Any]) -> None:
        name = args[0] if args else given.pop("name", None)
        if len(args) > 1 or not isinstance(name, str):
            raise ConfigError("load_stim has no name of a stimulus, or more than that before its keywords")
        is_added = bool(given.pop("hold", False))
        if is_added and len(self._layers) >= MOST_LAYERS:
            raise ConfigError(
                f"{MOST_LAYERS} stimuli are loaded", expected="fewer at a time", remedy="send stop_stim first"
            )
        layer = await asyncio.to_thread(layer_of, self._screen, name, given)  # others go on while it is drawn
        self._layers = [*(self._layers if is_added else []), (name, layer)]

    async def _start(self, args: list[Any], given: dict[str, Any]) -> None:
        self.catch_up()
        self._started_s = self._clock_s = time.perf_counter()
        self._n_clock = self._n_shown = 0
        self._kept = []
        self._is_told = False

    async def _stop(self, args: list[Any], given: dict[str, Any]) -> dict[str, Any] | None:
        self.catch_up()
        names = [name for name, _ in self._layers]
        kept, self._kept = self._kept, []
        was_running = self._started_s is not None
        self._started_s, self._layers = None, []
        if not was_running:
            return None
        traces = {
            part: {kind: [answer[part][kind] for answer in kept] for kind in self._peer.session.stream.cell_types}
            for part in ("voltage", "calcium")
        }
        facts = {"stimuli": names, "rate_hz": self._screen.rate_hz, "n_shown": self._n_shown, "n_kept": len(kept)}
        return {**facts, **traces}

    async def _colour(self, args: list[Any], given: dict[str, Any]) -> None:
        self.catch_up()
        self._ground = grey_of(args[0] if args else given.get("color"), "the idle background")


class StimpackListener:
    """Listens for rigs that run stimpack; each has a state of its own.

    Args:
        address: where.
        service: the model.
        gate: who may connect: with a token, the first line is ``[{"name": "token", "args": [TOKEN]}]``.
        screen: that stimuli are drawn on.
    """

    def __init__(self, address: Address, service: Service, gate: Gate, screen: Screen) -> None:
        gate.require_safe(address)
        self.address = address
        self.service = service
        self.gate = gate
        self.screen = screen

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen until the block ends; yield the address.

        Raises:
            FileError: the address cannot be used.
        """
        try:
            server = await asyncio.start_server(self._meet, self.address.host, self.address.port, limit=MOST_LINE_BYTES)
        except OSError as error:
            raise FileError(f"cannot listen at '{self.address}' ({error.strerror or error})") from None
        self._meetings: set[asyncio.Task[None]] = set()
        async with server:
            try:
                yield str(self.address._replace(port=server.sockets[0].getsockname()[1]))
            finally:
                for task in list(self._meetings):
                    task.cancel()
                await asyncio.gather(*self._meetings, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._meetings.add(task)
        try:
            if await self._is_welcome(reader, writer):
                await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it left in the middle of a line, or the service ends
        finally:
            self._meetings.discard(task)
            writer.close()

    async def _is_welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if self.gate.token is None:
            return True
        with suppress(TimeoutError, StcnnError, asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            line = await asyncio.wait_for(reader.readuntil(b"\n"), TOKEN_S)
            (request,) = requests_of(line) or [{}]
            args = request.get("args")
            shown = args[0] if isinstance(args, list) and args else None
            if request.get("name") == "token" and isinstance(shown, str) and self.gate.admits(shown):
                return True
        self.service.keep_out(_name(writer))
        return False

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        outbox = Outbox()
        try:
            with self.service.visiting(_name(writer), outbox) as peer:
                stage = Stage(self.screen, peer)
                helpers = [asyncio.create_task(_write(writer, outbox)), asyncio.create_task(_tick(stage))]
                try:
                    while (line := await _line(reader)) != b"":
                        await _answer(line, stage, peer)
                    outbox.close()
                    await asyncio.wait(helpers[:1], timeout=LAST_ANSWERS_S)
                finally:
                    for helper in helpers:
                        helper.cancel()
        except ConfigError as error:
            writer.write(_as_request("stcnn_error", {"error": str(error)}).encode())


async def _answer(line: bytes | None, stage: Stage, peer: Peer) -> None:
    """Do what a line says, request by request; one that cannot be done is answered with a sentence."""
    if line is None:
        peer.outlet.put(_refusal(peer, f"a line of more than {MOST_LINE_BYTES} bytes is not read."))
        return
    try:
        requests = requests_of(line)
    except StcnnError as error:
        peer.outlet.put(_refusal(peer, str(error)))
        return
    for request in requests:
        try:
            answer = await stage.take(request)
        except StcnnError as error:
            peer.outlet.put(_refusal(peer, str(error)))
            continue
        if answer is not None:
            peer.outlet.put({"name": "stcnn_response", "kwargs": answer})


def _refusal(peer: Peer, sentence: str) -> dict[str, Any]:
    peer.session.latencies.n_refused += 1
    facts = {"error": sentence, "n_refused": peer.session.latencies.n_refused}
    return {"name": "stcnn_error", "kwargs": facts}


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next line, nothing at the end, None in place of one that is too long (which is passed over)."""
    is_long = False
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            is_long = True
            await reader.readexactly(max(1, error.consumed))
        except asyncio.IncompleteReadError:
            return b""
        else:
            return None if is_long else line


async def _tick(stage: Stage) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        stage.catch_up()


async def _write(writer: asyncio.StreamWriter, outbox: Outbox) -> None:
    with suppress(ConnectionError):
        while (answer := await outbox.next()) is not None:
            writer.write(_as_request(answer["name"], answer["kwargs"]).encode())
            await writer.drain()


def _as_request(name: str, facts: dict[str, Any]) -> str:
    return json.dumps([{"name": name, "args": [], "kwargs": facts}]) + "\n"


def _name(writer: asyncio.StreamWriter) -> str:
    host, port = writer.get_extra_info("peername")[:2]
    return f"stimpack://{host}:{port}"
