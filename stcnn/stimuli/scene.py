"""From a shape to a movie: the layer a stimulus paints, its phases in time, and the register of stimuli by name.

A stimulus is a function of a screen and keyword arguments with units that returns a :class:`Layer`. The decorator
:func:`stimulus` makes of it a function that returns a :class:`~stcnn.movie.Movie`, checks its arguments, notes them in
``Movie.parameters`` and enters it under its own name, so that a YAML mapping ``{kind: name, ...}`` can ask for it.
"""

from __future__ import annotations

import functools
import inspect
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, create_model

from stcnn.errors import ConfigError, nearest
from stcnn.movie import Movie
from stcnn.reading import reason, require_room
from stcnn.stimuli.screen import INSTANT_S, Array, Screen, Timing
from stcnn.validation import Fault, validated

P = ParamSpec("P")


@dataclass(frozen=True)
class Layer:
    """Layer that a stimulus paints on each frame.

    Args:
        coverage: fraction of each pixel that is painted, ``(T, Y, X)``, 0..1.
        luminance: with which luminance, broadcastable to ``(T, Y, X)``.
        onset_s: time from the first frame to stimulus onset.
        track: time courses of the object, ``(T,)`` each, NaN while nothing is shown.
    """

    coverage: NDArray[np.float32]
    luminance: NDArray[np.float32]
    onset_s: float = 0.0
    track: Mapping[str, Array] = field(default_factory=dict)

    def over(self, ground: ArrayLike) -> NDArray[np.float32]:
        """Paint the layer on a ground (luminance, broadcastable to ``(T, Y, X)``)."""
        ground = np.asarray(ground, np.float32)
        painted: NDArray[np.float32] = self.coverage * (self.luminance - ground)
        painted += ground
        return painted


class Picture(typing.NamedTuple):
    """Look of a shape at the times asked for: coverage and luminance as in :class:`Layer`, and the track."""

    coverage: NDArray[np.float32]
    luminance: ArrayLike
    track: Mapping[str, Any] = {}


def animate(screen: Screen, timing: Timing, course_s: float, draw: Callable[[Array], Picture]) -> Layer:
    """Draw a course of ``course_s`` seconds with its holds and grey phases; a picture that stands is drawn once.

    Args:
        screen: where to draw.
        timing: the phases.
        course_s: duration of the course between the holds.
        draw: the picture at given times ``(U,)`` of the course, 0..``course_s``. Names of the track that start with
            "speed" are zero during the holds.
    """
    time_s = timing.clock(course_s, screen.rate_hz)
    require_room(2 * 4 * len(time_s) * math.prod(screen.shape_px), f"a stimulus of {len(time_s)} frames", "one")
    stop_s = timing.hold_first_s + course_s
    shown = (time_s >= -INSTANT_S) & (time_s < stop_s + timing.hold_last_s - INSTANT_S)
    moving = (time_s >= timing.hold_first_s - INSTANT_S) & (time_s < stop_s - INSTANT_S)
    course = np.clip(np.round(time_s[shown] - timing.hold_first_s, 12), 0, course_s)
    times, place = np.unique(course, return_inverse=True)
    picture = draw(times)
    coverage = np.zeros((len(time_s), *screen.shape_px), np.float32)
    coverage[shown] = picture.coverage[place] if len(picture.coverage) > 1 else picture.coverage
    luminance = np.asarray(picture.luminance, np.float32)
    if luminance.ndim == 3 and len(luminance) > 1:
        pictures = luminance
        luminance = np.full((len(time_s), *luminance.shape[1:]), screen.background, np.float32)
        luminance[shown] = pictures[place]
    track = {}
    for name, values in picture.track.items():
        track[name] = np.full(len(time_s), np.nan)
        track[name][shown] = np.broadcast_to(np.asarray(values, float), times.shape)[place]
        if name.startswith("speed"):
            track[name][shown & ~moving] = 0.0
    return Layer(coverage, luminance, timing.before_s, track)


