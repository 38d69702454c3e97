"""Pattern files (``.pat``) of G6 LED arenas, as bytes.

Sources: docs/development/g6_04-pattern-file-format.md of reiserlab/Modular-LED-Display, and what the files of
reiserlab/webDisplayTools, maDisplayTools and cshl-2026-course hold (2026).

A header has the letters ``G6PT``; four bits of version; six of the arena and six of the observer (version 2); the
number of frames (16 bits, little-endian), of rows and of columns of panels; the kind of pixels (1 for 2 levels, 2 for
16); six bytes with a bit for each panel that is there; and a checksum. Version 1 has the kind of pixels where version
2 has arena and observer, and a byte for the checksum where it has the kind. Each frame begins with ``FR`` and its
number from 0; then come the panels, row by row from the bottom of the arena: a byte of version 1 whose highest bit
makes the number of bits of the block even, a command, the pixels row by row from the top of the panel (8 of 1 bit a
byte, the left one highest, or 2 of 4 bits, the left one high), and the duty cycle of the LEDs out of 255.

Files of version 2 come in two kinds. In today's the checksum is the CRC-8/AUTOSAR of the header, and each frame ends
with the CRC-16/CCITT-FALSE of itself, little-endian. Earlier ones have no end of frame, and the checksum is the
exclusive or of all bytes behind the header; which one a file is, its length says.
Those of the web tool of early 2026 leave the first two bytes of every panel zero.
"""

from __future__ import annotations

import binascii
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import FileError, ShapeError
from stcnn.stimuli.patterns.pattern import PANEL_PX as PANELS_PX
from stcnn.stimuli.patterns.pattern import Codes, Pattern, panels_of

MAGIC = b"G6PT"
PANEL_PX = PANELS_PX["G6"]
MOST_PANELS = 48
"""Panels that the mask in a header has bits for."""
BRIGHTNESS = 128
"""Duty cycle that the maker's tools write: half of the light that a panel can give."""
COMMANDS = {2: 0x10, 16: 0x30}
"""Command of a panel by its levels: show a frame of that kind once."""
PIXEL_BYTES = {2: 50, 16: 200}
KINDS = {1: 2, 2: 16}
"""Levels by the kind of pixels in a header."""
COPY_AGAIN = "copy the file again, or make it again with the tool it is from"


def encode_g6(pattern: Pattern) -> bytes:
    """Write a file of version 2, with checksums of header and frames.

    Raises:
        ShapeError: sides are not multiples of 20 pixels, there are more than 48 panels or 65535 frames, or rows of
            frames along y, which a G6 header cannot tell.
    """
    rows, columns = panels_of(pattern, most=MOST_PANELS)
    if rows * columns > MOST_PANELS:
        raise ShapeError(f"a pattern has {rows} x {columns} panels", expected=f"at most {MOST_PANELS} in a G6 pattern")
    if pattern.n_y > 1:
        raise ShapeError("a G6 pattern has positions along y", expected="one row of frames", remedy="join its rows")
    kind = 1 if pattern.n_levels == 2 else 2
    ids = 2 << 12 | (pattern.arena & 63) << 6
    mask = (2 ** (rows * columns) - 1).to_bytes(6, "little")
    header = MAGIC + ids.to_bytes(2, "big") + len(pattern.codes).to_bytes(2, "little") + bytes([rows, columns, kind])
    header += mask
    content = [header, bytes([crc8(header)])]
    for number, blocks in enumerate(_blocks(pattern, rows, columns)):
        frame = b"FR" + number.to_bytes(2, "little") + blocks.tobytes()
        content += [frame, crc16(frame).to_bytes(2, "little")]
    return b"".join(content)


def decode_g6(content: bytes) -> Pattern:
    """Read a file of version 1 or 2.

    Raises:
        FileError: the header or a frame is not as the format has it, the file is truncated, or a checksum does not fit.
    """
    header = _header(content)
    frames = np.frombuffer(content, np.uint8, offset=header.n_bytes).reshape(header.n_frames, -1)
    _require_checksums(content, header, frames)
    numbers = np.ascontiguousarray(frames[:, 2:4]).view("<u2")[:, 0]
    wrong = (frames[:, :2] != np.frombuffer(b"FR", np.uint8)).any(axis=1) | (numbers != np.arange(header.n_frames))
    if wrong.any():
        raise _damaged(f"frame {int(wrong.argmax())} of a G6 pattern does not begin with FR and its number")
    end = frames.shape[1] - (2 if header.has_frame_checksums else 0)
    blocks = frames[:, 4:end].reshape(header.n_frames, header.rows, header.columns, -1)
    if header.has_frame_checksums or blocks[..., :2].any():
        _require_blocks(blocks, header.n_levels)
    brightness = blocks[:, 0, 0, -1]
    if (blocks[..., -1] != brightness[:, None, None]).any():
        raise FileError(
            "panels of one frame of a G6 pattern differ in their brightness byte", expected="one brightness per frame"
        )
    return Pattern(_pixels(blocks, header.n_levels), header.n_levels, "G6", 1, brightness, header.arena)


class Header(NamedTuple):
    """Header of a file, judged against its length."""

    n_bytes: int
    arena: int
    n_frames: int
    rows: int
    columns: int
    n_levels: int
    has_frame_checksums: bool


