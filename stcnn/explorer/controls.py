"""What the page offers: the stimuli it draws with a control for every argument, and the protocols of the package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stcnn.docstrings import in_one_line
from stcnn.stimuli.arguments import Argument, arguments_of
from stcnn.stimuli.protocols import load_protocol, protocol_names
from stcnn.stimuli.scene import kinds

PARTS = ("sequence", "overlay")
"""Stimuli made of others, which protocols may show and which have no sliders."""
NOT_DRAWN = ("arena_pattern", "recorded")
"""Stimuli that the page does not draw: it has no file of another machine, but takes one that is dropped on it."""
Slider = tuple[float, float, float, float]
"""Lowest and highest value, step, and where it starts if the argument has no default of its own."""
SLIDERS: dict[str, Slider] = {
    "width_deg": (0.5, 90, 0.5, 10),
    "height_deg": (0.5, 90, 0.5, 10),
    "size_deg": (0.5, 90, 0.5, 10),
    "speed_deg_s": (1, 400, 1, 60),
    "direction_deg": (0, 355, 5, 0),
    "azimuth_deg": (-40, 40, 1, 0),
    "elevation_deg": (-40, 40, 1, 0),
    "luminance": (0, 1, 0.01, 0),
    "contrast": (0, 1, 0.01, 1),
    "period_deg": (2, 90, 1, 20),
    "frequency_hz": (0.25, 30, 0.25, 2),
    "duration_s": (0.1, 4, 0.1, 1),
    "phase_cycles": (0, 1, 0.05, 0),
    "start_deg": (0, 90, 1, 5),
    "end_deg": (0, 90, 1, 60),
    "edge_speed_deg_s": (5, 300, 5, 50),
    "r_over_v_s": (0.005, 0.2, 0.005, 0.04),
    "line_deg": (0.5, 10, 0.5, 3),
    "patch_deg": (1, 90, 1, 20),
    "aperture_deg": (1, 90, 1, 40),
    "mean_luminance": (0, 0.5, 0.01, 0.4),
    "check_deg": (2, 30, 1, 8),
    "update_hz": (1, 60, 1, 20),
    "flash_s": (0.02, 0.5, 0.02, 0.1),
    "gap_s": (0, 0.5, 0.02, 0),
    "per_flash": (1, 8, 1, 1),
    "repeats": (1, 3, 1, 1),
    "velocity_deg_s": (0, 300, 5, 60),
    "velocity_tau_s": (0.02, 2, 0.02, 0.2),
    "finest_deg": (2, 20, 0.5, 2),
    "seed": (0, 100, 1, 0),
    "dots_per_deg2": (0.001, 0.05, 0.001, 0.01),
    "coherence": (0, 1, 0.05, 1),
    "lifetime_s": (0.05, 2, 0.05, 0.3),
    "step_s": (0.05, 1, 0.05, 0.3),
}
TIMING: dict[str, Slider] = {name: (0, 2, 0.1, 0) for name in ("before_s", "hold_first_s", "hold_last_s", "after_s")}
LISTS: dict[str, list[float]] = {"luminances": [0.0, 1.0], "contrasts": [0.25, 0.5, 1.0]}
CHOICES = {"waveform": ["square", "sine"], "distribution": ["binary", "gaussian"]}
LAWS = ("edge_speed_deg_s", "r_over_v_s")
ALTERNATIVES = {
    "drifting_grating": ("speed_deg_s", "frequency_hz"),
    **dict.fromkeys(("looming_disc", "receding_disc", "looming_ring", "dimming_disc"), LAWS),
}
"""Arguments of which exactly one is given, at first the first."""
FREE_AT_FIRST = ("start_deg", "stop_deg", "lifetime_s", "patch_deg", "aperture_deg", "mean_luminance")
"""Arguments without a number by default: the whole field, for ever, just out of view."""


def stimuli() -> dict[str, Any]:
    """Return the stimuli with a control for every argument."""
    return {kind: _stimulus(kind, draw.__doc__ or "") for kind, draw in kinds().items() if _has_controls(kind)}


def _has_controls(kind: str) -> bool:
    return kind not in (*PARTS, *NOT_DRAWN)


def _stimulus(kind: str, docstring: str) -> dict[str, Any]:
    found = [_control(kind, argument) for argument in arguments_of(kind)]
    controls = [control for control in found if control is not None]
    controls += [_slider(name, limits, limits[3], "Timing") for name, limits in TIMING.items()]
    meaning = in_one_line(docstring.split("\n\n", maxsplit=1)[0])
    return {"title": kind.replace("_", " "), "meaning": meaning, "controls": controls}


def _control(kind: str, argument: Argument) -> dict[str, Any] | None:
    """Return the control of an argument; None where it has none and keeps its default."""
    name = argument.name
    told = {"name": name, "meaning": argument.meaning}
    if name in LISTS:
        return told | {"type": "list", "start": LISTS[name]}
    if name in CHOICES:
        return told | {"type": "choice", "choices": CHOICES[name], "start": argument.default}
    if name not in SLIDERS:
        return None
    limits = SLIDERS[name]
    is_open = argument.default == "none"
    start = limits[3] if argument.default in ("", "none") else float(argument.default)
    others = ALTERNATIVES.get(kind, ())
    absent = is_open and name in FREE_AT_FIRST
    found = _slider(name, limits, start, "") | told | {"optional": is_open, "absent": absent or name in others[1:]}
    return found | {"instead_of": [other for other in others if other != name] if name in others else []}


def _slider(name: str, limits: Slider, start: float, group: str) -> dict[str, Any]:
    low, high, step, _ = limits
    shape = {"type": "slider", "low": low, "high": high, "step": step, "start": start}
    return {"name": name, "group": group, **shape}


def protocols() -> dict[str, dict[str, Any]]:
    """Return the stimuli of every protocol of the package that the page draws, by protocol and name."""
    found = {}
    for name in protocol_names():
        parameters = load_protocol(name).parameters
        drawn = {stimulus: dict(each) for stimulus, each in parameters.items() if is_drawn(each)}
        if drawn:
            found[name] = drawn
    return found


def is_drawn(parameters: Mapping[str, Any]) -> bool:
    """Tell whether the page draws a stimulus, given as ``{kind: name, argument: value, ...}``."""
    parts: Iterable[Mapping[str, Any]] = parameters.get("parts", ())
    kind = parameters.get("kind")
    return kind in kinds() and kind not in NOT_DRAWN and all(map(is_drawn, parts))