@dataclass(frozen=True)
class _Kind:
    """A stimulus by name: how it is drawn, and the model that checks its arguments."""

    draw: Callable[..., Layer]
    arguments: type[BaseModel]


_KINDS: dict[str, _Kind] = {}


def stimulus(draw: Callable[Concatenate[Screen, P], Layer]) -> Callable[Concatenate[Screen, P], Movie]:
    """Make a function that returns a layer one that returns a movie, and enter it in the register."""
    hints = typing.get_type_hints(draw, include_extras=True)
    arguments = {
        name: (hints[name], ... if parameter.default is inspect.Parameter.empty else parameter.default)
        for name, parameter in list(inspect.signature(draw).parameters.items())[1:]
    }
    model: type[BaseModel] = create_model(  # type: ignore[call-overload]
        draw.__name__, __config__=ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False), **arguments
    )
    _KINDS[draw.__name__] = _Kind(draw, model)

    def movie(screen: Screen, /, *args: P.args, **kwargs: P.kwargs) -> Movie:
        return render(screen, {"kind": draw.__name__, **kwargs})

    functools.update_wrapper(movie, draw)
    movie.__annotations__["return"] = "Movie"
    return movie


def kinds() -> dict[str, Callable[..., Layer]]:
    """All stimuli by name."""
    return {name: kind.draw for name, kind in sorted(_KINDS.items())}


def checked_arguments(kind: str) -> type[BaseModel]:
    """Return the model that checks the arguments of a kind of stimulus."""
    return _KINDS[kind].arguments


def complete(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Check ``{kind: name, argument: value, ...}`` and fill in the defaults.

    Returns:
        The same mapping with every argument of the stimulus, as plain values that JSON and YAML can hold.

    Raises:
        ConfigError: an unknown kind or argument, a missing one, or a value out of range.
    """
    kind, checked = _check(parameters)
    return {"kind": kind, **checked.model_dump(mode="json")}


def paint(screen: Screen, parameters: Mapping[str, Any]) -> Layer:
    """Draw the stimulus ``{kind: name, argument: value, ...}`` as a layer; errors as in :func:`complete`."""
    kind, checked = _check(parameters)
    try:
        return _KINDS[kind].draw(screen, **{name: getattr(checked, name) for name in type(checked).model_fields})
    except (ArithmeticError, MemoryError, ValueError, IndexError) as error:  # numbers too large or small for an array
        found = f"stimulus '{kind}' cannot be drawn with these arguments ({reason(error)})"
        raise ConfigError(found, remedy="correct its sizes, durations and speeds") from error


def render(screen: Screen, parameters: Mapping[str, Any]) -> Movie:
    """Draw the stimulus ``{kind: name, argument: value, ...}`` on the grey screen; errors as in :func:`complete`."""
    layer = paint(screen, parameters)
    frames = layer.over(screen.background)
    return Movie(
        np.clip(frames, 0, 1, out=frames),  # rounding alone can overshoot
        screen.rate_hz,
        screen.deg_per_px,
        screen.background,
        layer.onset_s,
        parameters=complete(parameters),
        track=layer.track,
    )


def _check(parameters: Mapping[str, Any]) -> tuple[str, BaseModel]:
    """Validate a mapping against the arguments of its kind."""
    arguments = dict(parameters)
    kind = str(arguments.pop("kind", "nothing"))
    if kind not in _KINDS:
        raise ConfigError(f"stimulus of kind '{kind}' is unknown", remedy=nearest(kind, _KINDS))
    model = _KINDS[kind].arguments

    def explained(fault: Fault) -> ConfigError:
        if fault.is_unknown and len(fault.location) == 1:
            return ConfigError(f"stimulus '{kind}' has no argument '{fault.key}'", remedy=fault.nearest(model))
        if fault.kind == "missing":
            return ConfigError(f"stimulus '{kind}' lacks its argument '{fault.key}'", remedy="give it a value")
        return ConfigError(f"stimulus '{kind}' has {fault.key}={fault.value!r}", remedy=fault.rule)

    return kind, validated(model, arguments, explained)
