"""Periodic luminance: sine and square waves of contrast around a mean, and their exact average over a pixel."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from stcnn.errors import ConfigError
from stcnn.stimuli.screen import Array

Waveform = Literal["square", "sine"]


def luminance_of(wave: Array, contrast: ArrayLike, mean: float) -> Array:
    """Luminance of a wave in -1..1 with Michelson contrast 0..1 (broadcastable to it) around a mean luminance.

    Raises:
        ConfigError: the bright half exceeds white.
    """
    contrast = np.asarray(contrast)
    highest = mean * (1 + contrast.max())
    if highest > 1 + 1e-9:
        raise ConfigError(
            f"a wave of contrast {contrast.max():g} around luminance {mean:g} reaches {highest:.4g}",
            expected="at most 1 (white)",
            remedy="lower the contrast or the mean luminance",
        )
    return mean * (1 + contrast * wave)


def wave(cycles: Array, waveform: Waveform) -> Array:
    """A wave in -1..1 after a number of cycles: rising from zero (sine), or high in the first half cycle (square)."""
    if waveform == "sine":
        return np.sin(2 * np.pi * cycles)
    return np.where(np.round(cycles, 9) % 1 < 0.5, 1.0, -1.0)  # rounded: a switch falls on its frame


def pixel_wave(cycles: Array, waveform: Waveform, pixel_cycles: tuple[float, float]) -> Array:
    """The average of a plane wave over square pixels.

    Args:
        cycles: the wave's cycles at the middle of each pixel.
        waveform: as in :func:`wave`.
        pixel_cycles: cycles that fit into one pixel's side, along the rows and along the columns.
    """
    sides = [abs(side) for side in pixel_cycles]
    if waveform == "sine":
        return np.sin(2 * np.pi * cycles) * float(np.prod(np.sinc(sides)))
    long = max(sides)
    short = min(sides)
    if short < 1e-4:  # along a row or column; the error is of the order short^2
        return (_triangle(cycles + long / 2) - _triangle(cycles - long / 2)) / long
    far = (long + short) / 2
    near = (long - short) / 2
    corners = _parabola(cycles + far) - _parabola(cycles + near) - _parabola(cycles - near) + _parabola(cycles - far)
    return corners / (long * short)


def _triangle(cycles: Array) -> Array:
    """Integral of the square wave, with mean zero."""
    return 0.25 - np.abs(_from_middle(cycles))


def _parabola(cycles: Array) -> Array:
    """Integral of :func:`_triangle`, periodic: ``u/4 - u|u|/2`` around the middle ``u`` of a cycle."""
    middle = _from_middle(cycles)
    return middle * (0.25 - np.abs(middle) / 2)


def _from_middle(cycles: Array) -> Array:
    """Place within the cycle, -0.5..0.5 (several times faster than the operator %)."""
    return cycles - np.floor(cycles) - 0.5
