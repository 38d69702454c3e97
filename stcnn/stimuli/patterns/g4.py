"""Pattern files (``.pat``) of the G4 and G4.1 LED arenas, as bytes; their maker documents them only in its code.

A file has a header of 7 bytes: number of patterns along x and along y (two little-endian 16-bit numbers; in version 2
the high bit of the third byte is set, and bytes 3 and 4 name the arena instead), 16 or 2 grey levels (4 or 1 in old
files), rows and columns of panels. Then come the patterns, x fastest. Panels have 16 x 16 pixels and are sent row of
panels by row, in four quadrants of 8 x 8 pixels (left upper, left lower, right upper, right lower as stored). For each
row of panels and quadrant there is the number of the row (from 1), then a command byte for each panel of the row (bit 0
set for 16 levels, the others a brightness called stretch), then the pixels in the order of the quadrant, each byte for
all panels of the row in turn: two pixels of 4 bits, the left one low, or eight of 1 bit, the left one lowest.

Rows of panels count from the bottom of the arena and rows of pixels within a panel from its top. A file holds neither
the frame rate nor degrees.
"""

from __future__ import annotations

import numpy as np

from stcnn.errors import FileError, ShapeError
from stcnn.stimuli.patterns.pattern import PANEL_PX as PANELS_PX
from stcnn.stimuli.patterns.pattern import Codes, Generation, Pattern, panels_of

PANEL_PX = PANELS_PX["G4"]
HEADER_BYTES = 7
MOST_STRETCH = 127
GENERATIONS: dict[int, Generation] = {2: "G4", 3: "G4.1"}
"""Generations by their number in a header of version 2."""


def encode_g4(pattern: Pattern) -> bytes:
    """Write a file: of version 2 where the pattern names its arena, otherwise of version 1.

    Raises:
        ShapeError: sides are not multiples of 16 pixels, or there are more frames or panels than the header can count.
    """
    rows, columns = panels_of(pattern, most=255)
    codes = pattern.codes
    n_levels = pattern.n_levels
    n_frames = len(codes)
    quads = _quadrants(codes)
    four_bits: Codes = quads[..., 0::2] | quads[..., 1::2] << np.uint8(4)
    pixels = four_bits if n_levels == 16 else np.packbits(quads, axis=-1, bitorder="little")
    body = np.moveaxis(pixels.reshape(*quads.shape[:4], -1), 3, 4)  # (T, row, quadrant, byte, column)
    stretch = np.zeros(n_frames, np.uint8) if pattern.brightness is None else pattern.brightness
    if stretch.max() > MOST_STRETCH:
        raise ShapeError(f"brightness of G4 panels is {stretch.max()}", expected=f"at most {MOST_STRETCH}, seven bits")
    per_frame = (stretch << np.uint8(1) | np.uint8(n_levels == 16)).reshape(-1, 1, 1, 1, 1)
    command = np.broadcast_to(per_frame, (n_frames, rows, 4, 1, columns))
    message = np.concatenate([command, body], axis=3).reshape(n_frames, rows, 4, -1)
    number = np.broadcast_to(np.arange(1, rows + 1, dtype=np.uint8)[:, None, None], (n_frames, rows, 4, 1))
    return _header(pattern, rows, columns) + np.concatenate([number, message], axis=3).tobytes()


def _header(pattern: Pattern, rows: int, columns: int) -> bytes:
    shape = bytes([pattern.n_levels, rows, columns])
    if not pattern.arena:
        return np.array([pattern.n_x, pattern.n_y], "<u2").tobytes() + shape
    if pattern.n_y > 1:
        raise ShapeError(
            "a pattern that names its arena has positions along y", expected="one or the other in a G4 pattern"
        )
    number = next(number for number, name in GENERATIONS.items() if name == pattern.generation)
    return np.array([pattern.n_x], "<u2").tobytes() + bytes([0x80 | number << 4, pattern.arena]) + shape


def decode_g4(content: bytes) -> Pattern:
    """Read a file of version 1 or 2.

    Raises:
        FileError: the file is not a G4 pattern, or is truncated.
    """
    if len(content) < HEADER_BYTES:
        raise FileError(f"a pattern file has {len(content)} bytes", expected="a header of 7 bytes and frames")
    along_x, along_y = (int(number) for number in np.frombuffer(content[:4], "<u2"))
    names_arena = content[2] >= 0x80
    n_y = 1 if names_arena else max(along_y, 1)
    n_frames = along_x * n_y
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
    lines = message.reshape(n_frames, rows, 4, 1 + per_quadrant, columns)
    stretch = lines[:, 0, 0, 0, 0] >> np.uint8(1)
    body = lines[:, :, :, 1:]
    pixels = np.moveaxis(body, 3, 4).reshape(n_frames, rows, 4, columns, 8, -1)
    if n_levels == 16:
        quads = np.stack([pixels & 15, pixels >> 4], axis=-1).reshape(*pixels.shape[:5], 8)
    else:
        quads = np.unpackbits(pixels, axis=-1, bitorder="little")
    generation = GENERATIONS.get(content[2] >> 4 & 7, "G4") if names_arena else "G4"
    return Pattern(_joined(quads), n_levels, generation, n_y, stretch, content[3] if names_arena else 0)


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
