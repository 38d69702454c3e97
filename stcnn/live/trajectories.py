"""Stimuli as stimpack names them, drawn for the model.

The animal of stimpack (github.com/ClandininLab/stimpack, ``visual_stim``) looks along +y with x to its right and z up;
``theta`` turns about z and ``phi`` about x, so that a positive ``theta`` lies to the left and a positive ``phi`` above:
azimuth = -theta, elevation = phi. Its patches are rectangles on a sphere; ours are rectangles in azimuth and elevation,
which is the same at the equator and narrower in angle away from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import ConfigError, nearest
from stcnn.stimuli import Screen, kinds, render
from stcnn.stimuli.coverage import disc_coverage, rectangle_coverage

Course = Callable[[float], NDArray[np.float64]]
"""A value at a time in seconds."""
Layer = Callable[[float, NDArray[np.float32]], NDArray[np.float32]]
"""Paints a ground ``(Y, X)`` at a time in seconds from the start of the stimulus."""
MOST_PAIRS = 10_000
MOST_DEG = 1e6

DEFAULTS: dict[str, dict[str, Any]] = {
    "ConstantBackground": {"color": [0.5, 0.5, 0.5, 1.0]},
    "MovingSpot": {"radius": 10, "color": [1, 1, 1, 1], "theta": 0, "phi": 0},
    "MovingPatch": {"width": 10, "height": 10, "color": [1, 1, 1, 1], "theta": 0, "phi": 0, "angle": 0},
}
"""Stimuli of stimpack that are drawn, with its defaults."""
WITHOUT_EFFECT = {"center", "side_length", "sphere_radius"}
"""Parameters that do not change what an animal in the middle sees."""


def course_of(value: Any, what: str, n_values: tuple[int, ...] = (1,)) -> Course:  # noqa: ANN401  (JSON)
    """Return a value over time: a number (or a colour), or one of stimpack's trajectories.

    Args:
        value: as it came.
        what: its name, for the sentence.
        n_values: how many numbers it may have.

    Raises:
        ConfigError: it is none of these.
    """
    if not isinstance(value, Mapping):
        fixed = _numbers(value, what, n_values)
        return lambda time_s: fixed
    kind = value.get("name")
    makers = {"TVPairs": _pairs, "Sinusoid": _sinusoid, "Loom": _loom}
    if kind not in makers:
        raise ConfigError(f"{what} is a trajectory '{kind}'", remedy=nearest(str(kind), makers))
    try:
        return makers[kind]({key: part for key, part in value.items() if key != "name"}, what, n_values)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"the trajectory {kind} of {what} cannot be read ({type(error).__name__}: {error})") from None


def _numbers(value: Any, what: str, n_values: tuple[int, ...]) -> NDArray[np.float64]:  # noqa: ANN401  (JSON)
    try:
        found = np.atleast_1d(np.asarray(value, float))
    except (TypeError, ValueError):
        found = np.full(1, np.nan)
    if found.ndim != 1 or len(found) not in n_values or not np.isfinite(found).all():
        raise ConfigError(f"{what} is {value!r:.80}", expected=f"{' or '.join(map(str, n_values))} finite numbers")
    return found


def _pairs(given: dict[str, Any], what: str, n_values: tuple[int, ...]) -> Course:
    pairs = given.pop("tv_pairs")
    if given.pop("kind", "linear") != "linear" or given or not 2 <= len(pairs) <= MOST_PAIRS:
        raise ValueError(f"2 to {MOST_PAIRS} tv_pairs of kind 'linear' are read")
    time_s = np.array([float(time) for time, _ in pairs])
    values = np.stack([_numbers(value, what, n_values) for _, value in pairs])
    if not (np.diff(time_s) > 0).all():
        raise ValueError("times must grow")

    def at(now_s: float) -> NDArray[np.float64]:
        """Between two pairs, and on along the first or last line before and behind them, as stimpack goes on."""
        right = int(np.clip(np.searchsorted(time_s, now_s), 1, len(time_s) - 1))
        share = (now_s - time_s[right - 1]) / (time_s[right] - time_s[right - 1])
        return values[right - 1] + share * (values[right] - values[right - 1])

    return at


def _sinusoid(given: dict[str, Any], what: str, n_values: tuple[int, ...]) -> Course:
    size, frequency_hz, offset = (
        _numbers(given.pop(key), what, (1,)) for key in ("amplitude", "temporal_frequency", "offset")
    )
    _require_all_read(given)
    return lambda now_s: offset + size * np.sin(2 * math.pi * frequency_hz * now_s)


def _loom(given: dict[str, Any], what: str, n_values: tuple[int, ...]) -> Course:
    """Radius of a disc that approaches: stimpack shifts the curve to begin at ``start_size`` and holds ``end_size``."""
    ratio_s, collision_s, start_deg, end_deg = (
        float(_numbers(given.pop(key), what, (1,))[0]) for key in ("rv_ratio", "stim_time", "start_size", "end_size")
    )
    _require_all_read(given)
    if not (ratio_s > 0 and collision_s > 0 and 0 < start_deg <= end_deg < 180):
        raise ValueError("rv_ratio, stim_time and start_size are positive, end_size is below 180")
    first_deg = math.degrees(2 * math.atan(ratio_s / collision_s))

    def at(now_s: float) -> NDArray[np.float64]:
        left_s = collision_s - now_s
        size_deg = math.degrees(2 * math.atan(ratio_s / left_s)) - first_deg + start_deg if left_s > 0 else end_deg
        return np.array([min(size_deg, end_deg) / 2])

    return at


def _require_all_read(rest: dict[str, Any]) -> None:
    if rest:
        raise ValueError(f"'{next(iter(rest))}' is not known")


def layer_of(screen: Screen, name: str, given: Mapping[str, Any]) -> Layer:
    """Return how a stimulus paints: one of stimpack's, or one of ours by the name and arguments of its generator.

    Raises:
        ConfigError: it is neither, or its parameters cannot be drawn.
    """
    if name in DEFAULTS:
        return _theirs(screen, name, given)
    if name not in kinds():
        remedy = nearest(name, [*DEFAULTS, *kinds()])
        raise ConfigError(
            f"the stimulus '{name}' is neither one of stimpack that is drawn here nor ours", remedy=remedy
        )
    movie = render(screen, {"kind": name, **given}).coded()

    def paint(time_s: float, ground: NDArray[np.float32]) -> NDArray[np.float32]:
        frame = math.floor(time_s * screen.rate_hz + 1e-6)
        return movie.luminance(slice(frame, frame + 1))[0] if 0 <= frame < movie.n_frames else ground

    return paint


def _theirs(screen: Screen, name: str, given: Mapping[str, Any]) -> Layer:
    defaults = DEFAULTS[name]
    if unknown := sorted(given.keys() - defaults.keys() - WITHOUT_EFFECT):
        raise ConfigError(f"{name} has no parameter '{unknown[0]}'", remedy=nearest(unknown[0], defaults))
    courses = {
        key: course_of(given.get(key, default), f"{name}.{key}", (1, 3, 4) if key == "color" else (1,))
        for key, default in defaults.items()
    }

    def paint(time_s: float, ground: NDArray[np.float32]) -> NDArray[np.float32]:
        now = {key: course(time_s) for key, course in courses.items()}
        luminance, alpha = _grey(now.pop("color"))
        covered = _covered(screen, {key: float(value[0]) for key, value in now.items()})
        painted: NDArray[np.float32] = ground + np.float32(alpha) * covered * (np.float32(luminance) - ground)
        return painted

    return paint


def _covered(screen: Screen, now: Mapping[str, float]) -> NDArray[np.float32]:
    if not now:
        return np.ones(screen.shape_px, np.float32)
    if not all(abs(value) < MOST_DEG for value in now.values()):
        return np.full(
            screen.shape_px, np.nan, np.float32
        )  # a trajectory that ran away: no luminance, so it is refused
    azimuth_deg, elevation_deg = (-now["theta"] + 180) % 360 - 180, now["phi"]
    if "radius" in now:
        return disc_coverage(screen, azimuth_deg, elevation_deg, 2 * max(0.0, now["radius"]))[0]
    size_deg = max(0.0, now["width"]), max(0.0, now["height"])
    centre = np.array([azimuth_deg]), np.array([elevation_deg])
    return rectangle_coverage(screen, centre, size_deg, -now["angle"])[0]


def _grey(colour: NDArray[np.float64]) -> tuple[float, float]:
    """Luminance (the mean of red, green and blue) and opacity, both 0..1."""
    alpha = colour[3] if len(colour) == 4 else 1.0
    return float(np.clip(colour[:3].mean(), 0, 1)), float(np.clip(alpha, 0, 1))


def grey_of(value: Any, what: str) -> float:  # noqa: ANN401  (JSON)
    """Return the luminance of a colour.

    Raises:
        ConfigError: it is none.
    """
    return _grey(_numbers(value, what, (1, 3, 4)))[0]
