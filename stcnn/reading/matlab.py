"""Variables of MATLAB files (``.mat``), of version 5 to 7 and 7.3, as plain values; nothing in them is executed.

A struct becomes a dictionary, an array of structs or a cell array a list of its elements in MATLAB's order, text a
``str``, numbers an array with the rows and columns that MATLAB shows; what is none of these (an object, a date, what
is nested too deeply) is None. Sizes are judged before memory is taken.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import h5py
import numpy as np
import scipy.io

from stcnn.errors import FileError
from stcnn.reading.arrays import NUMBERS
from stcnn.reading.faults import reading, require_file, require_room
from stcnn.reading.hdf5 import hdf5_array, hdf5_item, open_hdf5

HDF5_AT = 512
"""Where the HDF5 content of a file of version 7.3 begins."""
COMPRESSED = 15
"""Type of an element that is compressed (MAT-File Level 5)."""
ELEMENTS = range(1, 19)
"""Types of an element; zero is none (MAT-File Level 5, table of data types)."""
HEADER_BYTES = 128
DEEPEST = 8
"""Structs and cells inside each other."""
MOST_CELLS = 1_000_000


def read_mat(path: str | Path, names: Sequence[str], what: str = "a MATLAB file") -> dict[str, Any]:
    """Read variables of a MATLAB file.

    Args:
        path: of the file.
        names: of the variables; those that it has not are left out.
        what: what is expected there.

    Raises:
        FileError: there is no such file, it is damaged, or takes too much memory.
    """
    size = require_file(path, what)
    with reading(path, what), Path(path).open("rb") as file:
        start = file.read(HDF5_AT + 4)
    if start[HDF5_AT : HDF5_AT + 4] == b"\x89HDF" or start.startswith(b"\x89HDF"):
        return _of_hdf5(path, names, what)
    with reading(path, what):
        require_room(3 * _expanded(Path(path), size), str(path), what)
        with Path(path).open("rb") as file:
            content = scipy.io.loadmat(file, variable_names=list(names))
    return {name: _plain(content[name]) for name in names if name in content}


def _plain(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - whatever MATLAB holds
    """Return what ``scipy`` read without its boxes."""
    found = np.asarray(value)
    if depth > DEEPEST:
        return None
    if found.dtype.names:
        each = [{name: _plain(one[name], depth + 1) for name in found.dtype.names} for one in found.ravel(order="F")]
        return each[0] if len(each) == 1 else each
    if found.dtype.kind == "O":
        return [_plain(one, depth + 1) for one in found.ravel(order="F")]
    if found.dtype.kind in "US":
        lines = [str(line) for line in found.ravel(order="F")]
        return lines[0] if len(lines) == 1 else lines or ""
    return found if found.dtype.kind in NUMBERS else None


def _expanded(path: Path, size: int) -> int:
    """Return how many bytes the elements of a file take, without keeping them.

    Raises:
        FileError: between them is something else, zeros for instance.
    """
    total = 0
    with path.open("rb") as file:
        order: Literal["big", "little"] = "big" if file.read(HEADER_BYTES)[126:128] == b"MI" else "little"
        while file.tell() + 8 <= size:
            kind, n_bytes = (int.from_bytes(file.read(4), order) for _ in range(2))
            if kind not in ELEMENTS:
                found = f"{path} has at byte {file.tell() - 8} no element of a MAT-file"
                raise FileError(found, remedy="copy the file again")
            end = min(file.tell() + n_bytes, size)
            if kind == COMPRESSED:
                total += _inflated(file, end)
            else:
                total += n_bytes
            file.seek(end)
    return total


def _inflated(file: BinaryIO, end: int) -> int:
    """Return how many bytes a compressed element takes."""
    inflate = zlib.decompressobj()
    total = 0
    rest = b""
    while not inflate.eof and (rest or file.tell() < end):
        rest = rest or file.read(min(2**16, end - file.tell()))
        total += len(inflate.decompress(rest, 2**20))
        rest = inflate.unconsumed_tail
    return total


def _of_hdf5(path: str | Path, names: Sequence[str], what: str) -> dict[str, Any]:
    with open_hdf5(path, what) as file:
        left = iter(range(MOST_CELLS))
        return {name: _of_node(file, name, what, left) for name in names if name in file}


def _of_node(group: h5py.Group, name: str, what: str, left: Iterator[int], depth: int = 0) -> Any:  # noqa: ANN401
    """Return a value of a file of version 7.3; ``left`` has an item for each that may still be read."""
    node = hdf5_item(group, name, what)
    if next(left, None) is None:
        raise FileError(f"{group.file.filename} has more than {MOST_CELLS} values in cells and structs", expected=what)
    if depth > DEEPEST or (isinstance(node, h5py.Dataset) and node.dtype.kind not in NUMBERS + "O"):
        return None
    if isinstance(node, h5py.Group):
        return {inner: _of_node(node, inner, what, left, depth + 1) for inner in node}
    if isinstance(node, h5py.Dataset) and node.dtype == h5py.ref_dtype:
        if node.size > MOST_CELLS:
            raise FileError(f"{name} in {group.file.filename} has {node.size} cells", expected=what)
        return [_of_node(group.file, group.file[one].name, what, left, depth + 1) for one in node[()].ravel()]
    values = hdf5_array(group, name, what)
    kind = values.attrs.get("MATLAB_class", b"")
    if values.attrs.get("MATLAB_empty", 0):
        return "" if kind == b"char" else np.zeros((0, 0))
    found = values[()].T
    return "".join(map(chr, found.ravel())) if kind == b"char" else found
