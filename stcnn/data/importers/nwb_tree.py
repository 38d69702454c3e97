"""NWB files as trees of groups, arrays and attributes, alike for the HDF5 and the Zarr backend."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numcodecs  # type: ignore[import-untyped]
import numpy as np
import zarr
from numpy.typing import NDArray

from stcnn.errors import DataError, FileError

Node = Any
"""A group or array of h5py or zarr: both know ``keys``, ``attrs``, ``in``, indexing by path, and slices."""


@contextmanager
def opened(path: Path) -> Iterator[Node]:
    """The root of a file (HDF5) or folder (Zarr).

    Raises:
        FileError: it is missing or damaged.
    """
    try:
        root: Node = ZarrNode(path) if path.is_dir() else h5py.File(path, "r")
    except (OSError, ValueError, FileNotFoundError) as error:
        raise FileError(
            f"{path} cannot be read", expected="an NWB file, HDF5 or Zarr", remedy="copy it again"
        ) from error
    try:
        if "nwb_version" not in root.attrs:
            raise FileError(f"{path} has no nwb_version", expected="an NWB file")
        yield root
    finally:
        if isinstance(root, h5py.File):
            root.close()


class ZarrNode:
    """A group of a Zarr folder (format 2); links, which hdmf-zarr keeps as attributes of the group, are followed."""

    def __init__(self, root: Path, path: str = "") -> None:
        self.root, self.path = root, path
        self.attrs = _json(root / path / ".zattrs")

    def keys(self) -> list[str]:
        """Names of members and links."""
        members = (self.root / self.path).iterdir()
        return sorted([m.name for m in members if _is_group(m) or _is_array(m)] + list(self.links))

    @property
    def links(self) -> dict[str, str]:
        """Name of each link to the path that it points to."""
        return {link["name"]: link["path"].strip("/") for link in self.attrs.get("zarr_link", [])}

    def __contains__(self, path: str) -> bool:
        try:
            self[path]
        except KeyError:
            return False
        return True

    def __getitem__(self, path: str) -> Node:
        first, _, rest = path.strip("/").partition("/")
        place = self.links.get(first, f"{self.path}/{first}".strip("/"))
        if _is_group(self.root / place):
            node = ZarrNode(self.root, place)
            return node[rest] if rest else node
        if rest or not _is_array(self.root / place):
            raise KeyError(path)
        return _array(self.root / place)


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def _is_group(path: Path) -> bool:
    return (path / ".zgroup").exists()


def _is_array(path: Path) -> bool:
    return (path / ".zarray").exists()


def _array(path: Path) -> Node:
    """An array; texts, whose declaration Zarr v3 does not accept from hdmf-zarr, are decoded here."""
    declared = _json(path / ".zarray")
    if declared["dtype"] != "|O":
        return zarr.open_array(path, mode="r", zarr_format=2)
    compressor, filters = declared["compressor"], declared["filters"] or []
    chunks = []
    for number in range(-(-declared["shape"][0] // declared["chunks"][0])):
        values: Any = (path / str(number)).read_bytes()
        for codec in [*([compressor] if compressor else []), *reversed(filters)]:
            values = numcodecs.get_codec(codec).decode(values)
        chunks.append(np.asarray(values, object))
    return np.concatenate(chunks)[: declared["shape"][0]]


def target_of(node: Node, name: str) -> str:
    """Path that a link of a group points to."""
    if isinstance(node, ZarrNode):
        return node.links.get(name, "")
    link = node.get(name, getlink=True)
    return str(link.path if isinstance(link, h5py.SoftLink) else node[name].name)


def walk(root: Node, start: str) -> Iterator[tuple[str, Node]]:
    """Every group below a path, with its own path; links are not followed."""
    if start not in root:
        return
    node = root[start]
    if hasattr(node, "keys"):
        yield start, node
        for name in node.keys():  # noqa: SIM118 - a tree's node, not a dictionary
            if not _is_link(node, name):
                yield from walk(root, f"{start}/{name}")


def _is_link(node: Node, name: str) -> bool:
    return name in node.links if isinstance(node, ZarrNode) else isinstance(node.get(name, getlink=True), h5py.SoftLink)


def attribute(node: Node, name: str, default: Any) -> Any:  # noqa: ANN401 - whatever was stored
    """An attribute, or the default."""
    return node.attrs.get(name, default)


def text(node: Node, name: str) -> str:
    """An attribute as text, empty where there is none; with an empty name the value of a scalar array."""
    if node is None:
        return ""
    value = node.attrs.get(name, "") if name else np.asarray(node[()]).ravel()[0]
    return value.decode() if isinstance(value, bytes) else str(value)


def times_of(series: Node, n_samples: int) -> NDArray[np.float64]:
    """Time stamps of a time series, ``(T,)``.

    Raises:
        DataError: it has neither time stamps nor a start and a rate.
    """
    if "timestamps" in series:
        return np.asarray(series["timestamps"][:], np.float64)
    if "starting_time" in series:
        start = series["starting_time"]
        rate_hz = float(attribute(start, "rate", 0))
        if rate_hz > 0:
            return float(np.asarray(start[()]).ravel()[0]) + np.arange(n_samples) / rate_hz
    raise DataError(f"series '{getattr(series, 'name', '')}' has no timestamps and no rate", expected="one of the two")
