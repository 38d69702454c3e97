"""NWB files as trees of groups, arrays and attributes, alike for the HDF5 and the Zarr backend.

Links within the file are followed, those to other files are not. A size is judged before memory is taken for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr
from numpy.typing import NDArray

from stcnn.addresses import address_of
from stcnn.data.importers.nwb.zarr import ZarrNode
from stcnn.errors import DataError, FileError
from stcnn.reading import open_hdf5, readable, reading, require_room, require_stored
from stcnn.remote import open_remote_hdf5

Node = Any
"""A group or array of h5py, a :class:`ZarrNode`, or an array of zarr: all know ``attrs``, groups ``keys`` and ``in``,
arrays ``shape``, ``dtype`` and slices."""

WHAT = "an NWB file (HDF5 or Zarr)"
_DEEPEST = 32
_MOST_LINKS = 40


@contextmanager
def opened(path: Path) -> Iterator[Node]:
    """The root of a file (HDF5) or folder (Zarr); what fails in the block is said to be the file's fault.

    Raises:
        FileError: it is missing or damaged.
    """
    address = address_of(path)
    if address is None and path.is_dir():
        with reading(path, WHAT):
            root = ZarrNode(path)
            _require_nwb(root, path)
            yield root
        return
    with open_remote_hdf5(path, WHAT) if address else open_hdf5(path, WHAT) as root:
        _require_nwb(root, path)
        yield root


def _require_nwb(root: Node, path: Path) -> None:
    if "nwb_version" not in root.attrs:
        first = "'nwb_version' in root" if "nwb_version" in root else ""
        raise FileError(
            f"{path} has no nwb_version" + (", it is of NWB 1" if first else ""),
            expected="an NWB file of version 2",
            remedy="convert it to NWB 2" if first else "",
        )


def child(node: Node, path: str, steps: int = 0) -> Node:
    """The group or array at a path below a group, links within the file followed; None where there is none.

    Args:
        node: a group.
        path: names with slashes between them.
        steps: how many links led here.

    Raises:
        FileError: it lies in another file.
    """
    for name in (part for part in path.split("/") if part):
        if not hasattr(node, "keys") or steps > _MOST_LINKS:
            return None
        link = None if isinstance(node, ZarrNode) else node.get(name, getlink=True)
        if isinstance(link, h5py.SoftLink):
            node = child(node.file if link.path.startswith("/") else node, link.path, steps + 1)
            if node is None:
                return None
            continue
        elsewhere = node.elsewhere.get(name) if isinstance(node, ZarrNode) else getattr(link, "filename", None)
        if elsewhere is not None:
            raise FileError(
                f"'{readable(f'{place_of(node)}/{name}'.strip('/'))}' lies in another file, {readable(elsewhere)}",
                expected="a file that holds its data itself",
                remedy="export it with pynwb (NWBHDF5IO.export), which copies what is linked",
            )
        try:
            node = node[name]
        except KeyError:  # not there, or a link that leads nowhere
            return None
    return node


def place_of(node: Node) -> str:
    """Path of a group from the root, without a leading slash; of the group itself where a link led to it."""
    return str(node.path if isinstance(node, ZarrNode) else node.name or "").strip("/")


def parent_of(path: str) -> str:
    """Path of the group that holds this one."""
    return path.rpartition("/")[0]


def name_of(path: str) -> str:
    """Last part of a path."""
    return path.rpartition("/")[2]


def walk(root: Node, start: str, depth: int = 0) -> Iterator[tuple[str, Node]]:
    """Every group below a path, with its own path; links are not followed."""
    if depth > _DEEPEST or (depth == 0 and child(root, start) is None):
        return
    node = root[start]
    if hasattr(node, "keys"):
        yield start, node
        for name in node.keys():  # noqa: SIM118 - a tree's node, not a dictionary
            if not is_link(node, name):
                yield from walk(root, f"{start}/{name}", depth + 1)


def is_link(node: Node, name: str) -> bool:
    """Whether a member of a group stands elsewhere."""
    if isinstance(node, ZarrNode):
        return name in node.links
    return isinstance(node.get(name, getlink=True), h5py.SoftLink | h5py.ExternalLink)


def kind_of(node: Node) -> str:
    """Name of the NWB type of a group or array, empty where it has none."""
    return text(node, "neurodata_type")


def attribute(node: Node, name: str, default: Any) -> Any:  # noqa: ANN401 - whatever was stored
    """An attribute, or the default."""
    return node.attrs.get(name, default)


def factor(node: Node, name: str, default: float) -> float:
    """An attribute that is a number, or the default.

    Raises:
        DataError: it is no finite number.
    """
    value = attribute(node, name, default)
    try:
        number = float(np.asarray(value).ravel()[0])
    except (ValueError, TypeError, IndexError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"'{name}' of '{place_of(node)}' is {readable(value)}", expected="a number")
    return number


def text(node: Node, name: str) -> str:
    """An attribute as text, empty where there is none."""
    value = "" if node is None else node.attrs.get(name, "")
    return plain_text(value) if isinstance(value, str | bytes) else ""


def text_at(root: Node, path: str) -> str:
    """A dataset that holds one text, empty where there is none."""
    node = child(root, path)
    if node is None or hasattr(node, "keys") or math.prod(node.shape) != 1:
        return ""
    return plain_text(np.asarray(node[()]).ravel()[0])


def plain_text(value: object) -> str:
    """A text of a file; numbers are written out, whole ones without a point, NaN as nothing.

    Raises:
        DataError: it is no UTF-8.
    """
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise DataError(f"{readable(value)} is no text", expected="UTF-8") from None
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else str(int(value)) if float(value).is_integer() else str(value)
    return str(value)


def numbers(node: Node, where: str, ndim: int | None = None, kinds: str = "fiub") -> NDArray:
    """All values of an array of numbers.

    Raises:
        FileError: they would take too much memory.
        DataError: it is no array of numbers, or of another rank.
    """
    require_numbers(node, where, kinds)
    if ndim is not None and len(node.shape) != ndim:
        raise DataError(f"{where} has the shape {tuple(node.shape)}", expected=f"{ndim} dimensions")
    require_room(math.prod(node.shape) * node.dtype.itemsize, where)
    return np.asarray(node[()])


def require_numbers(node: Node, where: str, kinds: str = "fiub") -> None:
    """Refuse what is no array of numbers.

    Raises:
        DataError: it is none.
        FileError: it declares far more values than the file holds.
    """
    if node is None or hasattr(node, "keys") or node.shape is None:
        raise DataError(f"{where} is missing or no array", expected="an array of numbers")
    if node.dtype.kind not in kinds:
        raise DataError(f"{where} holds values of type {readable(node.dtype)}", expected="numbers")
    n_bytes = math.prod(node.shape) * node.dtype.itemsize
    if isinstance(node, h5py.Dataset) and not node.is_virtual:
        require_stored(n_bytes, node.id.get_storage_size, where)
    elif isinstance(node, zarr.Array):
        require_stored(n_bytes, node.nbytes_stored, where)


def texts(node: Node, where: str) -> list[str]:
    """Values of an array of one dimension, as text.

    Raises:
        DataError: it has another rank, or holds neither texts nor numbers.
    """
    if hasattr(node, "keys") or len(node.shape) != 1:
        raise DataError(f"{where} is no column of single values", expected="a text or number in each row")
    if node.dtype.kind not in "OSUTiufb" or (isinstance(node, h5py.Dataset) and _is_reference(node)):
        raise DataError(f"{where} holds values of type {readable(node.dtype)}", expected="texts or numbers")
    require_room(100 * node.shape[0], where)
    return [plain_text(value) for value in np.asarray(node[()])]


def _is_reference(node: h5py.Dataset) -> bool:
    return h5py.check_ref_dtype(node.dtype) is not None


def referred(root: Node, value: object) -> str | None:
    """Path of the group or array that an object reference points to; None where it is no reference."""
    if isinstance(value, h5py.Reference):
        return str(root[value].name).strip("/") if value else None
    if isinstance(value, dict):  # hdmf-zarr
        inner = value.get("value", value)
        path = inner.get("path") if isinstance(inner, dict) else None
        return path.strip("/") if isinstance(path, str) else None
    return None


def what_there_is(root: Node) -> str:
    """The NWB types of a file's series and tables, for a sentence."""
    kinds: dict[str, None] = {}
    for start in ("acquisition", "processing", "analysis", "intervals", "stimulus"):
        for _, node in walk(root, start):
            if kind := kind_of(node):
                kinds.setdefault(kind)
    known = [kind for kind in kinds if kind not in ("ProcessingModule", "DynamicTable")]
    return ", ".join(known[:8]) if known else "nothing that was recorded"
