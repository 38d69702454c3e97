"""Pictures of an NWB file as luminance: order of the axes, colour, conversion and offset, and which value is white.

By the schema pictures are (x, y); many labs store (row, column). Field of view and dimension decide where they can.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.data.importers.nwb.keys import NwbConfig
from stcnn.data.importers.nwb.series import scaling_of
from stcnn.data.importers.nwb.tree import Node, attribute, child, numbers, place_of, require_numbers, text
from stcnn.errors import DataError
from stcnn.reading import require_room

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in luminance: ITU-R BT.601, as for movie files."""

AXES_KEY = "set movie_axes to time_row_column or time_column_row"


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of one size in a file, read when asked for.

    Args:
        paths: of the array that holds them all, or of the array of each.
        stacked: whether it is one array for all.
        count: how many there are.
        shape_px: rows and columns.
        swapped: whether they are stored as (column, row).
        scaling: what values are multiplied by, and what is added then.
        white: value that is white after that; None where values of 8 bits are taken as they are.
    """

    paths: tuple[str, ...]
    stacked: bool
    count: int
    shape_px: tuple[int, int]
    swapped: bool
    scaling: tuple[float, float]
    white: float | None

    def read(self, root: Node, wanted: NDArray[np.int64]) -> NDArray[Any]:
        """Pictures by number, luminance float32 or 8-bit grey values, ``(len(wanted), Y, X)``.

        Raises:
            DataError: values are 0 and 1 in 8 bits, so that white may be either 1 or 255.
            FileError: they would take too much memory.
        """
        where = f"'{self.paths[0]}'"
        require_room(len(wanted) * math.prod(self.shape_px) * 4, f"the movie of {where}")
        numbers_used = np.unique(wanted)
        stored = self._stored(root, numbers_used, where)
        grey = self._grey(stored, where)
        return grey[np.searchsorted(numbers_used, wanted)]

    def _stored(self, root: Node, used: NDArray[np.int64], where: str) -> NDArray[Any]:
        if not self.stacked:
            return np.stack([np.asarray(child(root, self.paths[i])[()]) for i in used.tolist()])
        data = child(root, self.paths[0])
        first = int(used[0])
        last = int(used[-1]) + 1
        require_room((last - first) * math.prod(data.shape[1:]) * max(4, data.dtype.itemsize), f"the movie of {where}")
        return np.asarray(data[first:last])[used - first]

    def _grey(self, stored: NDArray[Any], where: str) -> NDArray[Any]:
        codes = stored.dtype == np.uint8
        if stored.ndim == 4:
            luma = stored[..., :3].astype(np.float32) @ _LUMA
            stored = np.rint(luma).astype(np.uint8) if codes else luma
        if self.swapped:
            stored = stored.swapaxes(1, 2)
        if self.white is not None:
            scale, offset = self.scaling
            return ((stored.astype(np.float64) * scale + offset) / self.white).astype(np.float32)
        if stored.max() <= 1 and stored.max() > 0:
            raise DataError(
                f"the pictures of {where} are 8-bit values of 0 and 1",
                expected="grey values from 0 to 255",
                remedy="set movie_white: 1 if 1 is white, or 255",
            )
        return np.ascontiguousarray(stored)


def pictures_of_series(node: Node, config: NwbConfig, *, ours: bool, notes: list[str]) -> Pictures:
    """The pictures of an ImageSeries that keeps them in the file.

    Raises:
        DataError: they are no pictures, or their axes or white cannot be known.
    """
    path = place_of(node)
    data = child(node, "data")
    require_numbers(data, f"the data of '{path}'")
    shape = tuple(data.shape)
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (3, 4)) or 0 in shape:
        raise DataError(f"movie '{path}' has the shape {shape}", expected="(time, x, y), or with 3 or 4 colours last")
    swapped = not ours and _is_swapped(shape[1:3], node, config, notes)
    rows, columns = shape[2:0:-1] if swapped else shape[1:3]
    scaling = scaling_of(node)
    bits = child(node, "bits_per_pixel")
    n_bits = int(numbers(bits, f"bits_per_pixel of '{path}'").ravel()[0]) if bits is not None else None
    white = _white(data, scaling, config.movie_white, n_bits, f"movie '{path}'")
    if len(shape) == 4:
        notes.append(f"Movie '{path}' is in colour: its luminance is 0.299 R + 0.587 G + 0.114 B.")
    if any(word in (_text_in(node, "orientation")).lower() for word in ("lower", "bottom", "down")):
        notes.append(
            f"Movie '{path}' says its orientation is '{_text_in(node, 'orientation')}'; row 0 is taken as top."
        )
    return Pictures((f"{path}/data",), True, shape[0], (rows, columns), swapped, scaling, white)


def pictures_of_images(root: Node, paths: Sequence[str], where: str, config: NwbConfig, notes: list[str]) -> Pictures:
    """Single pictures (GrayscaleImage, RGBImage, RGBAImage) in their order.

    Raises:
        DataError: there is none, they differ in size or type, or their axes or white cannot be known.
    """
    if not paths:
        raise DataError(f"'{where}' holds no pictures", expected="images")
    nodes = [child(root, path) for path in paths]
    for path, node in zip(paths, nodes, strict=True):
        require_numbers(node, f"picture '{path}'")
    kinds = {(tuple(node.shape), str(node.dtype)) for node in nodes if node is not None}
    if len(kinds) > 1:
        listed = " and ".join(f"{dtype} {shape}" for shape, dtype in sorted(kinds))
        raise DataError(f"the pictures of '{where}' are {listed}", expected="pictures of one size and type")
    shape = tuple(nodes[0].shape)
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (3, 4)) or 0 in shape:
        raise DataError(f"the pictures of '{where}' have the shape {shape}", expected="(x, y), or with colours last")
    swapped = _is_swapped(shape[:2], None, config, notes, where)
    rows, columns = shape[1::-1] if swapped else shape[:2]
    white = _white(nodes[0], (1.0, 0.0), config.movie_white, None, f"'{where}'")
    if len(shape) == 3:
        notes.append(f"The pictures of '{where}' are in colour: their luminance is 0.299 R + 0.587 G + 0.114 B.")
    return Pictures(tuple(paths), False, len(nodes), (rows, columns), swapped, (1.0, 0.0), white)


def _white(data: Node, scaling: tuple[float, float], said: float | None, n_bits: int | None, what: str) -> float | None:
    """The value that is white after scaling; None where 8-bit values are to be taken as they are."""
    kind = data.dtype.kind
    size = data.dtype.itemsize
    if said is not None:
        return said
    if scaling != (1.0, 0.0) or kind in "fb":
        return 1.0
    if kind == "u" and size <= 2:
        if size == 1 and n_bits in (None, 8):
            return None
        return float(2 ** (n_bits or 8 * size) - 1)
    raise DataError(
        f"{what} holds values of type {data.dtype}", expected="a type whose white is known", remedy="set movie_white"
    )


def _text_in(node: Node, name: str) -> str:
    found = child(node, name)
    if found is None or hasattr(found, "keys") or found.dtype.kind not in "OSUT":
        return text(node, name)
    value = np.asarray(found[()]).ravel()
    return value[0].decode() if len(value) and isinstance(value[0], bytes) else str(value[0]) if len(value) else ""


def _is_swapped(shape: tuple[int, ...], node: Node | None, config: NwbConfig, notes: list[str], path: str = "") -> bool:
    """Whether pictures of this stored shape are (column, row)."""
    if config.movie_axes is not None:
        return config.movie_axes == "time_column_row"
    path = path or place_of(node)
    votes = {"field_of_view": _by_aspect(shape, _pair(node, "field_of_view")), "dimension": None}
    dimension = _pair(node, "dimension")
    if dimension is not None and sorted(dimension) == sorted(shape) and shape[0] != shape[1]:
        votes["dimension"] = tuple(dimension) == tuple(shape)
    said = {name: vote for name, vote in votes.items() if vote is not None}
    if len(set(said.values())) > 1:
        raise DataError(
            f"'{path}' has frames of {shape[0]} x {shape[1]}, whose field_of_view and dimension say different orders "
            "of the axes",
            remedy=AXES_KEY,
        )
    if said:
        name, swapped = next(iter(said.items()))
        notes.append(f"'{path}' is stored as ({'time, x, y' if swapped else 'time, row, column'}), by its {name}.")
        return swapped
    if shape[0] != shape[1]:
        raise DataError(
            f"'{path}' has frames of {shape[0]} x {shape[1]}, and does not say which is its width",
            expected="a field_of_view or dimension that decides",
            remedy=AXES_KEY,
        )
    notes.append(
        f"'{path}' has square pictures and does not say their axes: (row, column) is taken; if they lie on their side, "
        "set movie_axes: time_column_row."
    )
    return False


def _by_aspect(shape: tuple[int, ...], field_of_view: tuple[float, ...] | None) -> bool | None:
    """Whether the first axis is the width, by a field of view (width, height); None where that does not decide."""
    if field_of_view is None or min(field_of_view) <= 0:
        return None
    wanted = math.log(field_of_view[0] / field_of_view[1])
    stored = math.log(shape[0] / shape[1])
    as_schema = abs(wanted - stored)
    as_rows = abs(wanted + stored)
    return as_schema < as_rows if abs(as_schema - as_rows) > 0.02 else None


def _pair(node: Node | None, name: str) -> tuple[float, ...] | None:
    """Two numbers, width and height, of a dataset or attribute of a series; None where it has none."""
    if node is None:
        return None
    found = child(node, name)
    value = attribute(node, name, None) if found is None else numbers(found, f"'{name}' of '{place_of(node)}'")
    pair = tuple(np.asarray(value).ravel()[:2].tolist()) if value is not None else ()
    usable = len(pair) == 2 and all(isinstance(v, int | float) and math.isfinite(v) for v in pair)
    return pair if usable else None


def deg_per_px_of(node: Node, pictures: Pictures, given: float | None) -> float | None:
    """Degrees per pixel: as given, else from field of view (width, height in metres) and distance, the mean over it.

    Raises:
        DataError: pixels are not square by the field of view, and nothing else is given.
    """
    if given is not None:
        return given
    size_m = _pair(node, "field_of_view")
    distance = child(node, "distance")
    if size_m is None or distance is None:
        return None
    distance_m = float(numbers(distance, f"distance of '{place_of(node)}'").ravel()[0])
    rows, columns = pictures.shape_px
    if not distance_m > 0 or min(size_m) <= 0:
        return None
    width_m = size_m[0] / columns
    height_m = size_m[1] / rows
    if not 0.95 < width_m / height_m < 1.05:
        raise DataError(
            f"'{place_of(node)}' has {rows} x {columns} pixels (rows x columns) on a field of view {size_m[0]:g} m "
            f"wide and {size_m[1]:g} m high, so that pixels are not square",
            remedy="set deg_per_px, and movie_axes if its axes are exchanged",
        )
    return float(np.degrees(2 * np.arctan(size_m[0] / (2 * distance_m))) / columns)
