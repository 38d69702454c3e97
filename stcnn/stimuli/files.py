"""Movies in and out of files.

====== ======================== ==========================================================================
ending luminance                what the file says of the movie
====== ======================== ==========================================================================
npz    exact                    everything: rate, degrees per pixel, background, onset, parameters, track
npy    exact                    nothing
mp4    8 bits, without loss     rate; and if written here: degrees per pixel, background, onset, parameters
tif    8 bits                   nothing; and if written here: all but the track
gif    8 bits                   nothing (it may play slower than the movie)
pat    16 or 2 levels           nothing (pattern of a G4 LED arena, see :mod:`stcnn.stimuli.arena`)
====== ======================== ==========================================================================

Other videos (avi, mov, mkv, webm) are read, not written. What a file does not say must be said by who reads it.
In files with grey levels the one nearest to the background counts as the background, so that grey stays exactly grey.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import DataError, FileError, nearest
from stcnn.movie import Movie
from stcnn.stimuli.arena import Pattern, decode_pattern, encode_pattern
from stcnn.stimuli.resample import Placement, at_rate
from stcnn.stimuli.screen import Screen
from stcnn.stimuli.video import decode_video, describe_video, encode_video
from stcnn.writing import whole_file

Format = TypeVar("Format")

_FACTS = ("rate_hz", "deg_per_px", "background")
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, what ffmpeg uses too


def write_movie(movie: Movie, path: str | Path) -> Path:
    """Write a movie; the ending of the path says in which format (see the module).

    Returns:
        The path. The file appears whole or not at all.

    Raises:
        FileError: the ending is unknown, or the folder cannot be written to.
        ShapeError: the movie does not fit the panels of an arena (.pat).
    """
    path = Path(path)
    write = _by_ending(_WRITERS, path)
    with whole_file(path) as draft:
        write(movie, draft)
    return path


def read_movie(
    path: str | Path,
    *,
    rate_hz: float | None = None,
    deg_per_px: float | None = None,
    background: float | None = None,
    screen: Screen | None = None,
) -> Movie:
    """Read a movie; what is given counts more than what the file says.

    Args:
        path: of the file.
        rate_hz: frames per second.
        deg_per_px: degrees of visual angle per pixel of the file.
        background: luminance 0..1 of the grey around the movie.
        screen: show it on this screen, frame by frame, so that a large video needs little memory;
            see :func:`~stcnn.stimuli.resample.on_screen`.

    Raises:
        FileError: there is no such file, its ending is unknown, or it cannot be read.
        DataError: the file does not say its rate, degrees per pixel or background, and neither does the caller.
        ShapeError: the file holds no movie of luminances.
    """
    path = Path(path)
    read = _by_ending(_READERS, path)
    if not path.is_file():
        raise FileError(f"there is no file '{path}'", remedy="check the path")
    try:
        source = read(path)
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, FileError) as error:
        if isinstance(error, FileError) and str(path) in error.found:
            raise
        raise FileError(f"'{path}' cannot be read ({str(error).rstrip('.')})") from None
    said = {"rate_hz": rate_hz, "deg_per_px": deg_per_px, "background": background}
    facts = {**source.facts, **{name: value for name, value in said.items() if value is not None}}
    missing = [name for name in _FACTS if name not in facts]
    if missing:
        raise DataError(f"'{path}' does not say its {' and '.join(missing)}", remedy=f"give {' and '.join(missing)}")
    if screen is not None:
        return _shown(source, facts, screen)
    return _movie(np.stack(list(source.frames)), source, facts)


class _Source(NamedTuple):
    """What a file holds.

    Args:
        frames: one by one.
        facts: what it says of the movie.
        levels: luminance of each code; by default codes count ``steps`` equal steps from black to white.
        steps: see ``levels``.
    """

    frames: Iterable[NDArray[Any]]
    facts: Mapping[str, Any]
    levels: NDArray[np.float32] | None = None
    steps: int = 256

    def levels_for(self, background: float) -> NDArray[np.floating]:
        """Luminance of each code; among many, the one nearest to the background is the background."""
        if self.levels is not None:
            return self.levels
        levels = np.arange(self.steps) / (self.steps - 1)
        if self.steps > 2:
            levels[np.abs(levels - background).argmin()] = background
        return levels


def _movie(frames: NDArray[Any], source: _Source, facts: Mapping[str, Any]) -> Movie:
    """A movie of frames as files hold them: grey or colour, 8 or 16 bits, or luminance 0..1."""
    if frames.ndim == 4 and frames.shape[-1] in (3, 4):
        luma = frames[..., :3] @ _LUMA
        frames = luma.round().astype(frames.dtype) if frames.dtype.kind == "u" else luma
    if frames.dtype == np.uint16:
        frames = frames / np.float32(65535)
    levels = source.levels_for(facts["background"]) if frames.dtype == np.uint8 else None
    return Movie(frames, levels=levels, **facts)


def _shown(source: _Source, facts: Mapping[str, Any], screen: Screen) -> Movie:
    """The movie on a screen, placed there frame by frame."""
    frames, placement = [], None
    for picture in source.frames:
        still = _movie(np.asarray(picture)[None], source, {**facts, "track": {}})
        placement = placement or Placement(still.shape_px, still.deg_per_px, screen)
        frames.append(placement.place(still.luminance(), still.background)[0])
    return at_rate(Movie(np.stack(frames), **{**facts, "deg_per_px": screen.deg_per_px}), screen.rate_hz)


def _facts(movie: Movie) -> str:
    """What a file can hold of a movie besides its frames, as JSON."""
    facts = {name: getattr(movie, name) for name in (*_FACTS, "onset_s")}
    return json.dumps({"stcnn": {**facts, "parameters": dict(movie.parameters)}}, default=str)


def _facts_of(note: str | None) -> dict[str, Any]:
    """The facts in a note of :func:`_facts`; none if somebody else wrote it."""
    try:
        content = json.loads(note or "")
    except ValueError:
        return {}
    facts = content.get("stcnn") if isinstance(content, dict) else None
    known = (*_FACTS, "onset_s", "parameters")
    return {name: facts[name] for name in known if name in facts} if isinstance(facts, dict) else {}


def _grey(movie: Movie) -> NDArray[np.uint8]:
    return np.round(movie.luminance() * 255).astype(np.uint8)


def _write_npz(movie: Movie, path: Path) -> None:
    arrays = {f"track_{name}": values for name, values in movie.track.items()}
    if movie.levels is not None:
        arrays["levels"] = movie.levels
    np.savez_compressed(path, allow_pickle=False, frames=movie.frames, facts=np.array(_facts(movie)), **arrays)


def _read_npz(path: Path) -> _Source:
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        facts = _facts_of(str(file["facts"])) if "facts" in file else {}
        facts["track"] = {name.removeprefix("track_"): file[name] for name in file if name.startswith("track_")}
        return _Source(file["frames"], facts, file.get("levels"))


def _write_tiff(movie: Movie, path: Path) -> None:
    _tifffile().imwrite(path, _grey(movie), photometric="minisblack", description=_facts(movie), metadata=None)


def _read_tiff(path: Path) -> _Source:
    tifffile = _tifffile()
    try:
        with tifffile.TiffFile(path) as file:
            return _Source(file.asarray(), _facts_of(file.pages[0].description))
    except tifffile.TiffFileError as error:
        raise FileError(str(error)) from None


def _tifffile() -> ModuleType:
    try:
        import tifffile
    except ImportError:
        raise FileError("TIFF needs the package 'tifffile'", remedy="install it with: pip install tifffile") from None
    return tifffile


def _read_video(path: Path) -> _Source:
    rate_hz, note = describe_video(path)
    facts = {} if path.suffix.lower() == ".gif" else {"rate_hz": rate_hz, **_facts_of(note)}
    return _Source(decode_video(path, rate_hz), facts)


def _write_pattern(movie: Movie, path: Path) -> None:
    luminance = movie.luminance()
    n_levels = 2 if np.isin(luminance, (0, 1)).all() else 16
    codes = np.round(luminance * (n_levels - 1)).astype(np.uint8)
    path.write_bytes(encode_pattern(Pattern(codes, n_levels)))


def _read_pattern(path: Path) -> _Source:
    codes, n_levels = decode_pattern(path.read_bytes())
    return _Source(codes, {}, steps=n_levels)


_WRITERS: dict[str, Callable[[Movie, Path], None]] = {
    ".npz": _write_npz,
    ".npy": lambda movie, path: np.save(path, movie.luminance(), allow_pickle=False),
    ".mp4": lambda movie, path: encode_video(path, _grey(movie), movie.rate_hz, _facts(movie)),
    ".gif": lambda movie, path: encode_video(path, _grey(movie), movie.rate_hz, _facts(movie)),
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".pat": _write_pattern,
}
_READERS: dict[str, Callable[[Path], _Source]] = {
    ".npz": _read_npz,
    ".npy": lambda path: _Source(np.load(path, allow_pickle=False), {}),
    **dict.fromkeys((".mp4", ".gif", ".avi", ".mov", ".mkv", ".webm"), _read_video),
    ".tif": _read_tiff,
    ".tiff": _read_tiff,
    ".pat": _read_pattern,
}


def _by_ending(formats: Mapping[str, Format], path: Path) -> Format:
    ending = path.suffix.lower()
    if ending not in formats:
        raise FileError(f"'{path}' ends in '{ending}', which is no movie format", remedy=nearest(ending, formats))
    return formats[ending]
