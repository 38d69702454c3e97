"""Stimuli that change in time but not in place: flashes, steps and flicker of the whole field or a patch."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from stcnn.stimuli.coverage import disc_coverage, rectangle_coverage
from stcnn.stimuli.scene import Layer, Picture, animate, stimulus
from stcnn.stimuli.screen import AT_ONCE, Array, Fraction, NonNegative, Point, Positive, Screen, Timing
from stcnn.stimuli.waves import Waveform, luminance_of, wave

Patch = Positive | tuple[Positive, Positive] | None
"""A part of the field in degrees: the diameter of a disc, width and height of a rectangle, or None, the whole field."""

Levels = Annotated[tuple[Fraction, ...], Field(min_length=1)]


@stimulus
def flash(
    screen: Screen,
    *,
    luminance: Fraction,
    duration_s: Positive,
    patch_deg: Patch = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    direction_deg: float = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """The whole field, a disc or a rectangle that appears, stands and disappears.

    Args:
        screen: where to draw.
        luminance: 0..1.
        duration_s: how long it stands.
        patch_deg: diameter of a disc, or width and height of a rectangle; by default the whole field.
        azimuth_deg: of the patch's centre.
        elevation_deg: of the patch's centre.
        direction_deg: in which the width of a rectangle points; 0 rightward, 90 upward.
        timing: grey before and after.
    """
    coverage = patch_coverage(screen, patch_deg, (azimuth_deg, elevation_deg), direction_deg)
    return animate(
        screen, timing, duration_s, lambda time_s: Picture(coverage, luminance, _place((azimuth_deg, elevation_deg)))
    )


@stimulus
def luminance_steps(
    screen: Screen,
    *,
    luminances: Levels,
    step_s: Positive,
    patch_deg: Patch = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """The whole field or a patch goes through a series of luminances.

    Args:
        screen: where to draw.
        luminances: one after another, 0..1.
        step_s: how long each stands.
        patch_deg: diameter of a disc, or width and height of a rectangle; by default the whole field.
        azimuth_deg: of the patch's centre.
        elevation_deg: of the patch's centre.
        timing: grey and holds.
    """
    levels = np.asarray(luminances)

    def draw(time_s: Array) -> Picture:
        level = levels[_step(time_s, step_s, len(levels))]
        return _patch(screen, patch_deg, (azimuth_deg, elevation_deg), level)

    return animate(screen, timing, step_s * len(levels), draw)


@stimulus
def flicker(
    screen: Screen,
    *,
    frequency_hz: Positive,
    duration_s: Positive,
    contrast: Fraction = 1.0,
    mean_luminance: Fraction | None = None,
    waveform: Waveform = "square",
    phase_cycles: float = 0.5,
    patch_deg: Patch = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """The whole field or a patch that gets darker and brighter periodically.

    Args:
        screen: where to draw.
        frequency_hz: full cycles per second.
        duration_s: of the flicker.
        contrast: Michelson, 0..1.
        mean_luminance: around which it flickers; by default the background.
        waveform: "square" or "sine".
        phase_cycles: at onset; 0 starts with the bright half, 0.5 with the dark half.
        patch_deg: diameter of a disc, or width and height of a rectangle; by default the whole field.
        azimuth_deg: of the patch's centre.
        elevation_deg: of the patch's centre.
        timing: grey and holds.

    Raises:
        ConfigError: contrast and mean exceed white.
    """
    mean = screen.background if mean_luminance is None else mean_luminance

    def draw(time_s: Array) -> Picture:
        level = luminance_of(wave(time_s * frequency_hz + phase_cycles, waveform), contrast, mean)
        return _patch(screen, patch_deg, (azimuth_deg, elevation_deg), level)

    return animate(screen, timing, duration_s, draw)


@stimulus
def contrast_steps(
    screen: Screen,
    *,
    contrasts: Levels,
    step_s: Positive,
    frequency_hz: Positive,
    waveform: Waveform = "square",
    patch_deg: Patch = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """Flicker around the background whose contrast changes in steps.

    Args:
        screen: where to draw.
        contrasts: one after another; Michelson, 0..1.
        step_s: how long each lasts.
        frequency_hz: full cycles per second.
        waveform: "square" or "sine".
        patch_deg: diameter of a disc, or width and height of a rectangle; by default the whole field.
        azimuth_deg: of the patch's centre.
        elevation_deg: of the patch's centre.
        timing: grey and holds.
    """
    steps = np.asarray(contrasts)

    def draw(time_s: Array) -> Picture:
        contrast = steps[_step(time_s, step_s, len(steps))]
        level = luminance_of(wave(time_s * frequency_hz, waveform), contrast, screen.background)
        picture = _patch(screen, patch_deg, (azimuth_deg, elevation_deg), level)
        return picture._replace(track={**picture.track, "contrast": contrast})

    return animate(screen, timing, step_s * len(steps), draw)


def patch_coverage(
    screen: Screen, patch_deg: float | tuple[float, float] | None, centre_deg: Point, direction_deg: float = 0.0
) -> NDArray[np.float32]:
    """Fraction of each pixel that lies in a patch, ``(1, Y, X)``."""
    if patch_deg is None:
        return np.ones((1, *screen.shape_px), np.float32)
    if isinstance(patch_deg, tuple):
        return rectangle_coverage(screen, centre_deg, patch_deg, direction_deg)
    return disc_coverage(screen, *centre_deg, patch_deg)


def _step(time_s: Array, step_s: NonNegative, count: int) -> NDArray[np.intp]:
    """Which step of a series each time falls into; a hold after the course stays in the last."""
    return np.minimum(np.floor(np.round(time_s / step_s, 9)).astype(int), count - 1)


def _patch(screen: Screen, patch_deg: Patch, centre_deg: Point, level: Array) -> Picture:
    coverage = patch_coverage(screen, patch_deg, centre_deg)
    return Picture(coverage, level[:, None, None], _place(centre_deg) | {"luminance": level})


def _place(centre_deg: Point) -> dict[str, ArrayLike]:
    return {"azimuth_deg": centre_deg[0], "elevation_deg": centre_deg[1]}
