"""What is read of files elsewhere: blocks of an HDF5 file, files of a store.

It is kept in the folder of caches: of an HDF5 file the blocks that were asked for, of a store the files, each compared
with its size and checksum.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import fsspec
import h5py

from stcnn.addresses import address_of
from stcnn.errors import FileError
from stcnn.reading import reading
from stcnn.writing import atomic_write

BLOCK_BYTES = 1 << 16
"""Bytes of a block of an HDF5 file, the least that is fetched of it."""
MOST_BLOCKS = 64
"""Blocks of one request."""
DANDI_API = "https://api.dandiarchive.org/api"
"""Where addresses of DANDI are looked up; ``$DANDI_API`` names another place."""


@dataclass
class Traffic:
    """What was read from elsewhere since the program began."""

    n_bytes: int = 0
    n_requests: int = 0

    def add(self, n_bytes: int) -> None:
        """Count a request."""
        self.n_bytes += n_bytes
        self.n_requests += 1


traffic = Traffic()


@contextmanager
def _asking(address: str) -> Iterator[None]:
    """Say in a sentence why something cannot be had from elsewhere."""
    try:
        yield
    except FileError:
        raise
    except FileNotFoundError as error:
        why = error.__cause__  # fsspec says so too where a server does not answer, or answers something else
        if why is None or getattr(why, "status", None) == 404:
            raise FileError(f"there is nothing at {address}", remedy="correct the address") from error
        raise _unreachable(address, why) from error
    except ImportError as error:
        found = f"{address} needs a package that is not installed ({error})"
        raise FileError(found, remedy="pip install 'stcnn[remote]'") from error
    except Exception as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: BaseException) -> FileError:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return FileError(f"{address} cannot be read ({said})", remedy="look whether it can be reached")


def _filesystem(address: str) -> tuple[Any, str]:
    """Return what reads an address, and its name there."""
    if address.startswith("dandi://"):
        address = _of_dandi(address)
    options: dict[str, Any] = {}
    known = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
    if address.startswith("s3://") and not any(os.environ.get(name) for name in known):
        options["anon"] = not (Path.home() / ".aws" / "credentials").is_file()
    filesystem, name = fsspec.core.url_to_fs(address, **options)
    return filesystem, str(name)


def _of_dandi(address: str) -> str:
    """Return where DANDI keeps a file, ``dandi://000296/draft/sub-1/sub-1.nwb`` or with a version instead of draft."""
    parts = address.removeprefix("dandi://").split("/")
    if len(parts) < 3:
        raise FileError(f"'{address}' is no address", expected="dandi://DANDISET/VERSION/FILE, such as VERSION draft")
    dandiset, version, *path = parts
    wanted = "/".join(path)
    api = os.environ.get("DANDI_API", DANDI_API)
    query = urlencode({"path": wanted, "page_size": 100})
    listed = json.loads(_content(f"{api}/dandisets/{dandiset}/versions/{version}/assets/?{query}"))
    for asset in listed["results"]:
        if asset["path"] == wanted:
            return f"{api}/assets/{asset['asset_id']}/download/"
    raise FileError(f"the dandiset {dandiset} has no file {wanted}", remedy="correct the address")


def _content(address: str) -> bytes:
    with _asking(address):
        filesystem, name = _filesystem(address)
        content = filesystem.cat_file(name)
    traffic.add(len(content))
    return bytes(content)


def bring(file: Path, size: int | None = None, sha256: str | None = None) -> None:
    """Fetch a whole file to its stand-in, unless it is there; of any other path do nothing.

    Args:
        file: the path.
        size: it must have, in bytes.
        sha256: its content must have.

    Raises:
        FileError: it cannot be had, or is another one.
    """
    address = address_of(file)
    if address is None or (file.is_file() and (size is None or file.stat().st_size == size)):
        return
    content = _content(address)
    if size is not None and len(content) != size:
        raise FileError(f"{address} has {len(content)} bytes", expected=f"{size}, as its store says")
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise FileError(f"{address} was changed after it was written: it has another checksum than its store says")
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as draft:
        draft.write_bytes(content)


