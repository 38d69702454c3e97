"""Sequences of recordings and mappings of movies that read samples and pictures only when asked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar, overload

import numpy as np
import pandas as pd

from stcnn.data.recordings import EVEN_WITHIN, TABLE_COLUMNS, Recording, RecordingInfo, Samples
from stcnn.errors import DataError
from stcnn.movie import Movie, is_read_later

V = TypeVar("V")


class _Lazy(Sequence[Recording]):
    """A sequence of recordings whose slices are read when their items are."""

    @overload
    def __getitem__(self, index: int) -> Recording: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Recording]: ...
    def __getitem__(self, index: int | slice) -> Recording | Sequence[Recording]:
        if isinstance(index, slice):
            return SelectedRecordings(self, range(len(self))[index])
        return self.read(range(len(self))[index])

    def read(self, index: int) -> Recording:
        """The recording at this place, from 0."""
        raise NotImplementedError


class SelectedRecordings(_Lazy):
    """Some recordings of a larger sequence, looked up when asked for."""

    def __init__(self, recordings: Sequence[Recording], indices: Sequence[int]) -> None:
        self.recordings = recordings
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> Recording:
        """The recording at this place of the selection."""
        return self.recordings[self.indices[index]]


class RecordingsOnDemand(_Lazy):
    """Recordings described by a table, whose samples are loaded when asked for.

    Args:
        table: one row per recording, see :data:`stcnn.data.recordings.TABLE_COLUMNS`.
        load: number of a recording to its samples; must survive pickling for use in worker processes.
    """

    def __init__(self, table: pd.DataFrame, load: Callable[[int], Samples]) -> None:
        self.table = table
        self.load = load

    def __len__(self) -> int:
        return len(self.table)

    def read(self, index: int) -> Recording:
        """The recording in this row of the table."""
        return RecordingInfo(*self.rows[index]).recording(*self.load(index))

    @cached_property
    def rows(self) -> list[tuple[Any, ...]]:
        """The table as plain values, from which a recording is made a hundred times faster."""
        return list(zip(*(self.table[column].tolist() for column in TABLE_COLUMNS), strict=True))


class ByName(Mapping[str, V]):
    """Values under names that are known before any value is read; asking whether a name is there reads none."""

    names: Mapping[str, Any]
    """Name to what the value is found by, in order."""

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names


class MoviesOnDemand(ByName[Movie]):
    """Movies that are loaded when asked for; those used last stay in memory.

    Args:
        names: names of the movies, in order.
        load: name to movie; must survive pickling for use in worker processes.
        keep_bytes: how much to keep, in each process.
        notes: sentences about what was applied or chosen when their files were read.
    """

    def __init__(
        self,
        names: Iterable[str],
        load: Callable[[str], Movie],
        keep_bytes: float = 100e6,
        notes: Iterable[str] = (),
    ) -> None:
        self.names = dict.fromkeys(names)
        self.load = load
        self.keep_bytes = keep_bytes
        self.notes = tuple(dict.fromkeys(notes))
        self.recent: OrderedDict[str, Movie] = OrderedDict()

    def __getitem__(self, name: str) -> Movie:
        if name not in self.names:
            raise KeyError(name)
        movie = self.recent.pop(name) if name in self.recent else self.load(name)
        self.recent[name] = movie
        while len(self.recent) > 1 and sum(map(_held_bytes, self.recent.values())) > self.keep_bytes:
            self.recent.popitem(last=False)
        return movie

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"recent": OrderedDict()}


def _held_bytes(movie: Movie) -> int:
    return 0 if is_read_later(movie.frames) else movie.frames.nbytes


class JoinedRecordings(_Lazy):
    """Several sequences of recordings, one after the other."""

    def __init__(self, parts: Sequence[Sequence[Recording]]) -> None:
        self.parts = parts
        self.first = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        return int(self.first[-1])

    def read(self, index: int) -> Recording:
        """The recording at this place of the whole."""
        part = int(np.searchsorted(self.first, index, side="right")) - 1
        return self.parts[part][index - int(self.first[part])]


class JoinedMovies(ByName[V]):
    """Movies, or what else is kept by their names, of several mappings; the first that has a name gives the value."""

    def __init__(self, parts: Sequence[Mapping[str, V]]) -> None:
        self.names = {name: part for part in reversed(parts) for name in part}
        self.notes = tuple(dict.fromkeys(note for part in parts for note in getattr(part, "notes", ())))

    def __getitem__(self, name: str) -> V:
        return self.names[name][name]


class NamedMovies(ByName[V]):
    """Movies, or what else is kept by their names, under names with a prefix.

    Args:
        values: under their own names.
        prefix: that stands before each.
    """

    def __init__(self, values: Mapping[str, V], prefix: str) -> None:
        self.values_ = values
        self.names = {prefix + name: name for name in values}

    def __getitem__(self, name: str) -> V:
        return self.values_[self.names[name]]


class NamedRecordings(_Lazy):
    """Recordings with a prefix before the names of their cell types and movies.

    Args:
        recordings: under their own names.
        prefix: that stands before each.
    """

    def __init__(self, recordings: Sequence[Recording], prefix: str) -> None:
        self.recordings = recordings
        self.prefix = prefix

    def __len__(self) -> int:
        return len(self.recordings)

    def read(self, index: int) -> Recording:
        """The recording at this place, renamed."""
        one = self.recordings[index]
        return replace(one, cell_type=self.prefix + one.cell_type, stimulus=self.prefix + one.stimulus)


class AveragedTrials(_Lazy):
    """Recordings whose trials are averaged when they are read.

    Args:
        recordings: single trials.
        trials: for each average, the places of its trials.
    """

    def __init__(self, recordings: Sequence[Recording], trials: Sequence[Sequence[int]]) -> None:
        self.recordings = recordings
        self.trials = trials

    def __len__(self) -> int:
        return len(self.trials)

    def read(self, index: int) -> Recording:
        """The mean of the trials at this place."""
        single = [self.recordings[i] for i in self.trials[index]]
        numbers = tuple(number for recording in single for number in recording.trials)
        repeats = np.stack([r.trace for r in single])
        return replace(single[0], trace=repeats.mean(0), trials=numbers, repeats=repeats if len(repeats) > 1 else None)


AVERAGED_BY = ("cell_type", "neuron", "animal", "session", "stimulus", "azi_shift_px", "ele_shift_px", "rate_hz")
"""Trials are averaged where all of these agree."""


def sampled_apart(table: pd.DataFrame) -> tuple[str, str, str] | None:
    """Cell type, neuron and stimulus of the first trials that were not sampled at the same times; None without any."""
    groups = table.groupby(list(AVERAGED_BY), sort=False, dropna=False)
    jitter = (groups.start_s.max() - groups.start_s.min()) * groups.rate_hz.max()
    unequal = (groups.n_samples.nunique() > 1) | (jitter > EVEN_WITHIN) | ~groups.even.min()
    unequal &= groups.size() > 1
    if not unequal.any():
        return None
    cell_type, neuron, _, _, stimulus, *_ = unequal.index[int(unequal.to_numpy().argmax())]
    return str(cell_type), str(neuron), str(stimulus)


def averaged(recordings: Sequence[Recording], table: pd.DataFrame) -> tuple[Sequence[Recording], pd.DataFrame]:
    """Average the trials of each neuron and stimulus.

    Raises:
        DataError: trials of one neuron and stimulus were not sampled at the same times.
    """
    if (apart := sampled_apart(table)) is not None:
        cell_type, neuron, stimulus = apart
        raise DataError(
            f"trials of neuron '{neuron}' ({cell_type}, stimulus '{stimulus}') were not sampled at the same times",
            expected="trials that can be averaged sample by sample",
            remedy="set average_trials to false and train on single trials",
        )
    groups = table.groupby(list(AVERAGED_BY), sort=False, dropna=False)
    places = np.split(
        np.argsort(number := groups.ngroup().to_numpy(), kind="stable"), np.bincount(number).cumsum()[:-1]
    )
    first = table.iloc[[group[0] for group in places]].reset_index(drop=True)
    for column in {"trials", "prints"} & set(table.columns):
        each = table[column].to_list()
        first[column] = [tuple(n for i in group for n in each[i]) for group in places]
    return AveragedTrials(recordings, [group.tolist() for group in places]), first
