"""Data sets as the rest of the program knows them: movies, recordings made while they were shown, and batches of both.

Axes: B clips, T frames, Y rows, X columns, R recordings. A *presentation* is a movie shown at one place, that is
with one shift; everything recorded to it can share one pass through the network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.cell_type_names import by_cell_type, cell_type_name
from stcnn.data.on_demand import JoinedMovies, JoinedRecordings, SelectedRecordings, averaged, sampled_apart
from stcnn.data.recordings import (
    OPTIONAL_COLUMNS,
    TABLE_COLUMNS,
    Recording,
    neurons_of,
    optional_column,
    prints_of,
    recording_table,
)
from stcnn.errors import DataError, ShapeError, nearest
from stcnn.movie import Movie, require_one_screen


def _nothing() -> None:
    """Check nothing: data in memory do not change."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Movies and the recordings made while they were shown; build one with :meth:`of`.

    Args:
        movies: name to movie; every movie is held once, in 8-bit codes where that is exact.
        recordings: the recordings, in their lasting order.
        table: one row per recording, see :data:`stcnn.data.recordings.TABLE_COLUMNS`.
        neurons: cell type to identifiers of its neurons; the place in the list is the neuron's index.
        shape_px: rows and columns of the movies.
        deg_per_px: degrees of visual angle per pixel.
        known_hash: content hash where it is known without reading everything.
        known_prints: fingerprints (:func:`stcnn.data.splitting.duplicates.fingerprint`) of movies where they are known.
        require_unchanged: raises a FileError if what is opened on demand was changed on the disk since it was written.
        notes: sentences about choices that an import made and about what it left out; no part of the content hash.
    """

    movies: Mapping[str, Movie]
    recordings: Sequence[Recording]
    table: pd.DataFrame
    neurons: Mapping[str, Sequence[str]]
    shape_px: tuple[int, int]
    deg_per_px: float
    known_hash: str | None = None
    known_prints: Mapping[str, NDArray[np.uint64]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    require_unchanged: Callable[[], None] = _nothing

    def __repr__(self) -> str:
        types = ", ".join(f"{name} ({len(neurons)})" for name, neurons in self.neurons.items())
        counts = f"{len(self.table)} recordings of {sum(map(len, self.neurons.values()))} neurons"
        return f"Dataset({counts}, {len(self.movies)} movies; neurons by cell type: {types})"

    @classmethod
    def of(
        cls,
        movies: Mapping[str, Movie],
        recordings: Sequence[Recording],
        neurons: Mapping[str, Sequence[str]] | None = None,
    ) -> Dataset:
        """Make a data set from movies and recordings in memory.

        Args:
            movies: name to movie.
            recordings: recordings of these movies.
            neurons: cell type to neurons in index order; by default in the order in which they appear.

        Raises:
            DataError: there is no recording, or one names a movie that is not there.
            ShapeError: the movies differ in size or resolution.
        """
        if not recordings:
            raise DataError("the data set holds no recording", expected="at least one")
        for stimulus in dict.fromkeys(r.stimulus for r in recordings):
            if stimulus not in movies:
                raise DataError(
                    f"recordings of stimulus '{stimulus}' have no movie of that name",
                    remedy=f"add the movie or correct the name; {nearest(stimulus, movies)}",
                )
        shape_px, deg_per_px = require_one_screen(movies)
        recordings = [_named_in_lower_case(recording) for recording in recordings]
        neurons = neurons and by_cell_type(neurons)
        table = recording_table(recordings, {name: float(movie.rate_hz) for name, movie in movies.items()})
        return cls(movies, recordings, table, neurons or neurons_of(table), shape_px, deg_per_px)

    @property
    def cell_types(self) -> tuple[str, ...]:
        """Names of the cell types; the place in the tuple is the type's index."""
        return tuple(self.neurons)

    @property
    def rate_hz(self) -> float:
        """Frames per second of the movies; of the fastest where they differ."""
        return float(self.table.movie_rate_hz.max())

    def __len__(self) -> int:
        return len(self.recordings)

    def trace_prints(self) -> list[tuple[int, ...]]:
        """The :func:`~stcnn.data.recordings.trace_print` of each trial of each recording, ``R`` tuples.

        Traces are read only where they never were before, as in recordings that are being imported.
        """
        if "prints" in self.table:
            return self.table.prints.to_list()
        return [prints_of(recording) for recording in self.recordings]

    def subset(self, indices: Sequence[int]) -> Dataset:
        """The data set with only these recordings; movies, neurons and their indices stay as they are."""
        chosen = [int(i) for i in indices]
        table = self.table.iloc[chosen].reset_index(drop=True)
        known = self.known_hash and hashlib.sha256(repr((self.known_hash, chosen)).encode()).hexdigest()
        return replace(self, recordings=SelectedRecordings(self.recordings, chosen), table=table, known_hash=known)

    def content_hash(self) -> str:
        """SHA-256 of everything in the data set, in hexadecimal; data opened from the same source have the same.

        Raises:
            FileError: the data were changed on the disk since they were written.
        """
        self.require_unchanged()
        if self.known_hash:
            return self.known_hash
        digest = ContentDigest(self)
        for name in sorted(self.movies):
            digest.add_movie(name, self.movies[name])
        for index, recording in enumerate(self.recordings):
            digest.add_recording(index, recording.trace)
        return digest.hexdigest()


