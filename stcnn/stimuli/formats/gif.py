"""The blocks of a GIF: how long each picture stays, and whether the file ends as it should.

W3C, Graphics Interchange Format, version 89a, 1990. FFmpeg decodes the pictures.
"""

from __future__ import annotations

from typing import NamedTuple

TICK_S = 0.01
"""A GIF counts time in hundredths of a second."""
HURRIED = 1
"""Delays up to so many hundredths are shown as :data:`INSTEAD` by every browser (Chromium, Firefox, WebKit)."""
INSTEAD = 10

_EXTENSION = 0x21
_IMAGE = 0x2C
_TRAILER = 0x3B
_CONTROL = 0xF9


class Delays(NamedTuple):
    """How long each picture of a GIF stays.

    Args:
        hundredths: as the file says, one for each picture.
        complete: whether its last block is there.
    """

    hundredths: list[int]
    complete: bool

    @property
    def shown_s(self) -> list[float]:
        """As browsers show them."""
        return [TICK_S * (INSTEAD if delay <= HURRIED else delay) for delay in self.hundredths]

    @property
    def n_hurried(self) -> int:
        """Pictures whose delay is too short to be meant."""
        return sum(delay <= HURRIED for delay in self.hundredths)


def delays_of(content: bytes) -> Delays:
    """Read the delays of all pictures."""
    found: list[int] = []
    try:
        return Delays(found, _walk(content, found))
    except IndexError:  # the file ends within a block
        return Delays(found, False)


def _walk(content: bytes, found: list[int]) -> bool:
    """Collect delays; whether the trailer is reached."""
    delay = 0
    at = 13 + _table_bytes(content[10])
    while content[at] != _TRAILER:
        if content[at] == _EXTENSION:
            if content[at + 1] == _CONTROL:
                delay = content[at + 4] + 256 * content[at + 5]
            at = _behind_blocks(content, at + 2)
        elif content[at] == _IMAGE:
            at = _behind_blocks(content, at + 11 + _table_bytes(content[at + 9]))
            found.append(delay)
            delay = 0
        else:
            return False
    return True


def _table_bytes(flags: int) -> int:
    """Length of the table of colours that these flags announce."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _behind_blocks(content: bytes, at: int) -> int:
    """Place behind a chain of sub-blocks, each with its length before it, the last one empty."""
    while content[at]:
        at += 1 + content[at]
    return at + 1
