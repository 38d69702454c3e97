"""Position functions of LED arenas: which frame of a pattern is shown at every tick of the display.

``.pfn`` of G4 and G4.1
    A block of 512 bytes: how many bytes of positions follow (little-endian 32-bit), the length of a name, the name.
    Then the positions, signed little-endian 16-bit, from 0. It holds no rate: panels tick 500 times per second with
    patterns of 16 levels and 1,000 times with those of two.
``.mat`` of G4 and G4.1
    A struct ``pfnparam`` with the positions ``func`` from 1 on, and ``gs_val``, the bits of the pattern (4 or 1).
``.mat`` of G3
    A variable ``func``, added to the position at which the pattern starts. It holds no rate: the controller has 50 Hz
    unless it is told another one.

Sources: ``save_function_G4.m`` and ``docs/function-generator.md`` of JaneliaSciComp/G4_Display_Tools (commit f271a1a),
and the firmware of the G3 controller (mode 4). G6 has no such file yet; its positions are tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.io
from numpy.typing import NDArray

from stcnn.errors import FileError, ShapeError
from stcnn.reading import read_mat, reading, require_file, require_room
from stcnn.stimuli.patterns.pattern import Generation

WHAT = "a position function of an arena"
HEADER_BYTES = 512
NAME_AT = 5
MOST_NAME = 255
MOST_POSITION = 2**15 - 1
RATE_OF_LEVELS_HZ = {2: 1000.0, 16: 500.0}
"""Ticks per second of G4 panels, by the grey levels of the pattern."""
RATE_OF_BITS_HZ = {1: 1000.0, 4: 500.0}


class PositionFunction(NamedTuple):
    """Positions along one axis of a pattern."""

    positions: NDArray[np.int64]
    """Numbers of frames at every tick ``(T,)``, from 0; of G3 what is added to the position at the start."""
    rate_hz: float | None = None
    """Ticks per second, where the file says it."""
    generation: Generation = "G4"
    """G3, or G4 for both G4 and G4.1."""
    name: str = ""
    """As its maker called it."""


def encode_pfn(function: PositionFunction) -> bytes:
    """Write the bytes of a ``.pfn``.

    Raises:
        ShapeError: a position is below 0 or more than 16 bits hold, there is none, or the name is too long.
    """
    _require_positions(function.positions, 0)
    name = function.name.encode("ascii", "replace")
    if len(name) > MOST_NAME:
        raise ShapeError(f"the name of a position function has {len(name)} letters", expected=f"at most {MOST_NAME}")
    data = function.positions.astype("<i2").tobytes()
    header = len(data).to_bytes(4, "little") + bytes([len(name)]) + name
    return header.ljust(HEADER_BYTES, b"\0") + data


def decode_pfn(content: bytes) -> PositionFunction:
    """Read the bytes of a ``.pfn``.

    Raises:
        FileError: it is none, is truncated, or has a position below 0.
    """
    n_bytes = int.from_bytes(content[:4], "little")
    if len(content) < HEADER_BYTES or len(content) != HEADER_BYTES + n_bytes or not n_bytes or n_bytes % 2:
        raise FileError(
            f"a position function has {len(content)} bytes, of which its header counts {n_bytes}",
            expected="a block of 512 bytes and two bytes for each position that it counts",
            remedy="check that it is a complete .pfn of G4",
        )
    positions = np.frombuffer(content, "<i2", offset=HEADER_BYTES).astype(np.int64)
    if positions.min() < 0:
        raise FileError(
            f"a position function has the position {positions.min()} at tick {int(positions.argmin())}",
            expected="numbers of frames from 0",
        )
    name = content[NAME_AT : NAME_AT + content[4]]
    return PositionFunction(positions, name=name.decode("ascii", "replace"))


def read_function(path: Path) -> PositionFunction:
    """Read a ``.pfn``, or a ``.mat`` of G4 or G3.

    Raises:
        FileError: it is missing or damaged, or no position function.
    """
    if path.suffix.lower() != ".mat":
        require_room(10 * require_file(path, WHAT), str(path), WHAT)
        with reading(path, WHAT):
            return decode_pfn(path.read_bytes())
    content = read_mat(path, ["pfnparam", "func"], WHAT)
    struct = content.get("pfnparam")
    if isinstance(struct, Mapping):
        return _of_g4(path, struct)
    if "func" not in content:
        raise FileError(f"{path} has neither a struct 'pfnparam' (G4) nor a variable 'func' (G3)", expected=WHAT)
    return PositionFunction(_positions(path, content["func"]), None, "G3", path.stem)


def write_function(function: PositionFunction, path: Path) -> None:
    """Write a ``.pfn``, or by the ending ``.mat`` what G4's or G3's tools read.

    Raises:
        ShapeError: positions do not fit in 16 bits, or a ``.mat`` of G4 has no rate of its panels.
    """
    if path.suffix.lower() != ".mat":
        path.write_bytes(encode_pfn(function))
        return
    if function.generation == "G3":
        _require_positions(function.positions, -MOST_POSITION)
        fields: dict[str, Any] = {"func": function.positions[None].astype(float)}
    else:
        _require_positions(function.positions, 0)
        bits = next((bits for bits, rate_hz in RATE_OF_BITS_HZ.items() if rate_hz == function.rate_hz), None)
        if bits is None:
            raise ShapeError(f"a position function has {function.rate_hz} ticks per second", expected="500 or 1000")
        fields = {
            "pfnparam": {
                "type": "pfn",
                "func": function.positions[None] + 1.0,
                "gs_val": float(bits),
                "dur": len(function.positions) / RATE_OF_BITS_HZ[bits],
                "size": 2.0 * len(function.positions),
            }
        }
    with path.open("wb") as file:
        scipy.io.savemat(file, fields, do_compression=True)


def _of_g4(path: Path, struct: Mapping[str, Any]) -> PositionFunction:
    if str(struct.get("type", "pfn")) != "pfn":
        raise FileError(f"{path} holds a function of type '{struct['type']}'", expected="pfn, a position function")
    positions = _positions(path, struct.get("func")) - 1
    if positions.min() < 0:
        raise FileError(
            f"{path} has the position {positions.min() + 1} at tick {int(positions.argmin())}",
            expected="numbers of frames, from 1 in the .mat of a G4 function",
        )
    bits = np.asarray(struct.get("gs_val", 0)).ravel()
    rate_hz = RATE_OF_BITS_HZ.get(int(bits[0])) if bits.size == 1 and bits.dtype.kind in "fiu" else None
    return PositionFunction(positions, rate_hz, "G4", path.stem)


def _positions(path: Path, values: object) -> NDArray[np.int64]:
    found = np.asarray(values)
    if found.dtype.kind not in "fiu" or found.size == 0 or max(found.shape, default=0) != found.size:
        raise FileError(
            f"{path} has a func of type {found.dtype} and shape {found.shape}", expected="a row of positions"
        )
    whole = np.round(found.astype(float)).ravel()
    if not np.array_equal(whole, found.ravel()) or np.abs(whole).max() > MOST_POSITION + 1:
        raise FileError(f"{path} has positions that are no frames", expected=f"whole numbers up to {MOST_POSITION}")
    return whole.astype(np.int64)


def _require_positions(positions: NDArray[Any], least: int) -> None:
    if positions.ndim != 1 or not len(positions) or positions.min() < least or positions.max() > MOST_POSITION:
        found = f"{positions.min()} to {positions.max()}" if positions.size else "none"
        raise ShapeError(
            f"the positions of a function are {found}", expected=f"numbers of frames from {least} to {MOST_POSITION}"
        )
