"""The movies of an NWB file: ImageSeries and OpticalSeries in it or in files beside it, and sequences of pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stcnn.data.importers.movies import MakeMovie, MovieInfo
from stcnn.data.importers.nwb.index import Sequence
from stcnn.data.importers.nwb.keys import NwbConfig
from stcnn.data.importers.nwb.pictures import Pictures, deg_per_px_of, pictures_of_series
from stcnn.data.importers.nwb.series import note_of, require_clock, times_of
from stcnn.data.importers.nwb.tree import Node, child, factor, kind_of, name_of, numbers, opened, texts, walk
from stcnn.errors import DataError, RateError, ShapeError
from stcnn.frame_clock import EvenClock, held_at
from stcnn.movie import Movie
from stcnn.reading import require_room

MOVIE_TYPES = ("OpticalSeries", "ImageSeries")
FOLDERS = ("stimulus/templates", "stimulus/presentation")
WHERE_TO_SAY = {
    "rate_hz": "name the movie in stimuli with its file and rate_hz",
    "deg_per_px": "set deg_per_px",
    "background": "set background",
}


@dataclass(frozen=True, eq=False)
class StoredMovie:
    """A movie whose pictures lie in the NWB file.

    Args:
        file: the NWB file.
        pictures: where they lie.
        frame: number of the picture shown in each frame, int64 ``(T,)``.
        info: the facts of the movie.
        background: luminance of grey.
    """

    file: Path
    pictures: Pictures
    frame: NDArray[np.int64]
    info: MovieInfo
    background: float

    def read(self) -> Movie:
        """Read the frames.

        Raises:
            ShapeError, DataError: they are no luminances.
        """
        with opened(self.file) as root:
            frames = self.pictures.read(root, self.frame)
        info = self.info
        try:
            return Movie.from_luminance(
                *(frames, info.rate_hz), deg_per_px=info.deg_per_px, background=self.background, onset_s=info.onset_s
            )
        except ShapeError as error:
            raise ShapeError(
                f"'{self.pictures.paths[0]}' of {self.file}: {error.found}",
                expected=error.expected,
                remedy="set movie_white to the stored value that is white",
            ) from None


@dataclass(frozen=True, eq=False)
class ExternalMovie:
    """A movie in one or several files beside the NWB file.

    Args:
        where: the NWB file and the series.
        files: in their order.
        starting_frame: number of the first frame of each in the whole, where it is said.
        units: what the NWB file says: ``rate_hz``, ``deg_per_px``, ``background``.
        count: number of all frames, where it is said.
        times_s: when each frame appeared, where it is said.
    """

    where: str
    files: tuple[Path, ...]
    starting_frame: tuple[int, ...] | None
    units: Mapping[str, float]
    count: int | None
    times_s: NDArray[np.float64] | None

    def read(self, make: MakeMovie) -> Movie:
        """Read the files and put them one after the other, on the clock of the NWB file.

        Raises:
            StcnnError: a file is missing or no movie, or frames are not as many as the NWB file says.
        """
        frame_by_frame = (
            {"clock": "even"} if "rate_hz" in self.units else {}
        )  # this clock counts, not that of the files
        movies = [make({"file": file, **self.units, **frame_by_frame}) for file in self.files]
        first_frames = np.cumsum([0, *(movie.n_frames for movie in movies)]).tolist()
        if self.starting_frame is not None and list(self.starting_frame) != first_frames[:-1]:
            raise DataError(
                f"{self.where} says that its files begin with the frames {', '.join(map(str, self.starting_frame))}, "
                f"but they have {', '.join(str(movie.n_frames) for movie in movies)} frames",
                expected=f"the frames {', '.join(map(str, first_frames[:-1]))}",
                remedy="look whether a file is cut short or missing",
            )
        if self.count is not None and self.count != first_frames[-1]:
            raise DataError(
                f"{self.where} has {self.count} frames, but its files {first_frames[-1]}",
                expected="as many",
                remedy="look whether a file is cut short or missing",
            )
        movie = _one_after_the_other(movies, self.where)
        if self.times_s is None:
            return movie
        clock = held_at(self.times_s, what=self.where)
        return replace(movie, frames=movie.frames[clock.frame], rate_hz=clock.rate_hz)


def _one_after_the_other(movies: list[Movie], where: str) -> Movie:
    first, *others = movies
    for movie in others:
        if (movie.shape_px, movie.deg_per_px) != (first.shape_px, first.deg_per_px):
            raise ShapeError(
                f"the files of {where} have pictures of {first.shape_px} and {movie.shape_px} pixels",
                expected="one size and resolution",
            )
        if not np.isclose(movie.rate_hz, first.rate_hz, rtol=1e-4):
            raise RateError(
                f"the files of {where} run at {first.rate_hz:g} and {movie.rate_hz:g} Hz", expected="one rate"
            )
    if not others:
        return first
    require_room(4 * sum(movie.frames.size for movie in movies), where)
    luminance = np.concatenate([movie.luminance() for movie in movies])
    notes = tuple(dict.fromkeys(note for movie in movies for note in movie.notes))
    return replace(first, frames=luminance, levels=None, track={}, notes=notes).coded()


FileMovie = StoredMovie | ExternalMovie


def movie_paths(root: Node) -> dict[str, str]:
    """Name of each movie in a file to its path; a presented one counts more than a template of its name."""
    return {
        str(note_of(node).get("name", name_of(path))): path
        for folder in FOLDERS
        for path, node in walk(root, folder)
        if kind_of(node) in MOVIE_TYPES
    }


def movie_at(root: Node, path: str, config: NwbConfig, notes: list[str]) -> FileMovie:
    """The movie of a series.

    Raises:
        DataError: it does not say what is needed, or its axes cannot be known.
        RateError: its clock runs back, or no even clock can show its frames.
    """
    node = root[path]
    note = note_of(node)
    background = note.get("background", config.background)
    data = child(node, "data")
    where = f"movie '{path}' of {config.path}"
    if "external_file" in node and (data is None or 0 in data.shape):
        return _external(node, where, config, {"background": background, "deg_per_px": config.deg_per_px}, notes)
    pictures = pictures_of_series(node, config, ours=bool(note), notes=notes)
    clock = _clock(node, pictures.count, where, note.get("rate_hz"))
    if clock is not None and (sentence := clock.note(f"Movie '{name_of(path)}'")):
        notes.append(f"{sentence}.")
    units: dict[str, float | None] = {
        "rate_hz": clock.rate_hz if clock is not None else None,
        "deg_per_px": deg_per_px_of(node, pictures, note.get("deg_per_px") or config.deg_per_px),
        "background": background,
    }
    require_said(units, f"movie '{note.get('name', name_of(path))}' of {config.path}")
    frame = clock.frame if clock is not None else np.arange(pictures.count)
    rate_hz = float(units["rate_hz"] or 0)
    deg_per_px = float(units["deg_per_px"] or 0)
    info = MovieInfo(len(frame), rate_hz, pictures.shape_px, deg_per_px, float(note.get("onset_s", 0)))
    return StoredMovie(config.path, pictures, frame, info, float(background or 0))


def movie_of_sequence(sequence: Sequence, config: NwbConfig) -> StoredMovie:
    """The movie of pictures that an IndexSeries showed.

    Raises:
        DataError: degrees per pixel or grey are not known.
    """
    shown = sequence.shown
    clock = sequence.clock
    require_said(
        {"deg_per_px": shown.deg_per_px, "background": config.background}, f"movie '{sequence.name}' of {config.path}"
    )
    info = MovieInfo(len(clock.frame), clock.rate_hz, shown.pictures.shape_px, float(shown.deg_per_px or 1))
    return StoredMovie(config.path, shown.pictures, sequence.frame, info, float(config.background or 0))


def require_said(units: Mapping[str, float | None], where: str) -> None:
    """Refuse a movie of which something is not known.

    Raises:
        DataError: a value is None.
    """
    missing = [unit for unit, value in units.items() if value is None]
    if missing:
        raise DataError(
            f"{where} does not say its {' and '.join(missing)}",
            remedy=" and ".join(WHERE_TO_SAY[unit] for unit in missing),
        )


def _clock(node: Node, count: int, where: str, rate_hz: float | None) -> EvenClock | None:
    """The clock of the frames; None where nothing is said of it."""
    if rate_hz is not None:
        return EvenClock(0.0, float(rate_hz), np.arange(count), 0.0, (1 / rate_hz, 1 / rate_hz), even=True)
    start = child(node, "starting_time")
    if child(node, "timestamps") is not None:
        return held_at(times_of(node, count), what=where)
    if start is None or not (rate := factor(start, "rate", 0)) > 0:
        return None
    return EvenClock(0.0, rate, np.arange(count), 0.0, (1 / rate, 1 / rate), even=True)


def _external(
    node: Node, where: str, config: NwbConfig, said: Mapping[str, float | None], notes: list[str]
) -> ExternalMovie:
    files = child(node, "external_file")
    names = texts(files, f"external_file of {where}")
    if not names:
        raise DataError(f"{where} names no file", expected="its external_file")
    starts = files.attrs.get("starting_frame")
    starting_frame = tuple(np.asarray(starts).ravel().astype(int).tolist()) if starts is not None else None
    if starting_frame is not None and len(starting_frame) != len(names):
        if len(names) > 1:
            raise DataError(
                f"{where} has {len(names)} files and {len(starting_frame)} starting frames", expected="as many"
            )
        starting_frame = None
    if starting_frame is None and len(names) > 1:
        notes.append(f"{where} does not say which frames its files begin with: they are put one after the other.")
    count = child(node, "num_samples")
    stamps = child(node, "timestamps")
    times_s = numbers(stamps, f"timestamps of {where}", ndim=1).astype(float) if stamps is not None else None
    units = dict(said)
    if times_s is not None:
        require_clock(times_s, where)
        units["rate_hz"] = held_at(times_s, what=where).rate_hz
    elif (start := child(node, "starting_time")) is not None and (rate_hz := factor(start, "rate", 0)) > 0:
        units["rate_hz"] = rate_hz
    known = int(numbers(count, f"num_samples of {where}").ravel()[0]) if count is not None else None
    return ExternalMovie(
        where,
        tuple(config.path.parent / name for name in names),
        starting_frame,
        {unit: float(value) for unit, value in units.items() if value is not None},
        len(times_s) if times_s is not None else known,
        times_s,
    )


@dataclass(frozen=True)
class LoadMovie:
    """Name to movie, out of the NWB file, files beside it, or specifications; survives pickling."""

    inside: Mapping[str, FileMovie]
    outside: Mapping[str, Movie]
    make: MakeMovie

    def __call__(self, name: str) -> Movie:
        """The movie of a name."""
        movie = self.inside.get(name)
        if movie is None:
            return self.outside[name]
        return movie.read() if isinstance(movie, StoredMovie) else movie.read(self.make)

    def infos(self) -> Iterator[tuple[str, MovieInfo]]:
        """The facts of each movie of the file; those in other files are read."""
        for name, movie in self.inside.items():
            yield name, movie.info if isinstance(movie, StoredMovie) else MovieInfo.of(self(name))
