"""The stimuli that several analyses share, as :func:`stcnn.stimuli.render` takes them.

Objects move at the 100 degrees per second of the published sizes (Klapoetke et al. 2022,
doi 10.1016/j.neuron.2022.02.013) and are black, so that recordings of those stimuli lie on the same curves.
"""

from __future__ import annotations

from typing import Any

SPEED_DEG_S = 100.0
SIDES_DEG = (2.0, 3.0, 4.5, 6.5, 9.0, 12.0, 15.0, 21.0, 30.0, 45.0, 60.0)
"""Sides of squares; 2, 4.5, 9, 15, 30 and 45 are among the published ones."""
LOOM = 0.04
"""r/v in seconds of the published loom."""


def rectangle(width_deg: float, height_deg: float, **arguments: Any) -> dict[str, Any]:
    """Return a dark rectangle that crosses the middle rightward; its width lies along the motion."""
    sides = {"width_deg": width_deg, "height_deg": height_deg}
    return {"kind": "moving_rectangle", "speed_deg_s": SPEED_DEG_S, "luminance": 0.0, **sides, **arguments}


def square(side_deg: float, **arguments: Any) -> dict[str, Any]:
    """Return a dark square that crosses the middle rightward."""
    return rectangle(side_deg, side_deg, **arguments)


def disc(r_over_v_s: float, **arguments: Any) -> dict[str, Any]:
    """Return a dark disc on collision course, from 5 to 60 degrees, which stands half a second before and after."""
    timing = {"hold_first_s": 0.5, "hold_last_s": 0.5}
    law = {"start_deg": 5.0, "end_deg": 60.0, "r_over_v_s": r_over_v_s}
    return {"kind": "looming_disc", "luminance": 0.0, "timing": timing, **law, **arguments}


def weber(luminance: float, background: float) -> float:
    """Return Weber's contrast, luminance less background by background: -1 is black."""
    return (luminance - background) / background
