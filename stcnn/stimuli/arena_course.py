"""Positions of an arena's pattern over time: at a constant rate, from a table, a position function, or as logged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import ConfigError, DataError
from stcnn.reading import numbers, read_csv
from stcnn.stimuli.patterns import Pattern, PositionFunction, read_function
from stcnn.stimuli.patterns.functions import RATE_OF_LEVELS_HZ
from stcnn.stimuli.screen import Array

POSITIONS = "a table of positions (CSV with time_s, x and, if need be, y)"
FUNCTION_ENDINGS = (".pfn", ".mat")
Position = tuple[float, int, int]
"""Time from the onset in seconds, and the numbers of the frame along x and y, from 0."""


class Course(NamedTuple):
    """Positions, each held from its time until the next."""

    time_s: Array
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    duration_s: float
    frames_hz: float = 0.0

    def at(self, time_s: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return x and y at times; before the first one, that of the first."""
        last = np.maximum(np.searchsorted(self.time_s, time_s + 1e-9, side="right") - 1, 0)
        return self.x[last] + np.floor(time_s * self.frames_hz + 1e-9).astype(np.int64), self.y[last]


def steady(pattern: Pattern, frames_hz: float, x: int, y: int, duration_s: float | None) -> Course:
    """Return x that goes on at a constant rate.

    Raises:
        ConfigError: it stands still, and it is not said for how long.
    """
    if duration_s is None and frames_hz == 0:
        raise ConfigError(
            "an arena_pattern stands still for no time that is said", remedy="give duration_s, frames_hz or positions"
        )
    round_s = pattern.n_x / abs(frames_hz) if duration_s is None else duration_s
    return Course(np.zeros(1), np.array([x]), np.array([y]), round_s, frames_hz)


def from_table(path: str, duration_s: float | None) -> Course:
    """Return the positions of a table; without a duration it ends a step after its last row.

    Raises:
        DataError: it is no such table.
        ConfigError: it has a single row, and no duration is given.
    """
    table = read_csv(path, ("time_s", "x"), POSITIONS)
    time_s = numbers(table, "time_s")
    x, y = (numbers(table, name) if name in table else np.zeros(len(time_s)) for name in "xy")
    if (np.diff(time_s) <= 0).any() or time_s[0] < 0 or any((v % 1 != 0).any() or (v < 0).any() for v in (x, y)):
        raise DataError(
            f"{path} holds no positions over time",
            expected="ascending time_s from 0 or later, and numbers of frames x and y from 0",
        )
    end_s = float(time_s[-1] + np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
    if duration_s is None and end_s == 0:
        raise ConfigError(f"{path} has a single position", remedy="give duration_s")
    return Course(time_s, x.astype(np.int64), y.astype(np.int64), end_s if duration_s is None else duration_s)


def from_functions(
    paths: tuple[str | None, str | None],
    pattern: Pattern,
    start: tuple[int, int],
    rate_hz: float | None,
    duration_s: float | None,
) -> Course:
    """Return the positions of functions along x, y or both; one begins anew where it is shorter than the duration.

    Args:
        paths: of a ``.pfn``, or a ``.mat`` of G4 or G3, along x and along y; along an axis without one nothing moves.
        pattern: that they move.
        start: position along x and y at which functions of G3 start.
        rate_hz: ticks per second; None takes what the files say, or of G4 what the levels of the pattern say.
        duration_s: how long they are played; None is to the end of the longer one.

    Raises:
        FileError: it is no position function.
        ConfigError: a rate is not known, both have not the same, or a start is given to a function of G4.
        DataError: a position is beyond the pattern.
    """
    named = " and ".join(path for path in paths if path)
    functions = [
        None if path is None else _function(path, axis, at) for path, axis, at in zip(paths, "xy", start, strict=True)
    ]
    rates_hz = {
        rate_hz or _ticks_hz(path, each, pattern) for path, each in zip(paths, functions, strict=True) if path and each
    }
    if len(rates_hz) > 1:
        told = " and ".join(f"{each:g}" for each in sorted(rates_hz))
        raise ConfigError(f"{named} have {told} positions per second", expected="one rate", remedy="give positions_hz")
    (ticks_hz,) = rates_hz
    whole_s = max(len(each.positions) for each in functions if each) / ticks_hz
    n_ticks = max(1, int(np.ceil((duration_s or whole_s) * ticks_hz - 1e-6)))
    x, y = (
        np.full(n_ticks, at) if each is None else _played(each, at, n_frames, n_ticks)
        for each, at, n_frames in zip(functions, start, (pattern.n_x, pattern.n_y), strict=True)
    )
    course = Course(np.arange(n_ticks) / ticks_hz, x, y, duration_s or whole_s)
    require_inside(course, pattern, named)
    return course


def _function(path: str, axis: str, start: int) -> PositionFunction:
    function = read_function(Path(path))
    if function.generation == "G4" and start:
        raise ConfigError(f"{path} says where the pattern starts", remedy=f"take the argument {axis} out")
    return function


def _played(function: PositionFunction, start: int, n_frames: int, n_ticks: int) -> NDArray[np.int64]:
    """Return the position at every tick, over and over."""
    found = np.resize(function.positions + start, n_ticks)
    if function.generation == "G3" and found.min() >= 0:  # as its controller does
        found = found % n_frames
    return found


def _ticks_hz(path: str, function: PositionFunction, pattern: Pattern) -> float:
    return function.rate_hz or _usual_hz(path, function, pattern)


def _usual_hz(path: str, function: PositionFunction, pattern: Pattern) -> float:
    if function.generation == "G4" and pattern.n_levels in RATE_OF_LEVELS_HZ:
        return RATE_OF_LEVELS_HZ[pattern.n_levels]
    raise ConfigError(
        f"{path} does not say how many positions are shown per second",
        remedy="give positions_hz (a G3 controller has 50 unless it is told another rate)",
    )


def from_rows(rows: Sequence[Position], pattern: Pattern, where: str, duration_s: float | None) -> Course:
    """Return positions that are listed.

    Raises:
        ConfigError: there is none, they do not ascend, or no duration is given.
        DataError: one is beyond the pattern.
    """
    table = np.array(rows, float).reshape(-1, 3)
    if not len(table) or (np.diff(table[:, 0]) <= 0).any():
        raise ConfigError("the course of an arena_pattern does not ascend", expected="rows of time_s, x and y")
    if duration_s is None:
        raise ConfigError("the course of an arena_pattern has no end", remedy="give duration_s")
    x, y = table[:, 1:].astype(np.int64).T
    course = Course(table[:, 0], x, y, duration_s)
    require_inside(course, pattern, where)
    return course


def require_inside(course: Course, pattern: Pattern, where: str) -> None:
    """Refuse positions that a pattern does not have.

    Raises:
        DataError: there is one; the message gives its time.
    """
    for axis, values, n_frames in (("x", course.x, pattern.n_x), ("y", course.y, pattern.n_y)):
        beyond = np.flatnonzero((values < 0) | (values >= n_frames))
        if len(beyond):
            raise DataError(
                f"{where} has the position {axis}={values[beyond[0]]} at {course.time_s[beyond[0]]:.3f} s",
                expected=f"0 to {n_frames - 1}, the frames of the pattern along {axis}",
                remedy="look whether it belongs to another pattern, or counts from 1",
            )
