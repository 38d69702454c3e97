"""Recordings, the table that describes them, and sequences of them that read the samples only when asked."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.errors import DataError
from stcnn.movie import Movie
from stcnn.reading import require_name

Samples = tuple[NDArray[np.float32], NDArray[np.float64]]
"""A trace (T,) and the time of each sample (T,)."""


@dataclass(frozen=True, eq=False)
class Recording:
    """The response of one neuron to one movie: a single trial, or the mean of several.

    Args:
        cell_type: name of the cell type, lower case.
        neuron: identifier of the neuron, unique within its cell type.
        stimulus: name of the movie that was shown.
        trace: dF/F, float32 ``(T,)``.
        time_s: time of each sample, ``(T,)``, zero at stimulus onset.
        rate_hz: nominal samples per second.
        trials: numbers of the trials; more than one means that the trace is their mean.
        shift_px: (azimuth, elevation) shift of the picture in whole pixels; positive azimuth moves it left,
            positive elevation moves it down.
        animal: identifier of the animal (the file stem in the published layout).
        session: identifier of the recording session, empty where not known.
        indicator: name of the calcium indicator, empty where not known.
        exposure_s: time over which the microscope collected each sample, centred on its time stamp; zero for a
            trace that was resampled to instants.
        position_deg: (azimuth, elevation) of the middle of the receptive field, NaN where not known.
        repeats: the trials that were averaged, float32 ``(K, T)``; None where the trace is a single one, or they are
            lost.
    """

    cell_type: str
    neuron: str
    stimulus: str
    trace: NDArray[np.float32]
    time_s: NDArray[np.float64]
    rate_hz: float
    trials: tuple[int, ...] = (0,)
    shift_px: tuple[int, int] = (0, 0)
    animal: str = ""
    session: str = ""
    indicator: str = ""
    exposure_s: float = 0.0
    position_deg: tuple[float, float] = (float("nan"), float("nan"))
    repeats: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for what in ("cell_type", "neuron", "stimulus", "animal", "session"):
            require_name(getattr(self, what), what.replace("_", " "))


TABLE_COLUMNS = (
    *("cell_type", "neuron", "animal", "session", "stimulus", "trials", "azi_shift_px", "ele_shift_px"),
    *("n_samples", "start_s", "end_s", "rate_hz", "exposure_s", "even", "movie_rate_hz"),
    *("azimuth_deg", "elevation_deg", "indicator"),
)
"""Columns of :attr:`Dataset.table`: the fields of a recording, the number of its samples, the times of the first and
the last, whether they are evenly spaced, and the rate of its movie. Where the samples were read once, a column
``prints`` beside them has the :func:`trace_print` of each trial."""

OPTIONAL_COLUMNS: Mapping[str, str | float] = {"plane": "", "channel": "", "onset_s": float("nan")}
"""Columns that a table may have besides, and what stands there where nothing is known: the imaging plane and the
channel that a neuron was recorded in, and when its presentation began on the clock of the imaging session. They tell
people what was imported; nothing is computed from them."""

EVEN_WITHIN = 0.02
"""Samples count as evenly spaced where none is off by more than this share of the interval."""


def recording_table(recordings: Iterable[Recording], movie_rate_hz: Mapping[str, float]) -> pd.DataFrame:
    """One row per recording with everything but the samples: what splits and batches are planned from."""
    recordings = list(recordings)
    rows = [
        [
            *(r.cell_type, r.neuron, r.animal, r.session, r.stimulus, r.trials, *r.shift_px),
            *(len(r.trace), float(r.time_s[0]), float(r.time_s[-1]), float(r.rate_hz), r.exposure_s),
            *(evenly_spaced(r.time_s, r.rate_hz), movie_rate_hz[r.stimulus], *r.position_deg, r.indicator),
        ]
        for r in recordings
    ]
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS)).assign(prints=pd.Series(list(map(prints_of, recordings))))


def optional_column(table: pd.DataFrame, name: str) -> pd.Series:
    """One of :data:`OPTIONAL_COLUMNS`, whether the table has it or not."""
    absent = OPTIONAL_COLUMNS[name]
    return table[name].fillna(absent) if name in table else pd.Series([absent] * len(table), index=table.index)


def prints_of(recording: Recording) -> tuple[int, ...]:
    """The :func:`trace_print` of each trial."""
    return tuple(map(trace_print, [recording.trace] if recording.repeats is None else recording.repeats))


def trace_print(trace: NDArray[np.float32]) -> int:
    """A 64-bit number by which the same samples are found under another name; 0 for a constant trace.

    Two different traces share one by chance in 2^-64 of cases.
    """
    samples = np.ascontiguousarray(trace, np.float32)
    if not len(samples) or (samples == samples[0]).all():
        return 0  # a dead region of interest is no copy of another
    return int.from_bytes(hashlib.sha256(samples.data).digest()[:8], "little")


def evenly_spaced(time_s: NDArray[np.float64], rate_hz: float) -> bool:
    """Whether samples at these times follow a clock of this rate, none of them off or missing."""
    ideal = time_s[0] + np.arange(len(time_s)) / rate_hz
    return bool(np.abs(time_s - ideal).max() * rate_hz <= EVEN_WITHIN)


def neurons_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """Cell type to neurons, both in the order in which they appear."""
    pairs = table[["cell_type", "neuron"]].drop_duplicates()
    return {t: list(pairs.neuron[pairs.cell_type == t]) for t in pairs.cell_type.unique()}


def rows_by(table: pd.DataFrame, *columns: str) -> dict[tuple[str, ...], list[int]]:
    """Numbers of the rows that agree in some columns, by their values as text, in order of first appearance."""
    rows: dict[tuple[str, ...], list[int]] = {}
    for number, key in enumerate(zip(*(table[column].astype(str) for column in columns), strict=True)):
        rows.setdefault(key, []).append(number)
    return rows


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
        self.recordings, self.indices = recordings, indices

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int) -> Recording:
        """The recording at this place of the selection."""
        return self.recordings[self.indices[index]]


class RecordingsOnDemand(_Lazy):
    """Recordings described by a table, whose samples are loaded when asked for.

    Args:
        table: one row per recording, see :data:`TABLE_COLUMNS`.
        load: number of a recording to its samples; must survive pickling for use in worker processes.
    """

    def __init__(self, table: pd.DataFrame, load: Callable[[int], Samples]) -> None:
        self.table, self.load = table, load

    def __len__(self) -> int:
        return len(self.table)

    def read(self, index: int) -> Recording:
        """The recording in this row of the table."""
        cell_type, neuron, animal, session, stimulus, trials, azi_px, ele_px, *rest = self.rows[index]
        _, _, _, rate_hz, exposure_s, _, _, azimuth_deg, elevation_deg, indicator = rest
        trace, time_s = self.load(index)
        return Recording(
            *(cell_type, neuron, stimulus, trace, time_s, rate_hz, trials, (azi_px, ele_px), animal, session),
            *(indicator, exposure_s, (azimuth_deg, elevation_deg)),
        )

    @cached_property
    def rows(self) -> list[tuple[Any, ...]]:
        """The table as plain values, from which a recording is made a hundred times faster."""
        return list(zip(*(self.table[column].tolist() for column in TABLE_COLUMNS), strict=True))


class MoviesOnDemand(Mapping[str, Movie]):
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
        self.names, self.load, self.keep_bytes = dict.fromkeys(names), load, keep_bytes
        self.notes = tuple(dict.fromkeys(notes))
        self.recent: OrderedDict[str, Movie] = OrderedDict()

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Movie:
        if name not in self.names:
            raise KeyError(name)
        movie = self.recent.pop(name) if name in self.recent else self.load(name)
        self.recent[name] = movie
        while len(self.recent) > 1 and sum(m.frames.nbytes for m in self.recent.values()) > self.keep_bytes:
            self.recent.popitem(last=False)
        return movie

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"recent": OrderedDict()}


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


class JoinedMovies(Mapping[str, Movie]):
    """The movies of several mappings; the first that has a name gives the movie."""

    def __init__(self, parts: Sequence[Mapping[str, Movie]]) -> None:
        self.part_of = {name: part for part in reversed(parts) for name in part}
        self.notes = tuple(dict.fromkeys(note for part in parts for note in getattr(part, "notes", ())))

    def __len__(self) -> int:
        return len(self.part_of)

    def __iter__(self) -> Iterator[str]:
        return iter(self.part_of)

    def __getitem__(self, name: str) -> Movie:
        return self.part_of[name][name]


class AveragedTrials(_Lazy):
    """Recordings whose trials are averaged when they are read.

    Args:
        recordings: single trials.
        trials: for each average, the places of its trials.
    """

    def __init__(self, recordings: Sequence[Recording], trials: Sequence[Sequence[int]]) -> None:
        self.recordings, self.trials = recordings, trials

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
