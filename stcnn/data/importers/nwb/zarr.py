"""Groups and arrays of an NWB file in a Zarr folder (format 2, as hdmf-zarr writes it), without NWB's Zarr library.

That library does not install beside Zarr v3 (see docs/decisions).
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numcodecs  # type: ignore[import-untyped]
import numpy as np
import zarr
from numpy.typing import NDArray

from stcnn.data.importers.pickled import plain_value
from stcnn.data.importers.pickled_arrays import array_items
from stcnn.errors import FileError
from stcnn.reading import read_json, require_file, require_room

_LINKS = 40


class ZarrNode:
    """A group; links, which hdmf-zarr keeps as attributes of the group, are followed within the folder.

    Args:
        root: the folder.
        path: of the group in it.
        steps: how many links led here.

    Raises:
        KeyError: links lead in a circle, or out of the folder.
    """

    def __init__(self, root: Path, path: str = "", steps: int = 0) -> None:
        if steps > _LINKS or ".." in path.split("/"):
            raise KeyError(path)
        self.root = root
        self.path = path
        self.steps = steps
        self.attrs = _json(root / path / ".zattrs")

    def keys(self) -> list[str]:
        """Names of members and links."""
        members = (self.root / self.path).iterdir()
        return sorted([m.name for m in members if _is_group(m) or _is_array(m)] + list(self.links))

    @property
    def links(self) -> dict[str, str]:
        """Name of each link within the folder to the path that it points to."""
        return {link["name"]: link["path"].strip("/") for link in self._links if _inside(link)}

    @property
    def elsewhere(self) -> dict[str, str]:
        """Name of each link to another folder or file, and which."""
        return {link["name"]: str(link["source"]) for link in self._links if not _inside(link)}

    @property
    def _links(self) -> list[dict[str, str]]:
        found = self.attrs.get("zarr_link", [])
        return [link for link in found if isinstance(link.get("name"), str) and isinstance(link.get("path"), str)]

    def __contains__(self, path: str) -> bool:
        try:
            self[path]
        except KeyError:
            return False
        return True

    def __getitem__(self, path: str) -> Any:  # noqa: ANN401 - a group or an array of zarr
        first, _, rest = path.strip("/").partition("/")
        linked = first in self.links
        place = self.links[first] if linked else f"{self.path}/{first}".strip("/")
        if linked and not _is_group(self.root / place) and not _is_array(self.root / place):
            place = "/".join(ZarrNode(self.root)._resolved(place, self.steps + 1))
        if _is_group(self.root / place):
            node = ZarrNode(self.root, place, self.steps + linked)
            return node[rest] if rest else node
        if rest or not _is_array(self.root / place):
            raise KeyError(path)
        return zarr_array(self.root / place)

    def _resolved(self, path: str, steps: int) -> list[str]:
        """Where a path leads that has links on its way."""
        node = ZarrNode(self.root, "", steps)
        parts = path.split("/")
        for i, name in enumerate(parts):
            if name in node.links:
                rest = [node.links[name], *parts[i + 1 :]]
                return ZarrNode(self.root, "", steps + 1)._resolved("/".join(rest), steps + 1)
            node = ZarrNode(self.root, f"{node.path}/{name}".strip("/"), steps)
        return [*parts]


def _inside(link: dict[str, str]) -> bool:
    return link.get("source", ".") in (".", "", None)


def _json(path: Path) -> dict[str, Any]:
    found = read_json(path, "attributes of an NWB file") if path.exists() else {}
    if not isinstance(found, dict):
        raise FileError(f"{path} holds no keys", expected="attributes of an NWB file")
    return found


def _is_group(path: Path) -> bool:
    return (path / ".zgroup").exists()


def _is_array(path: Path) -> bool:
    return (path / ".zarray").exists()


def zarr_array(path: Path) -> Any:  # noqa: ANN401 - an array of zarr or numpy
    """An array; texts, whose declaration Zarr v3 does not accept from hdmf-zarr, are decoded here."""
    declared = _json(path / ".zarray")
    if declared["dtype"] != "|O":
        return zarr.open_array(path, mode="r", zarr_format=2)
    return _WithAttributes(_objects(path, declared), _json(path / ".zattrs"))


class _WithAttributes:
    """An array of texts or references in memory, that is asked like one of zarr."""

    def __init__(self, values: NDArray[Any], attrs: dict[str, Any]) -> None:
        self.values = values
        self.attrs = attrs
        self.shape = values.shape
        self.dtype = values.dtype
        self.name = ""

    def __getitem__(self, place: Any) -> Any:  # noqa: ANN401 - as numpy
        return self.values[place]


def _objects(path: Path, declared: dict[str, Any]) -> NDArray[Any]:
    shape = tuple(map(int, declared["shape"]))
    chunks = tuple(map(int, declared["chunks"]))
    if len(shape) != len(chunks) or any(n < 1 for n in chunks) or any(n < 0 for n in shape):
        raise FileError(f"{path} says its shape is {shape} in chunks of {chunks}", expected="an array")
    require_room(100 * math.prod(shape), f"{path}")
    separator = declared.get("dimension_separator", ".")
    whole = np.full([-(-n // c) * c for n, c in zip(shape, chunks, strict=True)], declared.get("fill_value"), object)
    for place in itertools.product(*(range(-(-n // c)) for n, c in zip(shape, chunks, strict=True))):
        file = path / (separator.join(map(str, place)) or "0")
        require_file(file, "a part of an array")
        values: Any = file.read_bytes()
        for codec in [*filter(None, [declared["compressor"]]), *reversed(declared["filters"] or [])]:
            if codec.get("id") == "pickle":  # the default of hdmf-zarr; read without carrying it out
                values = array_items(plain_value(bytes(values)))
            else:
                values = numcodecs.get_codec(codec).decode(values)
        part = tuple(slice(i * c, (i + 1) * c) for i, c in zip(place, chunks, strict=True))
        items = np.empty(math.prod(chunks), object)
        items[:] = list(values) if isinstance(values, list) else list(np.asarray(values, object).ravel())
        whole[part] = items.reshape(chunks)
    return whole[tuple(slice(0, n) for n in shape)]
