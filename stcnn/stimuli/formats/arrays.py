"""Movies as arrays of numpy: npy, and npz as this program writes it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import FileError, ShapeError
from stcnn.movie import Movie
from stcnn.reading import open_npz, read_npy
from stcnn.stimuli.formats.luminance import has_alpha, luminance_of, without_colour
from stcnn.stimuli.formats.source import Choices, Source, facts_in, facts_text, source_of

NPY = "a movie (npy): an array (T, Y, X)"
NPZ = "a movie (npz): an array 'frames' (T, Y, X)"
LONG = 3
"""So many times longer than two equal first axes, a last axis looks like time."""
VERY_LONG = 5
"""So many times longer than the longer of two different first axes, too; arenas are five times as wide as high."""


def write_npy(movie: Movie, path: Path) -> None:
    """Write the luminance of a movie."""
    with path.open("wb") as file:  # numpy would add an ending of its own
        np.save(file, movie.luminance(), allow_pickle=False)


def read_npy_movie(path: Path, choices: Choices) -> Source:
    """Read an array."""
    return array_source(read_npy(path, NPY), choices)


def write_npz(movie: Movie, path: Path) -> None:
    """Write all of a movie."""
    arrays = {f"track_{name}": values for name, values in movie.track.items()}
    if movie.levels is not None:
        arrays["levels"] = movie.levels
    np.savez_compressed(path, allow_pickle=False, frames=movie.frames, facts=np.array(facts_text(movie)), **arrays)


def read_npz_movie(path: Path, choices: Choices) -> Source:
    """Read a movie that was written here, or the only movie among the arrays of somebody else."""
    with open_npz(path, NPZ) as file:
        name = _frames_in(list(file), path)
        facts = facts_in(str(file.read("facts", kinds="U", ndim=0))) if "facts" in file else {}
        ours = "frames" in file and bool(facts)
        facts["track"] = {key.removeprefix("track_"): file.read(key) for key in file if key.startswith("track_")}
        frames = file.read(name)
        levels = file.read("levels", ndim=1) if "levels" in file else None
    if ours and levels is None and frames.dtype == np.uint8:
        raise FileError(f"'{path}' has codes in 'frames' but no 'levels'", expected="the luminance of each code")
    if levels is not None or ours:
        _require_three(frames)
        return source_of(frames, facts=facts, levels=levels)
    return array_source(frames, choices, facts)


def _frames_in(names: list[str], path: Path) -> str:
    if "frames" in names or len(names) == 1:
        return "frames" if "frames" in names else names[0]
    listed = ", ".join(f"'{name[:40]}'" for name in names[:8]) or "none"
    raise FileError(f"'{path}' has no array 'frames' but {listed}", expected=NPZ, remedy="name its frames 'frames'")


def array_source(frames: NDArray[Any], choices: Choices, facts: dict[str, Any] | None = None) -> Source:
    """The source of an array as others save them: grey or colour, of any numbers that are luminance.

    Raises:
        ShapeError: the order of its axes cannot be known, or its values are no luminance.
        DataError: its values leave open which one is white.
    """
    ordered = with_axes_in_order(frames, choices.axes)
    frames = ordered.frames
    notes = ordered.notes
    if ordered.coloured:
        return colour_source(frames, choices, facts or {}, notes)
    light = luminance_of(frames, choices.white)
    return source_of(
        light.frames,
        facts=facts or {},
        levels=light.levels,
        snapped=light.snapped,
        notes=(*notes, *light.notes),
        guesses=light.guesses,
    )


class Ordered(NamedTuple):
    """Frames ``(T, Y, X)``, or ``(T, Y, X, 3 or 4)`` of colours, and what is to be said of their axes."""

    frames: NDArray[Any]
    coloured: bool
    notes: tuple[str, ...]


def with_axes_in_order(frames: NDArray[Any], axes: str | None) -> Ordered:
    """Bring the axes of an array into the order time, row, column, colour.

    Args:
        frames: as the file has them.
        axes: a letter for each axis: T, Y, X, and C or S for colours; None takes time, row, column.

    Raises:
        ShapeError: the letters do not fit, or without them the order is doubtful.
    """
    if axes is None:
        _require_time_first(frames)
        _require_three(frames, coloured=True)
        shape = " x ".join(map(str, frames.shape[:3]))
        note = f"its axes are taken as time, row, column ({shape})"
        return Ordered(frames, frames.ndim == 4, (note,))
    letters = axes.replace("S", "C")
    fits = sorted(letters) in (sorted("TYX"), sorted("TYXC"), sorted("YX"), sorted("YXC"))
    if not fits or len(letters) != frames.ndim:
        raise ShapeError(
            f"the axes of the movie are said to be '{axes}', and its shape is {frames.shape}",
            expected="a letter for each axis: T, Y, X and for colours C",
        )
    wanted = [letter for letter in "TYXC" if letter in letters]
    ordered = frames.transpose([letters.index(letter) for letter in wanted])
    ordered = ordered if "T" in letters else ordered[None]
    if "C" in letters and ordered.shape[-1] not in (3, 4):
        raise ShapeError(f"the movie has {ordered.shape[-1]} colours", expected="3, or 4 with opacity")
    return Ordered(np.ascontiguousarray(ordered), "C" in letters, ())


def _require_time_first(frames: NDArray[Any]) -> None:
    square = frames.ndim == 3 and frames.shape[0] == frames.shape[1]
    if frames.ndim == 3 and frames.shape[2] >= (LONG if square else VERY_LONG) * max(frames.shape[:2]) > 0:
        looks = "the last axis looks like time"
        axes = "YXT"
    elif frames.ndim == 3 and frames.shape[2] in (3, 4) and min(frames.shape[:2]) > LONG * frames.shape[2]:
        looks = "it looks like one picture in colour"
        axes = "YXC"
    else:
        return
    raise ShapeError(
        f"the array has the shape {frames.shape}, and {looks}",
        expected="time, row, column",
        remedy=f"say which axis is which (axes: {axes}, or axes: TYX if it is in order)",
    )


def _require_three(frames: NDArray[Any], *, coloured: bool = False) -> None:
    good = frames.ndim == 3 or (coloured and frames.ndim == 4 and frames.shape[-1] in (3, 4))
    if not good or math.prod(frames.shape) == 0:
        raise ShapeError(
            f"movie frames have shape {frames.shape}",
            expected="(T, Y, X) with at least one frame and one pixel",
            remedy="put time first, and drop what is neither time, row, column nor red, green, blue",
        )


def colour_source(frames: NDArray[Any], choices: Choices, facts: dict[str, Any], notes: tuple[str, ...]) -> Source:
    """The source of colours ``(T, Y, X, 3 or 4)``."""
    if frames.dtype.kind == "u" and frames.dtype.itemsize > 2:
        raise ShapeError(f"a movie in colour has values of type {frames.dtype}", expected="8 or 16 bits, or 0 to 1")
    light = luminance_of(frames, choices.white)
    whole = {1: 255.0, 2: 65535.0}.get(frames.dtype.itemsize, 1.0) if frames.dtype.kind == "u" else 1.0
    white = choices.white or (1.0 if light.guesses else whole)
    if frames.dtype.kind != "f" and white <= 1:
        frames = frames.astype(np.float32)
        white = 1.0
    more = ["luminance is 0.299 red + 0.587 green + 0.114 blue, as the values stand (no gamma undone)"]
    if has_alpha(frames, white):
        more.append("what is not opaque lets the background through")

    def pictures(background: float) -> NDArray[Any]:
        flat = without_colour(frames, background, white)
        return flat if flat.dtype == np.uint8 else (flat / np.float32(white)).astype(np.float32)

    levels = None
    if frames.dtype == np.uint8:
        levels = (np.arange(min(256, int(white) + 1)) / white).astype(np.float32)
    return Source(
        *(pictures, (int(frames.shape[1]), int(frames.shape[2])), len(frames)),
        facts=facts,
        levels=levels,
        snapped=levels is not None,
        notes=(*notes, *more, *light.notes),
        guesses=light.guesses,
    )
