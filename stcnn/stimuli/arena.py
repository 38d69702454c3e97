"""Pattern files (``.pat``) of the G4 and G4.1 LED arenas, as bytes; their maker documents them only in its code.

A file has a header of 7 bytes: number of patterns along x and along y (two little-endian 16-bit numbers; in version 2
the high bit of the third byte is set, and bytes 3 and 4 name the arena instead), 16 or 2 grey levels (4 or 1 in old
files), rows and columns of panels. Then come the patterns, x fastest. Panels have 16 x 16 pixels and are sent row of
panels by row, in four quadrants of 8 x 8 pixels (left upper, left lower, right upper, right lower as stored). For each
row of panels and quadrant there is the number of the row (from 1), then a command byte for each panel of the row (bit
0 set for 16 levels), then the pixels in the order of the quadrant, each byte for all panels of the row in turn: two
pixels of 4 bits, the left one low, or eight of 1 bit, the left one lowest.

Rows of panels count from the bottom of the arena and rows of pixels within a panel from its top. A file holds neither
the frame rate nor degrees.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import FileError, ShapeError

PANEL_PX = 16
HEADER_BYTES = 7
Codes = NDArray[np.uint8]


class Pattern(NamedTuple):
    """Grey levels ``(T, Y, X)`` from 0 to ``n_levels - 1``, row 0 at the top."""

    codes: Codes
    n_levels: int


def encode_pattern(pattern: Pattern) -> bytes:
    """Write a version 1 file with all frames along x.

    Raises:
        ShapeError: sides are not multiples of 16 pixels, or there are more frames or panels than the header can count.
    """
    codes, n_levels = pattern
    n_frames, height, width = codes.shape
    rows = height // PANEL_PX
    columns = width // PANEL_PX
    if height % PANEL_PX or width % PANEL_PX or not 0 < rows < 256 or not 0 < columns < 256:
        raise ShapeError(
            f"a movie of {height} x {width} pixels does not fit the panels of an arena",
            expected="multiples of 16 pixels",
            remedy="render it on a screen such as Screen(shape_px=(48, 192), deg_per_px=1.875)",
        )
    if n_frames >= 2**16:
        raise ShapeError(f"a movie has {n_frames} frames", expected="at most 65535 in an arena pattern")
    quads = _quadrants(codes)
    four_bits: Codes = quads[..., 0::2] | quads[..., 1::2] << np.uint8(4)
    pixels = four_bits if n_levels == 16 else np.packbits(quads, axis=-1, bitorder="little")
    body = np.moveaxis(pixels.reshape(*quads.shape[:4], -1), 3, 4)  # (T, row, quadrant, byte, column)
    command = np.full((n_frames, rows, 4, 1, columns), int(n_levels == 16), np.uint8)
    message = np.concatenate([command, body], axis=3).reshape(n_frames, rows, 4, -1)
    number = np.broadcast_to(np.arange(1, rows + 1, dtype=np.uint8)[:, None, None], (n_frames, rows, 4, 1))
    header = np.array([n_frames, 1], "<u2").tobytes() + bytes([n_levels, rows, columns])
    return header + np.concatenate([number, message], axis=3).tobytes()


def decode_pattern(content: bytes) -> Pattern:
    """Read a file of version 1 or 2.

    Raises:
        FileError: the file is not a G4 pattern, or is truncated.
    """
    if content.startswith(b"G6PT"):
        raise FileError("this is a pattern of a G6 arena", expected="a G4 or G4.1 pattern")
    if len(content) < HEADER_BYTES:
        raise FileError(f"a pattern file has {len(content)} bytes", expected="a header of 7 bytes and frames")
    along_x, along_y = (int(number) for number in np.frombuffer(content[:4], "<u2"))
    n_frames = along_x * (1 if content[2] >= 0x80 else max(along_y, 1))
    n_levels = {16: 16, 4: 16, 2: 2, 1: 2}.get(content[4])
    rows = content[5]
    columns = content[6]
    per_quadrant = 32 if n_levels == 16 else 8
    expected = HEADER_BYTES + n_frames * rows * 4 * (1 + columns * (1 + per_quadrant))
    if n_levels is None or 0 in (n_frames, rows, columns) or len(content) != expected:
        raise FileError(
            f"a pattern file has {len(content)} bytes, {n_frames} frames, {rows} x {columns} panels and the grey code "
            f"{content[4]}",
            expected=f"{expected} bytes" if n_levels else "16 or 2 grey levels",
            remedy="check that it is a complete G4 pattern",
        )
    message = np.frombuffer(content, np.uint8, offset=HEADER_BYTES).reshape(n_frames, rows, 4, -1)[..., 1:]
    body = message.reshape(n_frames, rows, 4, 1 + per_quadrant, columns)[:, :, :, 1:]
    pixels = np.moveaxis(body, 3, 4).reshape(n_frames, rows, 4, columns, 8, -1)
    if n_levels == 16:
        quads = np.stack([pixels & 15, pixels >> 4], axis=-1).reshape(*pixels.shape[:5], 8)
    else:
        quads = np.unpackbits(pixels, axis=-1, bitorder="little")
    return Pattern(_joined(quads), n_levels)


def _quadrants(codes: Codes) -> Codes:
    """Cut ``(T, Y, X)`` into ``(T, row, quadrant, column, 8, 8)``, rows of panels from the bottom."""
    n_frames, height, width = codes.shape
    halves = codes.reshape(n_frames, height // PANEL_PX, 2, 8, width // PANEL_PX, 2, 8)[:, ::-1]
    order = halves.transpose(0, 1, 5, 2, 4, 3, 6)  # (T, row, right, lower, column, 8, 8)
    return order.reshape(n_frames, height // PANEL_PX, 4, width // PANEL_PX, 8, 8)


def _joined(quads: Codes) -> Codes:
    """Undo :func:`_quadrants`."""
    n_frames, rows, _, columns = quads.shape[:4]
    halves = quads.reshape(n_frames, rows, 2, 2, columns, 8, 8).transpose(0, 1, 3, 5, 4, 2, 6)
    return np.ascontiguousarray(halves[:, ::-1].reshape(n_frames, rows * PANEL_PX, columns * PANEL_PX))
