"""HDF5 files, read without following their links to other files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from stcnn.errors import FileError, ShapeError
from stcnn.reading.arrays import NUMBERS, Rank
from stcnn.reading.faults import readable, reading, require_file, require_room, require_stored

_STEPS = 64
"""Longest way to an array, soft links included."""


@contextmanager
def open_hdf5(path: str | Path, what: str = "an HDF5 file") -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; what fails in the block is said to be the file's fault.

    Raises:
        FileError: there is no such file, or it is damaged, or so is what is read from it in the block.
    """
    require_file(path, what)
    with reading(path, what), h5py.File(path, "r") as file:
        yield file


def hdf5_item(file: h5py.Group, name: str, what: str) -> h5py.Group | h5py.Dataset | None:
    """Return the group or array at a path below an open file or group; None where there is none.

    ``file.get(name)`` would follow a link to another file, which may be a pipe that nobody writes to.

    Args:
        file: the file, or a group in it.
        name: of what is looked for.
        what: what is expected there.

    Raises:
        FileError: it lies in another file, or cannot be read.
    """
    where = f"'{readable(name)}' in {file.file.filename}"
    if not _is_inside(file, name, where, what):
        return None
    with reading(where, what):
        return file[name]


def hdf5_array(
    file: h5py.Group, name: str, what: str = "an array", *, kinds: str = NUMBERS, ndim: Rank = None
) -> h5py.Dataset:
    """Find an array in an open file and judge it, without reading it.

    Args:
        file: the file, or a group in it.
        name: of the array, a path below it.
        what: what is expected there.
        kinds: of its dtype, letters as ``numpy.dtype.kind`` has them; "O" is text of any length.
        ndim: its rank, or the ranks it may have.

    Raises:
        FileError: there is none, it lies in another file, or reading all of it would take too much memory.
        ShapeError: it holds other values, or has another rank.
    """
    where = f"'{readable(name)}' in {file.file.filename}"
    found = hdf5_item(file, name, what)
    if found is None:
        raise FileError(f"there is no {where}", expected=what, remedy="correct its name or the file")
    with reading(where, what):
        if not isinstance(found, h5py.Dataset):
            raise FileError(f"{where} is a group", expected=what)
        if found.external or (found.is_virtual and any(source.file_name != "." for source in found.virtual_sources())):
            raise FileError(
                f"{where} keeps its values in another file", expected=what, remedy="copy them into the file"
            )
        shape = found.shape
        dtype = found.dtype
    if shape is None:
        raise ShapeError(f"{where} is empty", expected=what)
    if dtype.kind not in kinds or (dtype.kind == "O" and h5py.check_string_dtype(dtype) is None):
        raise ShapeError(f"{where} holds values of type {readable(dtype)}", expected=what)
    if h5py.check_enum_dtype(dtype) is not None:  # read as the codes, which are not what it says
        raise ShapeError(
            f"{where} holds an enumeration, codes that stand for names", expected=what, remedy="save the names as text"
        )
    ranks = (ndim,) if isinstance(ndim, int) else ndim
    if ranks is not None and len(shape) not in ranks:
        wanted = " or ".join(map(str, ranks))
        raise ShapeError(f"{where} has the shape {shape}", expected=f"{what} with {wanted} dimensions")
    n_bytes = math.prod(shape) * dtype.itemsize
    require_room(n_bytes, where, what)
    if not found.is_virtual:
        require_stored(n_bytes, found.id.get_storage_size, where)
    return found


def _is_inside(file: h5py.Group, name: str, where: str, what: str) -> bool:
    """Follow a name step by step, soft links included; refuse a step into another file."""
    group = file
    waiting = [part for part in name.split("/") if part]
    steps = 0
    with reading(where, what, remedy="correct its name or the file"):
        while waiting:
            part = waiting.pop(0)
            steps += 1
            link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
            if link is None or steps > _STEPS:
                return False
            if isinstance(link, h5py.ExternalLink):
                raise FileError(f"{where} lies in another file, {readable(link.filename)}", expected=what)
            if isinstance(link, h5py.SoftLink):
                group = group.file["/"] if link.path.startswith("/") else group
                waiting = [*(p for p in link.path.split("/") if p), *waiting]
            else:
                group = group[part]
    return True
