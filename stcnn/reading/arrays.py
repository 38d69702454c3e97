"""Arrays of numpy (``.npy``, ``.npz``), judged by their headers before memory is taken for them."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from stcnn.errors import FileError, ShapeError
from stcnn.reading.faults import COPY_AGAIN, readable, reading, require_file, require_room

NUMBERS = "fiub"
"""Kinds of dtype that are numbers: floating point, integer, unsigned integer, truth."""
TEXT = "US"
_KINDS = {"f": "floating point", "i": "integer", "u": "unsigned integer", "b": "truth", "U": "text", "S": "bytes"}
PIECE_BYTES = 2**24
"""Bytes of an archive that are unpacked at a time."""
Rank = int | tuple[int, ...] | None


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype
    n_bytes: int


def read_npy(
    path: str | Path, what: str = "an array (npy)", *, kinds: str = NUMBERS, ndim: Rank = None, mmap: bool = False
) -> NDArray:
    """Read an array; no object in it is ever unpickled.

    Args:
        path: of the file.
        what: what is expected there.
        kinds: of its dtype, letters as ``numpy.dtype.kind`` has them.
        ndim: its rank, or the ranks it may have; None takes any.
        mmap: map the file into memory, to be read when needed, instead of reading it.

    Raises:
        FileError: there is no such file, it is truncated, too large for the memory, or no array.
        ShapeError: it holds other values than ``kinds``, or has another rank.
    """
    size = require_file(path, what)
    with reading(path, what), Path(path).open("rb") as file:
        header = _header(file)
        start = file.tell()
    _require_kind(header, f"{path}", what, kinds, ndim)
    if header.n_bytes > size - start:
        found = f"{path} is cut short: it has {size - start} bytes of values"
        raise FileError(found, expected=f"{header.n_bytes} for the shape {header.shape}", remedy=COPY_AGAIN)
    if header.n_bytes == 0:
        return np.zeros(header.shape, header.dtype)
    order: Literal["C", "F"] = "F" if header.fortran_order else "C"
    with reading(path, what):
        if mmap:
            return np.memmap(path, header.dtype, "r", start, header.shape, order)
        require_room(header.n_bytes, f"{path}", what)
        flat = np.fromfile(path, header.dtype, math.prod(header.shape), offset=start)
        return flat.reshape(header.shape, order=order)


def _header(file: IO[bytes]) -> _Header:
    """Read the header of an array.

    Raises:
        ValueError: it is none.
    """
    version = npy_format.read_magic(file)
    if version == (1, 0):
        shape, fortran_order, dtype = npy_format.read_array_header_1_0(file)
    elif version in ((2, 0), (3, 0)):
        shape, fortran_order, dtype = npy_format.read_array_header_2_0(file)
    else:
        raise ValueError(f"it has the unknown version {version[0]}.{version[1]}")
    if any(length < 0 for length in shape) or len(shape) > 32:
        raise ValueError(f"it says its shape is {readable(shape)}")
    return _Header(shape, fortran_order, dtype, math.prod(shape) * dtype.itemsize)


def _require_kind(header: _Header, where: str, what: str, kinds: str, ndim: Rank) -> None:
    if header.dtype.hasobject:
        raise FileError(f"{where} holds Python objects", expected=what, remedy="save it as plain numbers")
    if header.dtype.kind not in kinds:
        wanted = " or ".join(_KINDS.get(kind, kind) for kind in kinds)
        raise ShapeError(f"{where} holds values of type {readable(header.dtype)}", expected=f"{what} of type {wanted}")
    ranks = (ndim,) if isinstance(ndim, int) else ndim
    if ranks is not None and len(header.shape) not in ranks:
        wanted = " or ".join(map(str, ranks))
        raise ShapeError(f"{where} has the shape {readable(header.shape)}", expected=f"{what} with {wanted} dimensions")


class Archive(Mapping[str, NDArray]):
    """The arrays of an open npz file by name, each read when asked for; made by :func:`open_npz`."""

    def __init__(self, path: str | Path, members: zipfile.ZipFile, what: str) -> None:
        self.path = path
        self.members = members
        self.what = what
        infos = [info for info in members.infolist() if not info.is_dir()]
        self.infos = {info.filename.removesuffix(".npy"): info for info in infos}
        if len(self.infos) != len(infos):
            raise ValueError("two of its arrays have one name")

    def __iter__(self) -> Iterator[str]:
        return iter(self.infos)

    def __len__(self) -> int:
        return len(self.infos)

    def __contains__(self, name: object) -> bool:
        return name in self.infos

    def __getitem__(self, name: str) -> NDArray:
        return self.read(name, kinds=NUMBERS + TEXT)

    def read(self, name: str, *, kinds: str = NUMBERS, ndim: Rank = None) -> NDArray:
        """Read an array; arguments and errors as :func:`read_npy`."""
        where = f"'{readable(name)}' in {self.path}"
        if name not in self.infos:
            raise FileError(f"{self.path} has no array '{readable(name)}'", expected=self.what)
        info = self.infos[name]
        with reading(where, self.what), self.members.open(info) as file:
            header = _header(file)
            _require_kind(header, where, self.what, kinds, ndim)
            if header.n_bytes > info.file_size:
                raise ValueError(f"it has {info.file_size} bytes, its shape {readable(header.shape)} needs more")
            require_room(header.n_bytes, where, self.what)
            content = np.empty(header.n_bytes, np.uint8)
            if _filled(content, file) != header.n_bytes:
                raise ValueError("it is cut short")
            file.read(1)  # at the end of a member its sum is checked
            flat = content.view(header.dtype) if header.n_bytes else np.empty(math.prod(header.shape), header.dtype)
            return flat.reshape(header.shape, order="F" if header.fortran_order else "C")


def _filled(buffer: NDArray[np.uint8], file: IO[bytes]) -> int:
    """Read from a file until a buffer is full; return how many bytes there were."""
    done = 0
    while done < len(buffer) and (piece := file.read(min(len(buffer) - done, PIECE_BYTES))):
        buffer[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)
    return done


@contextmanager
def open_npz(path: str | Path, what: str = "arrays (npz)") -> Iterator[Archive]:
    """Open the arrays of an npz file; the size of each is judged before it is unpacked.

    Raises:
        FileError: there is no such file, or it is damaged, or so is what is read from it in the block.
    """
    require_file(path, what)
    with reading(path, what), zipfile.ZipFile(path) as members:
        yield Archive(path, members, what)
