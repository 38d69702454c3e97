"""The recordings in a table of samples or a file of arrays: what describes each, and how its samples are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.importers.kept import Kept
from stcnn.data.importers.names import refuse_misspelt
from stcnn.data.importers.sample_times import require_length
from stcnn.data.importers.tables_config import KEYS, TablesConfig
from stcnn.data.recordings import Samples
from stcnn.errors import DataError, FileError, RateError, ShapeError, nearest
from stcnn.reading import Archive, hdf5_array, numbers, open_hdf5, open_npz, read_csv, read_parquet

UNITS_PER_SECOND = {"s": 1.0, "ms": 1000.0}
ARRAYS = "arrays of traces (trace, time_s, neuron, stimulus ...)"
RECORDED_AGAIN = 1.5
"""Samples by which the trials of a stimulus may start apart, where only the clock tells them apart."""


class Loaded(NamedTuple):
    """A recording as its file has it.

    Args:
        samples: those that are finite, and their times in seconds.
        n_samples: how many there are, finite or not, without those that only fill up its row.
    """

    samples: Samples
    n_samples: int


@dataclass(frozen=True)
class Found:
    """The recordings of a file.

    Args:
        columns: name in the file to a value per recording.
        rows: where each recording stands in the file.
        row: what such a place is called.
        load: number of a recording to its finite samples and their times, in our units, and to how many samples it
            has, finite or not, without those that only fill up its row; survives pickling.
        notes: sentences about choices that were made.
    """

    columns: Mapping[str, Sequence[Any]]
    rows: Sequence[int]
    row: str
    load: Callable[[int], Loaded]
    notes: tuple[str, ...] = ()


def recordings_in(config: TablesConfig) -> Found:
    """Find the recordings of a file by its ending.

    Raises:
        FileError, ShapeError, DataError, RateError: it is missing or damaged, lacks a column, or has an unknown ending.
    """
    suffix = config.path.suffix.lower()
    known = (*KEYS, "trace", "time_s")
    for name in config.columns:
        if name not in known:
            raise DataError(f"columns has the key '{name}'", remedy=nearest(name, known))
    if suffix == ".csv":
        return _in_rows(read_csv(config.path, what="a table of traces (CSV)"), config)
    if suffix == ".parquet":
        return _in_rows(read_parquet(config.path, what="a table of traces (Parquet)"), config)
    if suffix not in (".npz", ".h5", ".hdf5"):
        raise FileError(
            f"{config.path} has the unknown ending '{suffix}'", expected=".csv, .parquet, .npz, .h5 or .hdf5"
        )
    return _in_npz(config) if suffix == ".npz" else _in_hdf5(config)


@dataclass(frozen=True)
class _InMemory:
    """Traces and their times, both one array per recording, in the units of the file."""

    traces: Sequence[NDArray]
    times: Sequence[NDArray]
    config: TablesConfig

    filled_up: bool
    """Whether rows are as long as the longest, and NaN fills up the others."""

    def __call__(self, index: int) -> Loaded:
        trace = self.traces[index]
        samples = _finite(trace, self.times[index], self.config)
        return Loaded(samples, _filled(trace) if self.filled_up else len(trace))


@dataclass(frozen=True)
class _InHdf5:
    """Traces ``(R, T)`` and times ``(T,)`` or ``(R, T)`` that stay in their file."""

    trace: str
    time: str
    config: TablesConfig

    def __call__(self, index: int) -> Loaded:
        with open_hdf5(self.config.path, ARRAYS) as file:
            times = file[self.time]
            trace = file[self.trace][index]
            time = times[:] if times.ndim == 1 else times[index]
        return Loaded(_finite(trace, time, self.config), _filled(trace))


def _n_bytes(loaded: Loaded) -> int:
    return sum(values.nbytes for values in loaded.samples)


def _filled(trace: NDArray) -> int:
    """Number of samples before the NaN that fill up the row of a short trace."""
    known = np.flatnonzero(~np.isnan(trace))
    return int(known[-1]) + 1 if len(known) else len(trace)


def _finite(trace: NDArray, time: NDArray, config: TablesConfig) -> Samples:
    """The finite samples of a recording and their times in seconds.

    Raises:
        RateError: one has no time.
    """
    kept = np.isfinite(trace)
    values = np.asarray(trace, np.float32)[kept]
    time_s = np.asarray(time, np.float64)[kept] / UNITS_PER_SECOND[config.time_unit]
    if not np.isfinite(time_s).all():
        raise RateError(f"{config.path} has a sample whose time stamp is {time_s[~np.isfinite(time_s)][0]}")
    return values * np.float32(0.01) if config.trace_unit == "percent" else values, time_s


def _in_rows(rows: pd.DataFrame, config: TablesConfig) -> Found:
    """The recordings of a table with a row per sample."""
    theirs = {name: config.columns.get(name, name) for name in ("time_s", "trace", "neuron", "stimulus")}
    for ours, name in theirs.items():
        if name not in rows and ours not in config.constants:
            remedy = f"name it in columns; {nearest(name, map(str, rows.columns))}"
            raise DataError(f"{config.path} has no column '{name}'", remedy=remedy)
    named = set(config.columns.values())
    other = rows.drop(columns=[name for name in rows if name in named])
    other.attrs = rows.attrs
    refuse_misspelt(other, [key for key in KEYS if key not in config.columns and key not in config.constants])
    time_s = numbers(rows, theirs["time_s"])
    trace = _samples(rows, theirs["trace"])
    keys = [name for key in KEYS if (name := config.columns.get(key, key)) in rows]
    groups = [np.asarray(places) for places in rows.groupby(keys, sort=False, dropna=False).indices.values()]
    groups.sort(key=lambda places: places[0])
    unused = [str(name) for name in rows if str(name).strip() and name not in (*keys, *theirs.values())]
    notes: tuple[str, ...] = (f"{config.path}: the columns {', '.join(unused)} are not used.",) if unused else ()
    if config.columns.get("trial", "trial") not in rows:
        told = [piece for places in groups for piece in _told_by_clock(time_s, places, rows, config)]
        if len(told) > len(groups):
            notes += (
                f"{config.path}: no column counts trials; {len(told)} recordings of {len(groups)} neurons and stimuli "
                "were told apart by their clocks, which start anew.",
            )
        groups = told
    first = [int(places[0]) for places in groups]
    columns = {name: rows[name].iloc[first].tolist() for name in keys}
    traces = [trace[places] for places in groups]
    load = _InMemory(traces, [time_s[places] for places in groups], config, filled_up=False)
    return Found(columns, rows.index[first].tolist(), "row", load, notes)


def _samples(rows: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """A column of samples, NaN where one is missing or infinite."""
    values = rows[column]
    return values.to_numpy(np.float64) if values.dtype.kind == "f" else numbers(rows, column, allow_missing=True)


def _told_by_clock(
    time_s: NDArray[np.float64], places: NDArray[np.int64], rows: pd.DataFrame, config: TablesConfig
) -> list[NDArray[np.int64]]:
    """The trials of one neuron and stimulus, each from one turn back of the clock to the next.

    Raises:
        RateError: the clock turns back to somewhere else than where it began.
    """
    times = time_s[places]
    turns = np.flatnonzero(np.diff(times) < 0) + 1
    within = RECORDED_AGAIN / config.rate_hz * UNITS_PER_SECOND[config.time_unit]
    for turn in turns:
        if abs(times[turn] - times[0]) > within:
            raise RateError(
                f"{config.path} has the time stamp {times[turn]:g} in row {rows.index[places[turn]]} after "
                f"{times[turn - 1]:g}, and the recording begins at {times[0]:g}",
                expected="ascending time stamps, or a trial that begins where the first one began",
                remedy="sort the rows, or number the trials in a column 'trial'",
            )
    return np.split(places, turns)


def _in_npz(config: TablesConfig) -> Found:
    trace, time = (config.columns.get(name, name) for name in ("trace", "time_s"))
    with open_npz(config.path, ARRAYS) as file:
        _require_arrays(file, (trace, time), config)
        held = {name: file[name] for name in _describing(file, config)}
        traces = file.read(trace, ndim=2)
        require_length(traces.shape[1], config.path)
        times = file.read(time, ndim=(1, 2))
    _require_same_shape(traces.shape, times.shape, config)
    load = _InMemory(list(traces), list(np.broadcast_to(times, traces.shape)), config, filled_up=True)
    return _found(held, load, len(traces), config)


def _in_hdf5(config: TablesConfig) -> Found:
    trace, time = (config.columns.get(name, name) for name in ("trace", "time_s"))
    with open_hdf5(config.path, ARRAYS) as file:
        _require_arrays(file, (trace, time), config)
        held = {name: _decoded(hdf5_array(file, name, kinds="fiubSUO")) for name in _describing(file, config)}
        traces = hdf5_array(file, trace, "traces (recordings, samples)", ndim=2)
        n_recordings = traces.shape[0]
        require_length(traces.shape[1], config.path)
        times = hdf5_array(file, time, "time stamps", ndim=(1, 2))
        _require_same_shape(traces.shape, times.shape, config)
    return _found(held, Kept(_InHdf5(trace, time, config), _n_bytes), n_recordings, config)


def _require_arrays(file: Archive | h5py.File, names: Sequence[str], config: TablesConfig) -> None:
    for name in names:
        if name not in file:
            raise DataError(f"{config.path} has no array '{name}'", remedy=f"name it in columns; {nearest(name, file)}")


def _describing(file: Archive | h5py.File, config: TablesConfig) -> list[str]:
    """Names of the arrays that describe recordings."""
    wanted = [config.columns.get(key, key) for key in KEYS]
    others = pd.DataFrame(columns=[str(name) for name in file if name not in wanted])
    others.attrs["file"] = str(config.path)
    refuse_misspelt(
        others.drop(columns=[config.columns.get(n, n) for n in ("trace", "time_s")], errors="ignore"), wanted
    )
    return [name for name in wanted if name in file]


def _require_same_shape(traces: tuple[int, ...], times: tuple[int, ...], config: TablesConfig) -> None:
    if times not in (traces, traces[1:]):
        raise ShapeError(
            f"{config.path} has traces of shape {traces} and time stamps of shape {times}",
            expected=f"time stamps of shape {traces[1:]} or {traces}",
        )


def _decoded(array: h5py.Dataset) -> NDArray:
    """Values of an array, text as text."""
    if h5py.check_string_dtype(array.dtype) is not None:
        return np.array([text.decode() if isinstance(text, bytes) else str(text) for text in array[:].ravel()], object)
    return array[:]


def _found(
    held: Mapping[str, NDArray],
    load: Callable[[int], Loaded],
    n_recordings: int,
    config: TablesConfig,
) -> Found:
    columns = {}
    for name, values in held.items():
        if values.shape != (n_recordings,):
            raise DataError(
                f"{config.path} has {values.size} values of '{name}'", expected=f"{n_recordings}, one for each trace"
            )
        columns[name] = [v.decode() if isinstance(v, bytes) else v for v in values.tolist()]
    return Found(columns, range(n_recordings), "entry", load)
