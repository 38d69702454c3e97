"""Movies in and out of files.

====== ======================== ==========================================================================
ending luminance                what the file says of the movie
====== ======================== ==========================================================================
npz    exact                    everything: rate, degrees per pixel, background, onset, parameters, track
npy    exact                    nothing
mp4    8 bits, without loss     rate; and if written here: degrees per pixel, background, onset, parameters
tif    8 bits                   of ImageJ or OME the rate; and if written here: all but the track
gif    8 bits                   rate (it may play slower than the movie)
pat    16 or 2 levels           nothing (pattern of a G4, G4.1 or G6 LED arena, see :mod:`stcnn.stimuli.patterns`)
mat    16 or 2 levels           nothing (pattern of a G3 LED arena)
====== ======================== ==========================================================================

Other videos (avi, mov, mkv, webm) are read, not written. What a file does not say must be said by who reads it. What
was applied or chosen while reading stands in the ``notes`` of the movie; a guess is also a :class:`ReadingWarning`.
In files with grey levels the one nearest to the background counts as the background, so that grey stays exactly grey.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import DataError, FileError, StcnnError, nearest
from stcnn.movie import Movie
from stcnn.reading import reading, require_file, require_room
from stcnn.stimuli.formats import FORMATS, Choices, Format, Source
from stcnn.stimuli.formats.source import FACTS, ending_of
from stcnn.stimuli.resample import Placement, frame_at, n_frames_at
from stcnn.stimuli.screen import Screen
from stcnn.writing import atomic_write

WHAT = "a movie file"


class ReadingWarning(UserWarning):
    """Something about a movie file was guessed that its reader should confirm with a parameter."""


def write_movie(movie: Movie, path: str | Path) -> Path:
    """Write a movie; the ending of the path says in which format (see the module).

    Returns:
        The path. The file appears whole or not at all.

    Raises:
        FileError: the ending is unknown, or the folder cannot be written to.
        ShapeError: the movie does not fit the panels of an arena (.pat, .mat).
    """
    path = Path(path)
    write = _format_of(path, writing=True).write
    assert write is not None
    with atomic_write(path) as draft:
        write(movie, draft)
    return path


def read_movie(
    path: str | Path,
    *,
    rate_hz: float | None = None,
    deg_per_px: float | None = None,
    background: float | None = None,
    screen: Screen | None = None,
    white: float | None = None,
    axes: str | None = None,
    series: int | None = None,
    clock: Literal["file", "even"] = "file",
    rotation: Literal["apply", "ignore"] | None = None,
    pixel_aspect: Literal["apply", "ignore"] | None = None,
    interlaced: Literal["ignore"] | None = None,
    incomplete: Literal["accept"] | None = None,
) -> Movie:
    """Read a movie; what is given counts more than what the file says.

    Args:
        path: of the file.
        rate_hz: frames per second. A video whose frames are not evenly spaced is held at its times at this rate.
        deg_per_px: degrees of visual angle per pixel of the file.
        background: luminance 0..1 of the grey around the movie.
        screen: show it on this screen, frame by frame, so that a large video needs little memory;
            see :func:`~stcnn.stimuli.resample.on_screen`.
        white: value that is white in an array or TIFF (1 of luminance, 255 of 8 bits, 4095 of a 12-bit camera); black
            is 0. By default the largest of its type, but 1 where values are 0 and 1 only (with a warning).
        axes: of an array or TIFF, a letter each: T, Y, X, and C for colours. By default time, row, column.
        series: number, from 0, of the series of a TIFF or the video in a file that holds several.
        clock: ``file`` presents frames of a video at the times in the file; a movie of other than even times is
            resampled by holding them. ``even`` shows them one after the other at one rate, whatever their times.
        rotation: whether a rotation that a video notes is applied or ignored; needed where it notes one.
        pixel_aspect: likewise for pixels that are not square.
        interlaced: ``ignore`` reads an interlaced video with both fields of a frame at once.
        incomplete: ``accept`` takes what can be read of a file that breaks off.

    Raises:
        FileError: there is no such file, its ending is unknown, or it cannot be read or is incomplete.
        DataError: the file does not say its rate, degrees per pixel or background, and neither does the caller; or it
            leaves open what one of the parameters says.
        ShapeError: the file holds no movie of luminances.
        RateError: no clock can show its frames at their times.
        ConfigError: a parameter has a value that it cannot have.
    """
    given = {
        **{"rate_hz": rate_hz, "deg_per_px": deg_per_px, "background": background, "white": white, "axes": axes},
        **{"series": series, "clock": clock, "rotation": rotation, "pixel_aspect": pixel_aspect},
        **{"interlaced": interlaced, "incomplete": incomplete},
    }
    movie, guesses = _read(Path(path), Choices.of(given), screen)
    for guess in guesses:
        warnings.warn(f"{path}: {guess}", ReadingWarning, stacklevel=2)
    return movie


def read_chosen(path: str | Path, choices: Choices, screen: Screen | None = None) -> Movie:
    """Read a movie as :func:`read_movie`, with its parameters as one value; guesses stand in its notes only."""
    return _read(Path(path), choices, screen)[0]


def file_and_choices(text: str, **more: Any) -> tuple[Path, Choices]:
    """Path and choices of a text such as ``street.mp4`` or ``street.mp4:rotation=apply,rate_hz=30``.

    Args:
        text: as it stands on a command line.
        more: choices that the text may replace.

    Raises:
        ConfigError: a choice is unknown, or has a value that it cannot have.
    """
    file, colon, said = text.rpartition(":")
    if not colon or "=" not in said:
        return Path(text), Choices.of(more)
    pairs = (part.partition("=") for part in said.split(","))
    return Path(file), Choices.of({**more, **{key.strip(): value.strip() for key, _, value in pairs}})


def _read(path: Path, choices: Choices, screen: Screen | None) -> tuple[Movie, tuple[str, ...]]:
    """A movie, and what was guessed."""
    read = _format_of(path).read
    require_file(path, WHAT)
    with _named(path), reading(path, WHAT):
        source = read(path, choices)
    facts = _facts(source, choices, path)
    with _named(path), reading(path, WHAT):
        movie = _movie(source, facts, path) if screen is None else _shown(source, facts, screen, path)
    return movie, source.guesses


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Put the path before sentences that do not name it."""
    try:
        yield
    except StcnnError as error:
        if str(path) in error.found:
            raise
        found = f"'{path}' cannot be read: {error.found}"
        raise type(error)(found, expected=error.expected, remedy=error.remedy) from None