def bring_root(file: Path) -> None:
    """Fetch the file that says what lies in its folder, each time anew; where it changed, forget the folder."""
    address = address_of(file)
    if address is None:
        return
    content = _content(address)
    if file.is_file() and file.read_bytes() == content:
        return
    shutil.rmtree(file.parent, ignore_errors=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as draft:
        draft.write_bytes(content)


class RangedFile(io.RawIOBase):
    """A file elsewhere, read in blocks that are kept in the folder of caches.

    Args:
        path: stand-in of its address.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        address = address_of(path)
        assert address is not None
        self.address = address
        with _asking(address):
            self.filesystem, self.name = _filesystem(address)
            info = self.filesystem.info(self.name)
        if info.get("size") is None or info.get("partial") is False:
            raise FileError(f"{address} can be read only as a whole", remedy="download it and give the path")
        self.size = int(info["size"])
        looks = [str(info.get(key)) for key in ("size", "ETag", "Last-Modified", "LastModified")]
        version = hashlib.sha256("\n".join(looks).encode()).hexdigest()[:16]
        self.blocks = path.with_name(f"{path.name}.blocks") / version
        self.blocks.mkdir(parents=True, exist_ok=True)
        self.place = 0
        self._last: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place of the next byte."""
        return self.place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        self.place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.place, os.SEEK_END: self.size}[whence]
        return self.place

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any buffer
        """Fill a buffer from here on; return how many bytes there were."""
        into = memoryview(buffer).cast("B")
        stop = min(self.size, self.place + len(into))
        if stop <= self.place:
            return 0
        first = self.place // BLOCK_BYTES
        last = (stop - 1) // BLOCK_BYTES
        self._fetch(first, last)
        start = self.place
        while self.place < stop:
            number, offset = divmod(self.place, BLOCK_BYTES)
            part = self._block(number)[offset : offset + stop - self.place]
            into[self.place - start : self.place - start + len(part)] = part
            self.place += len(part)
        return stop - start

    def _block(self, number: int) -> bytes:
        if self._last[0] != number:
            self._last = (number, (self.blocks / str(number)).read_bytes())
        return self._last[1]

    def _length(self, number: int) -> int:
        return min(BLOCK_BYTES, self.size - number * BLOCK_BYTES)

    def _is_here(self, number: int) -> bool:
        try:
            return (self.blocks / str(number)).stat().st_size == self._length(number)
        except OSError:
            return False

    def _fetch(self, first: int, last: int) -> None:
        """Fetch blocks that are not here, those that follow each other in one request."""
        missing = [number for number in range(first, last + 1) if not self._is_here(number)]
        while missing:
            n = 1
            while n < min(len(missing), MOST_BLOCKS) and missing[n] == missing[0] + n:
                n += 1
            self._request(missing[0], n)
            missing = missing[n:]

    def _request(self, first: int, n: int) -> None:
        start = first * BLOCK_BYTES
        stop = min(self.size, (first + n) * BLOCK_BYTES)
        with _asking(self.address):
            content = self.filesystem.cat_file(self.name, start=start, end=stop)
        traffic.add(len(content))
        if len(content) != stop - start:
            found = f"{self.address} gave {len(content)} bytes where {stop - start} were asked for"
            raise FileError(found, remedy="its server knows no ranges; download it and give the path")
        for k in range(n):
            part = content[k * BLOCK_BYTES : (k + 1) * BLOCK_BYTES]
            handle, draft = tempfile.mkstemp(dir=self.blocks)
            with os.fdopen(handle, "wb") as file:
                file.write(part)
            Path(draft).replace(self.blocks / str(first + k))


@contextmanager
def open_remote_hdf5(path: Path, what: str) -> Iterator[h5py.File]:
    """Open an HDF5 file elsewhere; what fails in the block is said to be the file's fault.

    Raises:
        FileError: it cannot be had, or is damaged.
    """
    address = address_of(path)
    with reading(str(address), what), RangedFile(path) as content, h5py.File(content, "r") as file:
        yield file
