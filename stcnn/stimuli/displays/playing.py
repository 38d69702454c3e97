"""Patterns of an arena and what it shows: frames for the rig from luminance, and luminance from positions over time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stcnn.errors import ShapeError
from stcnn.stimuli.displays.arena import Arena
from stcnn.stimuli.displays.display import luminance_of
from stcnn.stimuli.patterns import Pattern, PositionFunction
from stcnn.stimuli.patterns.functions import RATE_OF_LEVELS_HZ


def pattern_for(arena: Arena, luminance: NDArray[Any]) -> Pattern:
    """Return the pattern that shows frames, in 16 levels, or two where these are black and white.

    Args:
        arena: that it is for.
        luminance: of its pixels ``(T, Y, X)``, 0 to 1.

    Raises:
        ShapeError: the frames have other pixels than the arena, or are no luminance.
    """
    _require_pixels(arena, luminance.shape[-2:], "frames")
    if luminance.ndim != 3 or not (luminance.min() >= -1e-6 and luminance.max() <= 1 + 1e-6):
        raise ShapeError("frames for an arena are no luminance (T, Y, X)", expected="values from 0 to 1")
    n_levels = 2 if np.isin(luminance, (0, 1)).all() else 16
    codes = np.round(np.clip(luminance, 0, 1) * (n_levels - 1)).astype(np.uint8)
    return Pattern(codes, n_levels, arena.generation)


def moved(pattern: Pattern, rate_hz: float) -> tuple[Pattern, PositionFunction]:
    """Return frames as a pattern in which each stands once, and the function that moves it as they follow each other.

    A tick of the panels shows the frame that is due before it ends. G4 panels tick as the levels of the pattern say;
    the functions of others tick with the frames.

    Args:
        pattern: frames one after the other.
        rate_hz: frames per second.

    Raises:
        ShapeError: frames follow each other faster than panels tick.
    """
    flat = pattern.codes.reshape(len(pattern.codes), -1)
    if pattern.brightness is not None:
        flat = np.concatenate([flat, pattern.brightness[:, None]], axis=1)
    _, first, which = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.argsort(order)[which.ravel()]
    is_g4 = pattern.generation in ("G4", "G4.1")
    ticks_hz = RATE_OF_LEVELS_HZ[pattern.n_levels] if is_g4 else rate_hz
    if rate_hz > ticks_hz:
        raise ShapeError(
            f"{rate_hz:g} frames per second are more than panels show of {pattern.n_levels} levels",
            expected=f"at most {ticks_hz:g}",
        )
    ends_s = (np.arange(round(len(place) / rate_hz * ticks_hz)) + 1) / ticks_hz
    due = np.minimum(np.ceil(ends_s * rate_hz - 1e-6).astype(int) - 1, len(place) - 1)
    brightness = None if pattern.brightness is None else pattern.brightness[first[order]]
    return (
        pattern._replace(codes=pattern.codes[first[order]], n_y=1, brightness=brightness),
        PositionFunction(place[due], ticks_hz, "G3" if pattern.generation == "G3" else "G4"),
    )


def played(
    arena: Arena,
    pattern: Pattern,
    x: ArrayLike,
    y: ArrayLike = 0,
    measured: tuple[float, ...] | None = None,
) -> NDArray[np.float32]:
    """Return the luminance of an arena that plays a pattern.

    Args:
        arena: that shows it.
        pattern: its frames.
        x: position along x at every time ``(T,)``, from 0; beyond the last frame it goes on with the first.
        y: position along y, likewise.
        measured: luminance of each level, where it was measured (:func:`~.display.luminance_of`).

    Returns:
        Luminance of the pixels ``(T, Y, X)``, 0 to 1.

    Raises:
        ShapeError: the pattern has other pixels than the arena, or positions are no whole numbers.
    """
    _require_pixels(arena, pattern.codes.shape[1:], "a pattern")
    positions = np.broadcast_arrays(np.atleast_1d(x), np.atleast_1d(y))
    for values in positions:
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all() or (values != np.round(values)).any():
            raise ShapeError("positions of a pattern are not whole everywhere", expected="numbers of frames, from 0")
    levels = luminance_of(np.arange(pattern.n_levels), pattern.n_levels, measured).astype(np.float32)
    return levels[pattern.codes[pattern.frame(*positions)]]


def _require_pixels(arena: Arena, shape_px: tuple[int, ...], what: str) -> None:
    if tuple(shape_px) != arena.shape_px:
        raise ShapeError(
            f"{what} of {' x '.join(map(str, shape_px))} pixels",
            expected=f"{arena.shape_px[0]} x {arena.shape_px[1]}, the pixels of the arena",
        )
