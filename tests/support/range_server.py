"""A web server for tests that gives files of a folder, whole or in ranges, and counts what it gave."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse


@dataclass
class Served:
    """What a server has given.

    Args:
        url: of the server, without a slash at the end.
        n_bytes: that it gave.
        paths: that were asked for with GET.
    """

    url: str
    n_bytes: int = 0
    paths: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    """Answers for one folder; a class of its own for every server."""

    protocol_version = "HTTP/1.1"
    folder: Path
    ranges: bool
    served: Served

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def do_GET(self) -> None:
        self.served.paths.append(self.path)
        self._answer(with_content=True)

    def _answer(self, with_content: bool) -> None:
        asked = urlparse(self.path)
        if asked.path == "/api/dandisets/000001/versions/draft/assets/":
            (wanted,) = parse_qs(asked.query)["path"]
            found = {"results": [{"path": f"{wanted}2", "asset_id": "another"}, {"path": wanted, "asset_id": wanted}]}
            self._send(200, json.dumps(found).encode())
            return
        path = re.sub(r"^/api/assets/(.*)/download/$", r"/\1", unquote(asked.path))
        file = self.folder / path.lstrip("/")
        if file.is_file():
            self._send_file(file, with_content)
        else:
            self._send(404, b"")

    def _send_file(self, file: Path, with_content: bool) -> None:
        size = file.stat().st_size
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if self.ranges else None
        start = int(found[1]) if found else 0
        stop = min(size, int(found[2] or size - 1) + 1) if found else size
        self.send_response(206 if found else 200)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("ETag", str(file.stat().st_mtime_ns))
        if found:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.end_headers()
        if with_content:
            with file.open("rb") as content:
                content.seek(start)
                self.wfile.write(content.read(stop - start))
            self.served.n_bytes += stop - start

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(folder: Path, ranges: bool = True) -> Iterator[Served]:
    """Serve a folder on this machine; with ``ranges`` off every answer is the whole file."""
    served = Served("")
    handler = type("Handler", (_Handler,), {"folder": folder, "ranges": ranges, "served": served})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
