"""What a sender may send, and the one place where it is judged; written down for users in ``docs/streaming.md``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from stcnn.errors import DataError
from stcnn.validation import Config, Fault, validated

MOST_HEADER_BYTES = 1 << 16
LARGEST_NUMBER = 1 << 53
"""Numbers of frames that every reader of JSON keeps exactly."""
SHOWN = 80
"""Characters of a faulty value that a sentence repeats."""


class Frame(NamedTuple):
    """One frame as it arrived."""

    luminance: NDArray[Any]
    """``(Y, X)``, or ``(B, Y, X)`` of several clips; uint8 or float32."""
    number: int
    """Counted by who made it: a gap is frames that were lost on the way."""
    received_s: float
    """When it was here, by the clock of :func:`time.perf_counter`."""
    time_s: float | None = None
    """When it was shown or taken, by the sender's clock; handed on with the answer."""


class Message(NamedTuple):
    """One message as it arrived, not judged yet."""

    header: bytes
    """JSON, see :class:`Header`."""
    parts: Sequence[bytes]
    """What came behind the header: one part with the pixels, if it is a frame."""
    received_s: float
    """When it was here, by the clock of :func:`time.perf_counter`."""


class Packed(NamedTuple):
    """One message in one piece of bytes: length of the header (uint32, little-endian), header, pixels."""

    data: bytes
    received_s: float
    """When it was here, by the clock of :func:`time.perf_counter`."""

    def message(self, number: int) -> Message:
        """Take it apart.

        Raises:
            DataError: it ends within its header.
        """
        start = 4 + int.from_bytes(self.data[:4], "little")
        if not 4 <= start <= len(self.data):
            raise DataError(
                f"message {number} of {len(self.data)} bytes announces a header of {start - 4} bytes",
                expected="the length of the header as uint32, little-endian, then the header, then the pixels",
            )
        pixels = self.data[start:]
        return Message(self.data[4:start], (pixels,) if pixels else (), self.received_s)


class Disconnected(NamedTuple):
    """A connection that ended."""

    sentence: str
    """Why it may have."""


Arrival = Frame | Message | Packed | Disconnected
"""What a session answers."""


class Header(Config):
    """JSON before the pixels of a frame, or alone."""

    model_config = ConfigDict(strict=True)

    frame: Annotated[int, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)] | None = None
    """Number of the frame; by default one more than that of the message before."""
    time_s: float | None = None
    """Any clock; handed on with the answer."""
    shape: list[int] | None = None
    """``[Y, X]`` or ``[B, Y, X]``."""
    dtype: Literal["uint8", "float32"] = "uint8"
    """Type of the pixels."""
    reset: bool = False
    """Back to the start before this frame; its number may be any."""
    end: bool = False
    """No more frames."""
    hello: bool = False
    """Asks what frames are expected and which cell types answer."""
    follow: bool = False
    """Asks to hear the answers of a closed loop, too."""


def packed(header: dict[str, Any], pixels: bytes = b"") -> bytes:
    """Return a message in one piece, see :class:`Packed`."""
    text = json.dumps(header).encode()
    return b"".join((len(text).to_bytes(4, "little"), text, pixels))


def most_bytes(shape: tuple[int, ...]) -> int:
    """Size of a message at which a transport may end a connection without reading it: far above that of any frame."""
    return 8 * math.prod(shape) + (1 << 20)


def header_of(text: bytes, number: int) -> Header:
    """Judge the header of a message.

    Raises:
        DataError: it is no JSON object, or a key or value of it cannot be.
    """
    try:
        if len(text) > MOST_HEADER_BYTES:
            raise ValueError("too long")
        facts = json.loads(text)
        if not isinstance(facts, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError):
        raise DataError(
            f"the header of message {number} is {text[:40]!r} ({len(text)} bytes)",
            expected='JSON such as {"frame": 0, "shape": [83, 83]}',
        ) from None
    return validated(Header, facts, lambda fault: _explained(fault, number), unknown_first=True)


def _explained(fault: Fault, number: int) -> DataError:
    remedy = fault.nearest(Header) if fault.is_unknown else fault.rule
    key = f"{fault.key:.{SHOWN}}"
    return DataError(f"the header of message {number} has {key}={fault.value!r:.{SHOWN}}", remedy=remedy)


def frame_of(header: Header, message: Message, number: int, shape: tuple[int, ...]) -> Frame:
    """Judge a message with pixels.

    Args:
        header: its header.
        message: the message.
        number: of the message.
        shape: expected of the pixels, ``(Y, X)`` or ``(B, Y, X)``.

    Raises:
        DataError: there is not one part with just as many bytes as such a frame has.
    """
    said = shape if header.shape is None else tuple(header.shape)
    dtype = np.dtype(header.dtype).newbyteorder("<")
    n_bytes = math.prod(shape) * dtype.itemsize
    parts = message.parts
    if said != shape or len(parts) != 1 or len(parts[0]) != n_bytes:
        raise DataError(
            f"message {number} has {len(parts)} parts behind its header, of {sum(map(len, parts))} bytes, shape "
            f"{f'{said}':.{SHOWN}} and dtype '{header.dtype}'",
            expected=f"one part of {n_bytes} bytes with pixels of shape {shape}, dtype uint8 or float32",
            remedy="check the sender, --shape-px and --clips",
        )
    luminance = np.frombuffer(parts[0], dtype).reshape(shape)
    return Frame(luminance, header.frame or 0, message.received_s, header.time_s)
