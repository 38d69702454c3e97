"""A pattern of an LED arena as it was played to a fly, as a stimulus: what an experiment showed becomes a movie."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from stcnn.errors import ConfigError
from stcnn.reading import reading, require_file, require_room
from stcnn.stimuli.arena_course import FUNCTION_ENDINGS, Position, from_functions, from_rows, from_table, steady
from stcnn.stimuli.displays import Arena, Optics, read_arena
from stcnn.stimuli.displays.playing import played
from stcnn.stimuli.displays.showing import picture_optics
from stcnn.stimuli.patterns import Pattern, decode_pattern, read_mat_pattern
from stcnn.stimuli.scene import Layer, Picture, animate, stimulus
from stcnn.stimuli.screen import AT_ONCE, Array, Positive, Screen, Timing

FileName = Annotated[str, Field(min_length=1)]
WHAT = "a pattern of an arena"
UNSEEN = 1e-3
"""Share of what a pixel of the picture sees below which the arena does not reach there."""


@stimulus
def arena_pattern(
    screen: Screen,
    *,
    path: FileName,
    arena: FileName,
    positions: FileName | None = None,
    positions_y: FileName | None = None,
    positions_hz: Positive | None = None,
    course: tuple[Position, ...] | None = None,
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
            numbers of frames from 0, each of which holds until the next; or a position function along x, a ``.pfn``
            or a ``.mat`` of G4 or G3, which begins anew where it is shorter than ``duration_s``.
        positions_y: a position function along y, alone or with one along x.
        positions_hz: positions per second of position functions that do not say it.
        course: positions listed here, ``[[time_s, x, y], ...]``, each of which holds until the next.
        frames_hz: instead, how many frames x goes on per second; negative backwards.
        x: frame along x at the onset, from 0; to it a position function of G3 is added.
        y: likewise along y.
        duration_s: how long it is shown; by default until the last position of the table, or for a round of the
            pattern.
        azimuth_deg: direction in the arena that is the middle of the picture.
        elevation_deg: likewise.
        timing: grey and holds.

    Raises:
        FileError: a file is missing or is not what it should be.
        ShapeError: the pattern is for another arena.
        ConfigError: it is not said how long it is shown, or positions are said twice.
        DataError: the positions are no such table, or beyond the pattern.
    """
    is_table = positions is not None and Path(positions).suffix.lower() not in FUNCTION_ENDINGS
    moves = positions is not None or positions_y is not None
    if moves and (frames_hz != 0 or (is_table and ((x, y) != (0, 0) or positions_y is not None))):
        raise ConfigError("an arena_pattern has positions and frames_hz, x or y", expected="one or the other")
    if course is not None and (moves or (frames_hz, x, y) != (0, 0, 0)):
        raise ConfigError("an arena_pattern has a course and positions, frames_hz, x or y", expected="the course alone")
    rig = read_arena(arena)
    pattern = _pattern(Path(path))
    if course is not None:
        played_as = from_rows(course, pattern, path, duration_s)
    elif is_table:
        played_as = from_table(str(positions), duration_s)
    elif moves:
        played_as = from_functions((positions, positions_y), pattern, (x, y), positions_hz, duration_s)
    else:
        played_as = steady(pattern, frames_hz, x, y, duration_s)
    optics = _optics(rig, screen, azimuth_deg, elevation_deg)
    seen = (1 - optics.outside).reshape(screen.shape_px)
    reached = np.where(seen > UNSEEN, seen, 0)
    part = np.where(reached > 0, reached, 1).astype(np.float32)

    def draw(time_s: Array) -> Picture:
        frames, place = np.unique(pattern.frame(*played_as.at(time_s)), return_inverse=True)
        require_room(4 * len(frames) * (seen.size + int(np.prod(rig.shape_px))), "the frames of an arena", WHAT)
        light = optics.see(played(rig, pattern, frames % pattern.n_x, frames // pattern.n_x), 0.0) / part
        return Picture(reached.astype(np.float32)[None], light.astype(np.float32)[place])

    return animate(screen, timing, played_as.duration_s, draw)


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
