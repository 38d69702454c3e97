"""Limits of a screen on the arguments of stimuli: what is finer, faster or farther out than it can show.

=========================== =============================================================== ====================
argument                    can be shown                                                    because
=========================== =============================================================== ====================
``frequency_hz``            up to half the frame rate                                       Nyquist
``update_hz``               up to the frame rate
``period_deg``              from two pixels on, up to twice the diagonal of the field       Nyquist
``width_deg`` and other     up to twice the diagonal of the field; a search goes down to    smaller ones fade
sizes                       one pixel, a protocol may go on
``azimuth_deg``,            within the field
``elevation_deg``
``speed_deg_s``             up to half the diagonal of the field in a frame                 two frames show it
``duration_s`` and other    from one frame on
durations
=========================== =============================================================== ====================
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stcnn.errors import ConfigError
from stcnn.stimuli.screen import Screen

SIZES = {"width_deg", "height_deg", "size_deg", "check_deg", "line_deg", "patch_deg", "aperture_deg"}
DURATIONS = {"duration_s", "step_s", "flash_s"}
SPEEDS = {"speed_deg_s", "edge_speed_deg_s"}
ANYTHING = (-math.inf, math.inf)


def screen_limits(argument: str, screen: Screen) -> tuple[float, float]:
    """Return the lowest and the highest value of an argument that a screen can show."""
    diagonal_deg = math.hypot(screen.width_deg, screen.height_deg)
    known = {
        "frequency_hz": (0.0, screen.rate_hz / 2),
        "update_hz": (0.0, screen.rate_hz),
        "period_deg": (2 * screen.deg_per_px, 2 * diagonal_deg),
        "azimuth_deg": (-screen.width_deg / 2, screen.width_deg / 2),
        "elevation_deg": (-screen.height_deg / 2, screen.height_deg / 2),
        **dict.fromkeys(SIZES, (screen.deg_per_px, 2 * diagonal_deg)),
        **dict.fromkeys(DURATIONS, (1 / screen.rate_hz, math.inf)),
        **dict.fromkeys(SPEEDS, (0.0, diagonal_deg * screen.rate_hz / 2)),
    }
    return known.get(argument, ANYTHING)


def require_showable(name: str, parameters: Mapping[str, Any], screen: Screen) -> None:
    """Judge whether a screen can show a stimulus, by its numbers.

    Args:
        name: of the stimulus, for the sentence.
        parameters: ``{kind: ..., argument: value, ...}``; arguments that are no single number are not judged.
        screen: where it is to be shown.

    Raises:
        ConfigError: an argument is beyond what the screen can show.
    """
    values = {key: value for key, value in parameters.items() if type(value) in (int, float)}
    if values.get("speed_deg_s") and values.get("period_deg"):
        values.setdefault("frequency_hz", values["speed_deg_s"] / values["period_deg"])
    for argument, value in values.items():
        low, high = screen_limits(argument, screen)
        if argument in SIZES:
            low = 0.0
        if not (low <= value <= high or math.isclose(value, low) or math.isclose(value, high)):
            raise ConfigError(
                f"the stimulus '{name}' has {argument}={value:g}",
                expected=f"{low:.4g} to {high:.4g} on a screen of {screen.shape_px[0]} x {screen.shape_px[1]} pixels "
                f"of {screen.deg_per_px:g} deg at {screen.rate_hz:g} Hz",
                remedy="change it, or leave the stimulus out",
            )
