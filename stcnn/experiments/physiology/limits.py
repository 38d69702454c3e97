"""What a screen cannot show: stimuli that are too fast for its frames, or too large or too fine for its pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stcnn.stimuli import Screen

LEAST_FRAMES = 5
"""Frames below which an expansion is a jump."""


def why_not(screen: Screen, stimulus: Mapping[str, Any]) -> str | None:
    """Return why a stimulus is not what its arguments say when this screen shows it; None if it is.

    A movement must not go further than the object's own width in a frame, an object must be at least a pixel and at
    most the field wide, a modulation have two frames a cycle, a grating two pixels, a loom :data:`LEAST_FRAMES`.

    Args:
        screen: with its frame rate.
        stimulus: kind and arguments, as :func:`stcnn.stimuli.render` takes them.
    """
    return too_fast(screen, stimulus) or _too_large_or_fine(screen, stimulus)


def too_fast(screen: Screen, stimulus: Mapping[str, Any]) -> str | None:
    """Return why a stimulus is too fast for the frames of a screen; None if it is not."""
    kind = str(stimulus["kind"])
    rate_hz = screen.rate_hz
    frequency_hz = stimulus.get("frequency_hz")
    if frequency_hz is not None:
        highest_hz = rate_hz / 2
        if frequency_hz > highest_hz or (frequency_hz == highest_hz and kind != "flicker"):
            return f"{rate_hz:g} frames per second show less than {highest_hz:g} Hz"
    if kind in ("moving_rectangle", "moving_bar", "moving_spot"):
        step_deg = stimulus.get("speed_deg_s", 100.0) / rate_hz
        width_deg = stimulus.get("width_deg", stimulus.get("size_deg"))
        if step_deg > width_deg:
            return f"it would jump by {step_deg:.3g}° in each of {rate_hz:g} frames per second, more than it is wide"
    if stimulus.get("r_over_v_s") is not None:
        near, far = (math.tan(math.radians(stimulus[name]) / 2) for name in ("end_deg", "start_deg"))
        lasts_s = stimulus["r_over_v_s"] * (1 / far - 1 / near)
        if lasts_s * rate_hz < LEAST_FRAMES:
            return f"its expansion would take {lasts_s * rate_hz:.2g} frames at {rate_hz:g} frames per second"
    return None


def _too_large_or_fine(screen: Screen, stimulus: Mapping[str, Any]) -> str | None:
    if "period_deg" in stimulus and stimulus["period_deg"] < 2 * screen.deg_per_px:
        return f"a pixel is {screen.deg_per_px:g}° wide"
    field_deg = min(screen.width_deg, screen.height_deg)
    sides = [stimulus.get(name) for name in ("width_deg", "height_deg", "size_deg", "end_deg", "patch_deg")]
    for side_deg in (side for side in sides if isinstance(side, int | float)):
        if side_deg > field_deg:
            return f"the movies of the recordings are {screen.width_deg:g}° × {screen.height_deg:g}°"
        if side_deg < screen.deg_per_px:
            return f"a pixel is {screen.deg_per_px:g}° wide"
    return None
