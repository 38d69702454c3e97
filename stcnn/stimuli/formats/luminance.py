"""From the numbers of an array or a TIFF to luminance: what is white, and what no number says by itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import DataError, ShapeError
from stcnn.stimuli.formats.source import LUMA

DARK_UP_TO = {1: 15, 2: 4095}
"""Bytes of an unsigned number to the largest value that makes one ask whether white is really its largest number:
four bits in eight (grey levels of an arena), twelve in sixteen (cameras)."""


class Luminance(NamedTuple):
    """Frames as :class:`~stcnn.stimuli.formats.source.Source` has them, and what was chosen."""

    frames: NDArray[Any]
    levels: NDArray[np.float32] | None = None
    snapped: bool = False
    notes: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ()


def luminance_of(frames: NDArray[Any], white: float | None, n_bits: int | None = None) -> Luminance:
    """Luminance of the numbers of a file; black is 0.

    Truth values and floating point are luminance as they are. Unsigned numbers of 8 or 16 bits run to the largest
    number of their bits, unless they are 0 and 1 only: then they are black and white, and this is a guess. Other whole
    numbers must be 0 and 1.

    Args:
        frames: grey values, of any shape.
        white: the value that is white, where it is known.
        n_bits: of each value, where the file says it.

    Raises:
        DataError: the values are so small that white must be said.
        ShapeError: they are not numbers, or negative, or above white.
    """
    kind = frames.dtype.kind
    n_bytes = frames.dtype.itemsize
    if kind not in "biuf":
        raise ShapeError(f"a movie has values of type {frames.dtype}", expected="real numbers")
    if kind == "b":
        return Luminance(frames.astype(np.uint8), np.array([0, 1], np.float32))
    if kind == "f" or not frames.size:
        return Luminance(frames if white is None else _scaled(frames, white))
    lowest = int(frames.min())
    highest = int(frames.max())
    if lowest < 0:
        found = f"movie values run from {lowest} to {highest}"
        raise ShapeError(found, expected="no value below 0 (black)", remedy="save them as luminance from 0 to 1")
    if white is None and n_bits is not None and n_bits < 8 * n_bytes:
        white = float(2**n_bits - 1)
    binary = white is None and highest == 1
    if white is None:
        white = 1.0 if binary or highest == 0 else _white_of(frames.dtype, highest)
    if highest > white:
        raise ShapeError(f"movie values run up to {highest}", expected=f"none above white ({white:g})")
    guesses = ("its values are only 0 and 1: taken as black and white",) if binary and kind == "u" else ()
    notes = (f"its 16-bit values are divided by {white:g}",) if n_bytes == 2 and not binary else ()
    if frames.dtype != np.uint8:
        return Luminance(_scaled(frames, white), notes=notes, guesses=guesses)
    levels = np.arange(min(256, int(white) + 1)) / white
    return Luminance(frames, levels.astype(np.float32), not guesses and white > 1, notes, guesses)


def _scaled(frames: NDArray[Any], white: float) -> NDArray[np.float32]:
    return frames.astype(np.float32) / np.float32(white)


def _white_of(dtype: np.dtype, highest: int) -> float:
    """The value that is white by the type of the values."""
    if dtype.kind != "u" or dtype.itemsize > 2:
        raise ShapeError(
            f"movie values are whole numbers ({dtype}) up to {highest}",
            expected="luminance from 0 (black) to 1 (white)",
            remedy="say which value is white (white: 255 of 8-bit pictures), divide by it, or save them as uint8",
        )
    largest = 2 ** (8 * dtype.itemsize) - 1
    if highest <= DARK_UP_TO[dtype.itemsize]:
        bits = max(2, highest.bit_length())
        raise DataError(
            f"the largest value of the movie is {highest} of {largest} ({dtype}), which would be nearly black",
            expected="to be told which value is white",
            remedy=f"say white: {2**bits - 1} if it has {bits} bits, or white: {largest} if it is so dark",
        )
    return float(largest)


def without_colour(frames: NDArray[Any], background: float, white: float | None = None) -> NDArray[Any]:
    """Luma of colours in the last axis: red, green, blue, and perhaps opacity, which lets the background through.

    Args:
        frames: ``(..., 3)`` or ``(..., 4)``.
        background: luminance behind what is not opaque.
        white: the largest value; None is that of the type.
    """
    luma: NDArray[Any] = frames[..., :3] @ LUMA
    largest = white or (float(np.iinfo(frames.dtype).max) if frames.dtype.kind in "iu" else 1.0)
    if has_alpha(frames, largest):
        alpha = frames[..., 3] / largest
        luma = luma * alpha + background * largest * (1 - alpha)
    return luma.round().astype(frames.dtype) if frames.dtype.kind in "iu" else luma


def has_alpha(frames: NDArray[Any], largest: float) -> bool:
    """Whether some colour is not opaque."""
    return frames.shape[-1] == 4 and bool((frames[..., 3] < largest).any())