def _header(content: bytes) -> Header:
    if len(content) < 18:
        raise _damaged(f"a G6 pattern has {len(content)} bytes, fewer than a header")
    version = content[4] >> 4 or content[4]
    if version not in (1, 2):
        raise FileError(f"this is a G6 pattern of version {version}", expected="version 1 or 2")
    n_bytes = 16 + version
    kind = content[5 if version == 1 else 10]
    arena = 0 if version == 1 else (content[4] << 8 | content[5]) >> 6 & 63
    n_frames, rows, columns = int.from_bytes(content[6:8], "little"), content[8], content[9]
    if kind not in KINDS:
        raise _damaged(f"the header of a G6 pattern names pixels of kind {kind}, not 1 (2 levels) or 2 (16 levels)")
    n_levels = KINDS[kind]
    mask = int.from_bytes(content[11:17], "little")
    if not 0 < rows * columns <= MOST_PANELS or mask != 2 ** (rows * columns) - 1:
        raise FileError(
            f"a G6 pattern has {mask.bit_count()} panels of {rows} x {columns}",
            expected=f"all of 1 to {MOST_PANELS} panels",
            remedy="make it with the columns of panels that are there",
        )
    per_frame = 4 + rows * columns * (3 + PIXEL_BYTES[n_levels])
    bare = n_bytes + n_frames * per_frame
    with_checksums = bare + 2 * n_frames
    if n_frames == 0 or len(content) not in ((bare,) if version == 1 else (bare, with_checksums)):
        raise _damaged(f"a G6 pattern of {n_frames} frames has {len(content)} bytes, not {with_checksums}")
    return Header(n_bytes, arena, n_frames, rows, columns, n_levels, len(content) == with_checksums)


def _require_checksums(content: bytes, header: Header, frames: Codes) -> None:
    """Judge a file by the checksums its kind has; of version 1 none is known."""
    if header.n_bytes == 17:
        return
    if not header.has_frame_checksums:
        if np.bitwise_xor.reduce(frames, axis=None) != content[17]:
            raise _damaged("the checksum of a G6 pattern (byte 17) does not fit its frames")
        return
    if crc8(content[:17]) != content[17]:
        raise _damaged("the checksum of the header of a G6 pattern (CRC-8, byte 17) does not fit")
    for number, frame in enumerate(frames):
        if crc16(frame[:-2].tobytes()) != int.from_bytes(frame[-2:].tobytes(), "little"):
            raise _damaged(f"the checksum of frame {number} of a G6 pattern (CRC-16) does not fit")


def _require_blocks(blocks: Codes, n_levels: int) -> None:
    """Judge the first two bytes of every panel."""
    if (blocks[..., 0] & 127 != 1).any() or (blocks[..., 1] != COMMANDS[n_levels]).any():
        raise _damaged(f"a panel of a G6 pattern has no frame of {n_levels} levels")
    if (np.bitwise_count(blocks).sum(axis=-1) % 2 != 0).any():
        raise _damaged("a panel of a G6 pattern has an odd number of bits, so that its parity bit does not fit")


def _blocks(pattern: Pattern, rows: int, columns: int) -> Codes:
    """Return the panels of every frame as they are sent, ``(T, row, column, bytes)``, rows from the bottom."""
    n_frames = len(pattern.codes)
    panels = pattern.codes.reshape(n_frames, rows, PANEL_PX, columns, PANEL_PX)[:, ::-1].swapaxes(2, 3)
    flat = np.ascontiguousarray(panels).reshape(n_frames, rows, columns, -1)
    four_bits: Codes = flat[..., 0::2] << np.uint8(4) | flat[..., 1::2]
    pixels = np.packbits(flat, axis=-1) if pattern.n_levels == 2 else four_bits
    blocks = np.empty((*pixels.shape[:3], pixels.shape[3] + 3), np.uint8)
    blocks[..., 0] = 1
    blocks[..., 1] = COMMANDS[pattern.n_levels]
    blocks[..., 2:-1] = pixels
    blocks[..., -1] = BRIGHTNESS if pattern.brightness is None else pattern.brightness[:, None, None]
    blocks[..., 0] |= (np.bitwise_count(blocks).sum(axis=-1) % 2).astype(np.uint8) << np.uint8(7)
    return blocks


def _pixels(blocks: Codes, n_levels: int) -> Codes:
    """Undo :func:`_blocks`."""
    n_frames, rows, columns = blocks.shape[:3]
    pixels = blocks[..., 2:-1]
    flat: NDArray[Any] = np.stack([pixels >> 4, pixels & 15], axis=-1)
    if n_levels == 2:
        flat = np.unpackbits(pixels, axis=-1)
    panels = flat.reshape(n_frames, rows, columns, PANEL_PX, PANEL_PX)[:, ::-1].swapaxes(2, 3)
    return np.ascontiguousarray(panels).reshape(n_frames, rows * PANEL_PX, columns * PANEL_PX)


def crc8(content: bytes) -> int:
    """Return the CRC-8/AUTOSAR: polynomial 0x2F, begun and ended with all bits inverted."""
    register = 0xFF
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = (register << 1 ^ (0x2F if register & 0x80 else 0)) & 0xFF
    return register ^ 0xFF


def crc16(content: bytes) -> int:
    """Return the CRC-16/CCITT-FALSE: polynomial 0x1021, begun with all bits set."""
    return binascii.crc_hqx(content, 0xFFFF)


def _damaged(found: str) -> FileError:
    return FileError(found, expected="a G6 pattern as it was written", remedy=COPY_AGAIN)