def _facts(source: Source, choices: Choices, path: Path) -> dict[str, Any]:
    """Facts of the movie besides its frames."""
    rate_of_clock = {"rate_hz": source.facts["rate_hz"]} if source.frame is not None else {}
    facts = {**source.facts, **choices.said(), **rate_of_clock}
    missing = [name for name in FACTS if name not in facts]
    if missing:
        raise DataError(f"'{path}' does not say its {' and '.join(missing)}", remedy=f"give {' and '.join(missing)}")
    notes = tuple(f"{path.name}: {note}" for note in (*source.guesses, *source.notes))
    return {**facts, "notes": notes}


def _movie(source: Source, facts: Mapping[str, Any], path: Path) -> Movie:
    """The whole movie in memory."""
    levels = source.levels_for(facts["background"])
    pictures = source.pictures(facts["background"])
    if isinstance(pictures, np.ndarray):
        return Movie(pictures, levels=levels, **facts)
    dtype = np.dtype(np.float32 if levels is None else np.uint8)
    shown = source.shown()
    shape = (len(shown), *source.shape_px)
    require_room(int(np.prod(shape, dtype=object)) * dtype.itemsize, f"'{path}'", WHAT)
    frames = np.empty(shape, dtype)
    for number, picture in enumerate(pictures):
        first, last = np.searchsorted(shown, [number, number + 1])
        frames[first:last] = picture
    return Movie(frames, levels=levels, **facts)


def _shown(source: Source, facts: Mapping[str, Any], screen: Screen, path: Path) -> Movie:
    """The movie on a screen, placed there picture by picture."""
    levels = source.levels_for(facts["background"])
    background = facts["background"]
    placement = Placement(source.shape_px, facts["deg_per_px"], screen)
    n_frames = n_frames_at(screen.rate_hz, source.n_frames / facts["rate_hz"])
    require_room(4 * n_frames * screen.shape_px[0] * screen.shape_px[1], f"'{path}' on a screen", WHAT)
    seen = frame_at(facts["rate_hz"], source.n_frames, np.arange(n_frames) / screen.rate_hz)
    picture_of = source.shown()[seen]
    frames = np.empty((n_frames, *screen.shape_px), np.float32)
    for number, picture in enumerate(source.pictures(background)):
        first, last = np.searchsorted(picture_of, [number, number + 1])
        if last > first:
            frames[first:last] = placement.place(_luminance(picture, levels)[None], background)
    on_screen = {"deg_per_px": screen.deg_per_px, "rate_hz": screen.rate_hz, "track": {}}
    return Movie(frames, **{**facts, **on_screen})


def _luminance(picture: NDArray[Any], levels: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Luminance of one picture, judged as a movie judges it."""
    return Movie(picture[None], 1.0, levels=levels).luminance()[0]


def _format_of(path: Path, *, writing: bool = False) -> Format:
    ending = ending_of(path)
    known = {name: one for one in FORMATS for name in one.endings if one.write is not None or not writing}
    if ending not in known:
        raise FileError(f"'{path}' ends in '{ending}', which is no movie format", remedy=nearest(ending, known))
    return known[ending]
