"""The movies of an import: files or stimulus generators by name, loaded when asked for, with their units checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stcnn.data.on_demand import MoviesOnDemand
from stcnn.errors import DataError, FileError, nearest
from stcnn.movie import Movie

MakeMovie = Callable[[Mapping[str, Any]], Movie]
"""Makes a movie from a specification: ``file`` and what it does not say, or ``kind`` and the arguments of a generator.

The layer above hands it in, because reading movie files and drawing stimuli belong to ``stcnn.stimuli``."""


@dataclass(frozen=True)
class MovieInfo:
    """Facts of a movie that planning needs, without its frames."""

    n_frames: int
    rate_hz: float
    shape_px: tuple[int, int]
    deg_per_px: float
    onset_s: float = 0.0
    notes: tuple[str, ...] = ()
    """Sentences about what was applied or chosen when it was read."""

    @classmethod
    def of(cls, movie: Movie) -> MovieInfo:
        """The facts of a movie in memory."""
        return cls(movie.n_frames, movie.rate_hz, movie.shape_px, movie.deg_per_px, movie.onset_s, movie.notes)

    @property
    def end_s(self) -> float:
        """Time from stimulus onset to the end of the movie."""
        return self.n_frames / self.rate_hz - self.onset_s


@dataclass(frozen=True)
class _FromSpecs:
    """Makes the movie of a name from its specification; survives pickling as long as ``make`` does."""

    specs: Mapping[str, Mapping[str, Any]]
    make: MakeMovie

    def __call__(self, name: str) -> Movie:
        return self.make(self.specs[name])


def movies_from_specs(
    specs: Mapping[str, Mapping[str, Any]], make: MakeMovie, wanted: Iterable[str]
) -> tuple[MoviesOnDemand, dict[str, MovieInfo]]:
    """Movies by name, and the facts of each; one movie at a time is in memory, and their notes are kept with them.

    Args:
        specs: name of each stimulus to what its movie is made from.
        make: see :data:`MakeMovie`.
        wanted: the stimuli that were shown.

    Raises:
        DataError: a stimulus has no specification.
        StcnnError: a movie cannot be made.
    """
    used = list(dict.fromkeys(wanted))
    for name in used:
        if name not in specs:
            raise DataError(f"stimulus '{name}' has no movie", remedy=f"name its file or kind; {nearest(name, specs)}")
    movies = MoviesOnDemand(used, _FromSpecs({name: dict(specs[name]) for name in used}, make))
    infos = {name: MovieInfo.of(movies[name]) for name in used}
    movies.notes = tuple(dict.fromkeys(note for info in infos.values() for note in info.notes))
    return movies, infos


def specs_in_folder(folder: Path, units: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A specification for every file of a folder, named by its stem.

    Raises:
        FileError: the folder is missing or empty.
    """
    files = sorted(f for f in folder.glob("*") if f.is_file()) if folder.is_dir() else []
    if not files:
        raise FileError(f"{folder} holds no movie", expected="a folder of movie files", remedy="correct the path")
    return {file.stem: {"file": file, **units} for file in files}
