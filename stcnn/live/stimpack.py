"""A rig that runs stimpack shows its stimuli to the model, too: lists of requests, a line of JSON each, over TCP.

The requests are those of ``stimpack.rpc`` (github.com/ClandininLab/stimpack): lists of
``{"target": ..., "name": ..., "args": [...], "kwargs": {...}}``, tuples as ``{"__tuple__": true, "items": [...]}``.
Answers have the same form, so that a client of stimpack can register functions for them: ``stcnn_response`` and
``stcnn_error``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from stcnn.errors import ConfigError, DataError, FileError, StcnnError
from stcnn.live.gate import Address, Gate
from stcnn.live.messages import SHOWN
from stcnn.live.outbox import Outbox
from stcnn.live.service import Peer, Service
from stcnn.live.stage import Stage
from stcnn.stimuli import Screen

MOST_LINE_BYTES = 1 << 20
TICK_S = 0.02
TOKEN_S = 10.0
"""How long a peer may take to show its token."""
LAST_ANSWERS_S = 1.0


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
