"""Frames and answers over WebSocket, for programs and for pages in a browser."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from stcnn.errors import ConfigError, FileError
from stcnn.live.gate import Address, Gate
from stcnn.live.messages import Message, Packed, most_bytes
from stcnn.live.outbox import Outbox, as_json
from stcnn.live.service import Peer, Service

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

ALIVE_S = 20.0
"""A peer is asked this often whether it is there, and gone when it has not said so for as long."""
LAST_ANSWERS_S = 1.0
TOO_BIG = 1009
"""Status of a connection that ended because a message was too large (RFC 6455, section 7.4.1)."""
LATER = 1013
"""Status of a connection that may be tried again later (the IANA registry of WebSocket close codes)."""
_SILENT = logging.getLogger("stcnn.live.websocket")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class WebSocketListener:
    """Listens for WebSocket connections; each is a peer with a state of its own.

    Args:
        address: where.
        service: the model.
        gate: who may connect: the token comes as ``Authorization: Bearer TOKEN``, or as ``?token=TOKEN`` from a page.
    """

    def __init__(self, address: Address, service: Service, gate: Gate) -> None:
        gate.require_safe(address)
        self.address = address
        self.service = service
        self.gate = gate
        self._most_bytes = most_bytes(service.shape)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen until the block ends; yield the address.

        Raises:
            FileError: the address cannot be used, or the package websockets is not installed.
        """
        try:
            from websockets.asyncio.server import serve
        except ImportError:
            remedy = "install it with: pip install 'stcnn[live]'"
            raise FileError("WebSocket needs the package 'websockets'", remedy=remedy) from None
        opening = serve(
            self._meet,
            self.address.host,
            self.address.port,
            process_request=self._judge,
            max_size=self._most_bytes,
            ping_interval=ALIVE_S,
            ping_timeout=ALIVE_S,
            compression=None,
            server_header=None,
            logger=_SILENT,
        )
        async with AsyncExitStack() as stack:
            try:
                server = await stack.enter_async_context(opening)
            except OSError as error:
                raise FileError(f"cannot listen at '{self.address}' ({error.strerror or error})") from None
            port = next(iter(server.sockets)).getsockname()[1]
            yield str(self.address._replace(port=port))

    def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """Turn away who has no token, and pages of other sites where there is none to show."""
        if self.gate.token is None:
            origin = request.headers.get("Origin")
            if origin is None or _is_of_this_machine(origin):
                return None
            self.service.keep_out(origin)
            return connection.respond(HTTPStatus.FORBIDDEN, "Pages of other sites need a token.\n")
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        shown = parse_qs(urlsplit(request.path).query).get("token", [""])[0]
        if self.gate.admits(token.strip() if kind.lower() == "bearer" else shown):
            return None
        self.service.keep_out(_name(connection))
        return connection.respond(HTTPStatus.UNAUTHORIZED, "Show the token: 'Authorization: Bearer TOKEN'.\n")

    async def _meet(self, connection: ServerConnection) -> None:
        outbox = Outbox()
        try:
            with self.service.visiting(_name(connection), outbox) as peer:
                writer = asyncio.create_task(_write(connection, outbox))
                try:
                    await self._listen(connection, peer)
                    outbox.close()
                    await asyncio.wait([writer], timeout=LAST_ANSWERS_S)
                finally:
                    writer.cancel()
        except ConfigError as error:
            await connection.close(LATER, str(error)[:100])

    async def _listen(self, connection: ServerConnection, peer: Peer) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            async for data in connection:
                received_s = time.perf_counter()
                if isinstance(data, str):
                    peer.hear(Message(data.encode(), (), received_s))
                else:
                    peer.hear(Packed(data, received_s))
                if peer.session.is_over:
                    return
                await asyncio.sleep(0)  # everybody has a turn, also while one peer has much to say
        except ConnectionClosed as error:
            if error.sent is not None and error.sent.code == TOO_BIG:
                peer.refuse(f"a message of more than {self._most_bytes} bytes is not read.")


async def _write(connection: ServerConnection, outbox: Outbox) -> None:
    from websockets.exceptions import ConnectionClosed

    try:
        while (answer := await outbox.next()) is not None:
            await connection.send(as_json(answer, outbox.n_unheard))
    except ConnectionClosed:
        return


def _name(connection: ServerConnection) -> str:
    remote = connection.remote_address
    return f"ws://{remote[0]}:{remote[1]}" if remote else f"ws:{connection.id}"


def _is_of_this_machine(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return False
    return host is not None and Address("http", host, 0).is_loopback
