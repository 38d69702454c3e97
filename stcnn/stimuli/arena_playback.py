"""A pattern of an LED arena as it was played to a fly, as a stimulus: what an experiment showed becomes a movie."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stcnn.errors import ConfigError, DataError
from stcnn.reading import numbers, read_csv, reading, require_file, require_room
from stcnn.stimuli.displays import Arena, Optics, read_arena
from stcnn.stimuli.displays.playing import played
from stcnn.stimuli.displays.showing import picture_optics
from stcnn.stimuli.patterns import Pattern, decode_pattern, read_mat_pattern
from stcnn.stimuli.scene import Layer, Picture, animate, stimulus
from stcnn.stimuli.screen import AT_ONCE, Array, Positive, Screen, Timing

FileName = Annotated[str, Field(min_length=1)]
WHAT = "a pattern of an arena"
POSITIONS = "a table of positions (CSV with time_s, x and, if need be, y)"
UNSEEN = 1e-3
"""Share of what a pixel of the picture sees below which the arena does not reach there."""


@stimulus
def arena_pattern(
    screen: Screen,
    *,
    path: FileName,
    arena: FileName,
    positions: FileName | None = None,
    frames_hz: float = 0.0,
    x: Annotated[int, Field(ge=0)] = 0,
    y: Annotated[int, Field(ge=0)] = 0,
    duration_s: Positive | None = None,
    azimuth_deg: float = 0.0,
    elevation_deg: Annotated[float, Field(ge=-90, le=90)] = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """A pattern that an LED arena plays, as the fly in its middle sees it.

    Args:
        screen: the picture; beside the arena is its grey.
        path: of the pattern (.pat, or .mat of G3 and G4), from the current folder.
        arena: YAML file of the arena, or of a rig that names one.
        positions: CSV file of positions over time: ``time_s`` from the onset, ascending, ``x`` and perhaps ``y``,
            numbers of frames from 0. Each holds until the next.
        frames_hz: instead, how many frames x goes on per second; negative backwards.
        x: frame along x at the onset, from 0.
        y: frame along y.
        duration_s: how long it is shown; by default until the last position of the table, or for a round of the
            pattern.
        azimuth_deg: direction in the arena that is the middle of the picture.
        elevation_deg: likewise.
        timing: grey and holds.

    Raises:
        FileError: a file is missing or is not what it should be.
        ShapeError: the pattern is for another arena.
        ConfigError: it is not said how long it is shown, or positions are said twice.
        DataError: the positions are no such table.
    """
    if positions is not None and (frames_hz, x, y) != (0, 0, 0):
        raise ConfigError("an arena_pattern has positions and frames_hz, x or y", expected="one or the other")
    rig = read_arena(arena)
    pattern = _pattern(Path(path))
    course = _steady(pattern, frames_hz, x, y, duration_s) if positions is None else _table(positions, duration_s)
    optics = _optics(rig, screen, azimuth_deg, elevation_deg)
    seen = (1 - optics.outside).reshape(screen.shape_px)
    reached = np.where(seen > UNSEEN, seen, 0)
    part = np.where(reached > 0, reached, 1).astype(np.float32)

    def draw(time_s: Array) -> Picture:
        frames, place = np.unique(pattern.frame(*course.at(time_s)), return_inverse=True)
        require_room(4 * len(frames) * (seen.size + int(np.prod(rig.shape_px))), "the frames of an arena", WHAT)
        light = optics.see(played(rig, pattern, frames % pattern.n_x, frames // pattern.n_x), 0.0) / part
        return Picture(reached.astype(np.float32)[None], light.astype(np.float32)[place])

    return animate(screen, timing, course.duration_s, draw)


class _Course(NamedTuple):
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


def _steady(pattern: Pattern, frames_hz: float, x: int, y: int, duration_s: float | None) -> _Course:
    if duration_s is None and frames_hz == 0:
        raise ConfigError(
            "an arena_pattern stands still for no time that is said", remedy="give duration_s, frames_hz or positions"
        )
    round_s = pattern.n_x / abs(frames_hz) if duration_s is None else duration_s
    return _Course(np.zeros(1), np.array([x]), np.array([y]), round_s, frames_hz)


def _table(path: str, duration_s: float | None) -> _Course:
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
    return _Course(time_s, x.astype(np.int64), y.astype(np.int64), end_s if duration_s is None else duration_s)


def _pattern(path: Path) -> Pattern:
    if path.suffix.lower() == ".mat":
        return read_mat_pattern(path)
    require_room(17 * require_file(path, WHAT), str(path), WHAT)
    with reading(path, WHAT):
        return decode_pattern(path.read_bytes())


@lru_cache(maxsize=8)
def _optics(rig: Arena, screen: Screen, azimuth_deg: float, elevation_deg: float) -> Optics:
    display = rig.geometry().turned(yaw_deg=-azimuth_deg).turned(pitch_deg=-elevation_deg)
    return picture_optics(display, screen)
