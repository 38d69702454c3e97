"""Pattern files in MATLAB's format (``.mat``): all there is of G3, and what G4's tools write beside a ``.pat``.

The variable ``pattern`` is a struct. ``Pats`` are the levels (rows, columns, x[, y]), ``gs_val`` their kind. In G3,
known by ``num_panels``, ``Panel_map`` or ``row_compression``, ``gs_val`` is the number of bits (1 to 4), the first
row is the top, and with ``row_compression`` each row stands for the eight of its panels; in G4, ``gs_val`` is 2 or 16
levels (1 or 4 bits in old files) and the first row is the bottom.

Files for a G3 rig have here all that says what is shown. The scripts of the rig add what depends on its wiring:
``Panel_map``, ``BitMapIndex`` and ``data``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.io
from numpy.typing import NDArray

from stcnn.errors import FileError
from stcnn.reading import read_mat
from stcnn.stimuli.patterns.pattern import PANEL_PX, Codes, Generation, Pattern, panels_of

WHAT = "a pattern of an arena"
G3_FIELDS = {"num_panels", "Panel_map", "row_compression"}
LEVELS_OF_G3 = {1: 2, 2: 4, 3: 8, 4: 16}
LEVELS_OF_G4 = {1: 2, 2: 2, 4: 16, 16: 16}


class Fields(NamedTuple):
    """What is used of the struct."""

    pats: NDArray[Any]
    """``(rows, columns, x, y)``."""
    gs_val: int
    row_compression: bool
    is_g3: bool


def read_mat_pattern(path: Path) -> Pattern:
    """Read a pattern.

    Raises:
        FileError: the file has no struct ``pattern`` with ``Pats`` and ``gs_val``, or levels that these exclude.
    """
    struct = read_mat(path, ["pattern"], WHAT).get("pattern")
    if not isinstance(struct, dict):
        raise FileError(f"{path} has no struct 'pattern'", expected=WHAT)
    fields = _fields(path, struct)
    generation: Generation = "G3" if fields.is_g3 else "G4"
    n_levels = (LEVELS_OF_G3 if fields.is_g3 else LEVELS_OF_G4).get(fields.gs_val)
    if n_levels is None:
        expected = "1 to 4 bits" if fields.is_g3 else "2 or 16 levels"
        raise FileError(f"{path} has gs_val={fields.gs_val} in its pattern", expected=f"{expected} of {generation}")
    if not np.isin(fields.pats, np.arange(n_levels)).all():
        found = f"from {fields.pats.min():g} to {fields.pats.max():g}"
        raise FileError(f"{path} has levels {found} in its Pats", expected=f"whole numbers from 0 to {n_levels - 1}")
    codes = fields.pats.astype(np.uint8).transpose(3, 2, 0, 1)  # (y, x, rows, columns)
    if fields.row_compression:
        codes = codes.repeat(PANEL_PX["G3"], axis=2)
    n_y, n_x, height, width = codes.shape
    if not fields.is_g3:
        codes = codes[:, :, ::-1]
    side = PANEL_PX[generation]
    if height % side or width % side:
        raise FileError(f"{path} has patterns of {height} x {width} pixels", expected=f"panels of {side} x {side}")
    return Pattern(np.ascontiguousarray(codes.reshape(n_y * n_x, height, width)), n_levels, generation, n_y)


def write_mat_pattern(pattern: Pattern, path: Path) -> None:
    """Write a pattern of a G3 or G4 arena.

    Raises:
        ShapeError: it does not fit the panels.
    """
    rows, columns = panels_of(pattern, most=2**16)
    codes: Codes = pattern.codes.reshape(pattern.n_y, pattern.n_x, *pattern.codes.shape[1:])
    is_g3 = pattern.generation == "G3"
    pats = (codes if is_g3 else codes[:, :, ::-1]).transpose(2, 3, 1, 0)
    fields: dict[str, Any] = {"x_num": float(pattern.n_x), "y_num": float(pattern.n_y), "Pats": pats}
    fields["gs_val"] = float(np.log2(pattern.n_levels) if is_g3 else pattern.n_levels)
    if is_g3:
        fields |= {"num_panels": float(rows * columns), "row_compression": 0.0}
    with path.open("wb") as file:
        scipy.io.savemat(file, {"pattern": fields}, do_compression=True)


def _fields(path: Path, struct: Mapping[str, Any]) -> Fields:
    missing = {"Pats", "gs_val"} - set(struct)
    if missing:
        raise FileError(f"{path} has no {' and no '.join(sorted(missing))} in its struct 'pattern'", expected=WHAT)
    pats = np.asarray(struct["Pats"])
    if pats.dtype.kind not in "fiub" or not 2 <= pats.ndim <= 4 or pats.size == 0:
        raise FileError(
            f"{path} has Pats of type {pats.dtype} and shape {pats.shape}", expected="levels (rows, columns, x, y)"
        )
    gs_val = _number(path, struct, "gs_val")
    compression = _number(path, struct, "row_compression") if "row_compression" in struct else 0
    is_g3 = bool(G3_FIELDS & set(struct))
    return Fields(pats.reshape(*pats.shape, *[1] * (4 - pats.ndim)), gs_val, is_g3 and compression != 0, is_g3)


def _number(path: Path, struct: Mapping[str, Any], name: str) -> int:
    value = np.asarray(struct[name])
    if value.size != 1 or value.dtype.kind not in "fiub" or not np.isfinite(value).all():
        raise FileError(f"{path} has a {name} in its pattern that is no number", expected=WHAT)
    return int(value.reshape(()))