def _named_in_lower_case(recording: Recording) -> Recording:
    name = cell_type_name(recording.cell_type)
    return recording if name == recording.cell_type else replace(recording, cell_type=name)


def select(data: Dataset, cell_types: tuple[str, ...] | None = None, *, average_trials: bool | None) -> Dataset:
    """The recordings of some cell types, in their order, with trials averaged or single.

    Args:
        data: single trials.
        cell_types: names in their new order, in any case; None takes all.
        average_trials: None averages where all trials of a neuron and stimulus were sampled at the same times.

    Raises:
        DataError: a cell type is not there or named twice, or trials to be averaged were sampled at different times.
    """
    wanted = tuple(map(cell_type_name, cell_types)) if cell_types else data.cell_types
    if len(set(wanted)) < len(wanted):
        raise DataError(f"of the cell types {', '.join(cell_types or ())} one stands twice", expected="each once")
    for name in wanted:
        if name not in data.neurons:
            raise DataError(f"the data set has no cell type '{name}'", remedy=nearest(name, data.neurons))
    if cell_types:
        data = data.subset([int(i) for t in wanted for i in np.flatnonzero(data.table.cell_type == t)])
    if average_trials is None:
        average_trials = sampled_apart(data.table) is None
    recordings, table = averaged(data.recordings, data.table) if average_trials else (data.recordings, data.table)
    known = hashlib.sha256(f"{data.known_hash or data.content_hash()} {wanted} {average_trials}".encode()).hexdigest()
    neurons = {t: data.neurons[t] for t in wanted}
    return replace(data, recordings=recordings, table=table, neurons=neurons, known_hash=known)


def canonical_order(data: Dataset) -> Dataset:
    """The same recordings by cell type, animal, session, neuron, stimulus and trial, whatever order they came in.

    Neurons are numbered anew, so that data brought in by different ways are the same to the last index.
    """
    keys = data.table.assign(trial=[trials[0] for trials in data.table.trials])
    by = ["cell_type", "animal", "session", "neuron", "stimulus", "trial"]
    ordered = data.subset(keys.sort_values(by, kind="stable").index.tolist())
    return replace(ordered, neurons=neurons_of(ordered.table))


def concatenate(parts: Sequence[Dataset]) -> Dataset:
    """Several data sets as one, such as the sessions of an experiment; nothing is read.

    Raises:
        ShapeError: their movies differ in size or resolution.
        DataError: two of them have different movies under one name.
    """
    first, *others = parts
    for part in others:
        if (part.shape_px, part.deg_per_px) != (first.shape_px, first.deg_per_px):
            raise ShapeError(
                f"movies of {part.shape_px} px of {part.deg_per_px:g} deg and {first.shape_px} px of "
                f"{first.deg_per_px:g} deg are to be joined",
                expected="movies of one size and resolution",
            )
    table = pd.concat([part.table for part in parts], ignore_index=True)
    table = table.assign(**{name: optional_column(table, name) for name in OPTIONAL_COLUMNS if name in table})
    rates = table.groupby("stimulus").movie_rate_hz.nunique()
    if rates.max() > 1:
        raise DataError(f"stimulus '{rates.idxmax()}' has movies of different rates", expected="one movie per name")
    recordings = JoinedRecordings([part.recordings for part in parts])
    movies = JoinedMovies([part.movies for part in parts])
    whole = Dataset(movies, recordings, table, neurons_of(table), first.shape_px, first.deg_per_px)
    whole = replace(whole, require_unchanged=EachUnchanged(tuple(part.require_unchanged for part in parts)))
    return with_notes(whole, *(note for part in parts for note in part.notes))


@dataclass(frozen=True)
class EachUnchanged:
    """Checks the parts of joined data one after the other."""

    parts: tuple[Callable[[], None], ...]

    def __call__(self) -> None:
        """Raise what a part raises."""
        for part in self.parts:
            part()


def with_notes(data: Dataset, *notes: str) -> Dataset:
    """The same data with these sentences added to its notes, each once."""
    return replace(data, notes=tuple(dict.fromkeys((*data.notes, *notes))))


class ContentDigest:
    """SHA-256 of a data set that is fed one piece at a time: the movies by name, then the recordings in order."""

    def __init__(self, data: Dataset) -> None:
        self.rows = data.table[list(TABLE_COLUMNS)].itertuples(index=False)
        neurons = {t: list(uids) for t, uids in data.neurons.items()}
        self.sha = hashlib.sha256(repr((neurons, data.deg_per_px)).encode())

    def add_movie(self, name: str, movie: Movie) -> None:
        """Add a movie and its units."""
        units = (name, movie.frames.shape, float(movie.rate_hz), float(movie.background), float(movie.onset_s))
        self.sha.update(repr(units).encode())
        self.sha.update(np.ascontiguousarray(movie.frames).data)
        self.sha.update(b"" if movie.levels is None else movie.levels.tobytes())

    def add_recording(self, index: int, trace: NDArray[np.float32]) -> None:
        """Add the samples of the next recording and its row of the table."""
        self.sha.update(f"{index} {' '.join(map(str, next(self.rows)))}".encode())
        self.sha.update(np.asarray(trace, np.float32).tobytes())

    def hexdigest(self) -> str:
        """The digest of everything added."""
        return self.sha.hexdigest()
