"""Imports traces from tables and arrays, with the meaning of columns given by the configuration.

* ``.csv``, ``.parquet``: one row per sample. Columns: ``time_s``, ``trace``, ``neuron``, ``stimulus``, and any of
  ``trial``, ``cell_type``, ``animal``, ``session``, ``azi_shift_px``, ``ele_shift_px``, ``azimuth_deg``,
  ``elevation_deg``. Read whole.
* ``.npz``, ``.h5``, ``.hdf5``: arrays of the same names; ``trace`` is ``(R, T)``, ``time_s`` ``(T,)`` or ``(R, T)``,
  the others ``(R,)``. HDF5 is read recording by recording. NaN at the end of a row fills up short traces.

What the file calls otherwise is named in ``columns``; what is the same for all recordings in ``constants``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from stcnn.data.dataset import Dataset
from stcnn.data.importers.movies import MakeMovie, MovieInfo, movies_from_specs, specs_in_folder
from stcnn.data.recordings import TABLE_COLUMNS, RecordingsOnDemand, Samples, evenly_spaced, neurons_of
from stcnn.errors import DataError, FileError, RateError, nearest
from stcnn.movie import require_one_screen

DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("animal", "session", "indicator"), ""),
    **dict.fromkeys(("trial", "azi_shift_px", "ele_shift_px"), 0),
    **dict.fromkeys(("azimuth_deg", "elevation_deg"), float("nan")),
}
KEYS = ("cell_type", "neuron", "stimulus", *DEFAULTS)
UNITS_PER_SECOND = {"s": 1.0, "ms": 1000.0}


class TablesConfig(BaseModel):
    """A table of traces, the movies that were shown, and what is what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["tables"] = "tables"
    path: Path
    """The table or the file of arrays."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Our name to the name in the file, where they differ."""
    constants: dict[str, str | float] = Field(default_factory=dict)
    """What is the same for all recordings, for instance ``cell_type: lc11``."""
    rate_hz: float = Field(gt=0)
    """Imaging samples per second; time stamps that say otherwise are refused."""
    exposure_s: float = Field(default=0.0, ge=0)
    """Time over which light was collected for a sample, centred on its time stamp."""
    time_unit: Literal["s", "ms"] = "s"
    trace_unit: Literal["fraction", "percent"] = "fraction"
    """Whether 0.5 or 50 is a dF/F of one half."""
    movies: Path | None = None
    """Folder of movie files, each named after its stimulus."""
    movie_units: dict[str, float] = Field(default_factory=dict)
    """What those files do not say: ``rate_hz``, ``deg_per_px``, ``background``."""
    stimulus_table: Path | None = None
    """CSV with a row per stimulus: ``stimulus``, ``kind`` (a generator), and a column per argument."""
    stimuli: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Single stimuli: ``file`` and its units, or ``kind`` and the arguments of a generator."""


def open_tables(config: TablesConfig, make_movie: MakeMovie) -> Dataset:
    """Open a table of traces.

    Raises:
        FileError, DataError, RateError: a file is missing or damaged, a column is missing, or units are wrong.
    """
    held, load, n_recordings = _read(config)
    names = {key: _values(held, key, n_recordings, config) for key in KEYS}
    movies, infos = movies_from_specs(_specs(config), make_movie, names["stimulus"].astype(str))
    shape_px, deg_per_px = require_one_screen(infos)
    table = _table(names, load, infos, config)
    return Dataset(movies, RecordingsOnDemand(table, load), table, neurons_of(table), shape_px, deg_per_px)


def _specs(config: TablesConfig) -> dict[str, Mapping[str, Any]]:
    specs: dict[str, Mapping[str, Any]] = {}
    if config.movies is not None:
        specs |= specs_in_folder(config.movies, config.movie_units)
    if config.stimulus_table is not None:
        rows = _read_table(config.stimulus_table)
        for name in ("stimulus", "kind"):
            if name not in rows:
                raise DataError(f"{config.stimulus_table} has no column '{name}'", expected="a stimulus in each row")
        for row in rows.to_dict("records"):
            name = str(row.pop("stimulus"))
            specs[name] = {str(key): value for key, value in row.items() if not pd.isna(value)}
    return specs | config.stimuli


@dataclass(frozen=True)
class _InMemory:
    """Traces and their times, both one array per recording, in the units of the file."""

    traces: Sequence[NDArray]
    times: Sequence[NDArray]
    config: TablesConfig

    def __call__(self, index: int) -> Samples:
        return _in_our_units(self.traces[index], self.times[index], self.config)


@dataclass(frozen=True)
class _InHdf5:
    """Traces ``(R, T)`` and times ``(T,)`` or ``(R, T)`` that stay in their file."""

    trace: str
    time: str
    config: TablesConfig

    def __call__(self, index: int) -> Samples:
        with h5py.File(self.config.path, "r") as file:
            times = file[self.time]
            return _in_our_units(file[self.trace][index], times[:] if times.ndim == 1 else times[index], self.config)


def _in_our_units(trace: NDArray, time: NDArray, config: TablesConfig) -> Samples:
    trace = np.asarray(trace, np.float32)
    n = len(trace) - int(np.argmin(np.isnan(trace[::-1])))  # NaN at the end fills up a short trace
    trace = trace[:n] * np.float32(0.01) if config.trace_unit == "percent" else trace[:n]
    return trace, np.asarray(time, np.float64)[:n] / UNITS_PER_SECOND[config.time_unit]


def _read(config: TablesConfig) -> tuple[dict[str, NDArray], Callable[[int], Samples], int]:
    """What describes the recordings, by the name in the file; how to load one; and how many there are."""
    path, suffix = config.path, config.path.suffix.lower()
    trace, time = (config.columns.get(name, name) for name in ("trace", "time_s"))
    if suffix in (".csv", ".parquet"):
        return _from_rows(_read_table(path), config)
    if suffix not in (".npz", ".h5", ".hdf5"):
        raise FileError(f"{path} has the unknown ending '{suffix}'", expected=".csv, .parquet, .npz, .h5 or .hdf5")
    try:
        with np.load(path, allow_pickle=False) if suffix == ".npz" else h5py.File(path, "r") as file:
            for name in (trace, time):
                if name not in file:
                    raise DataError(
                        f"{path} has no array '{name}'", remedy=f"name it in columns; {nearest(name, file)}"
                    )
            held = {name: _decoded(file[name][...]) for name in file if name not in (trace, time)}
            if suffix != ".npz":
                return held, _InHdf5(trace, time, config), file[trace].shape[0]
            traces, times = file[trace], file[time]
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise FileError(f"{path} cannot be read", expected="arrays of numbers and text") from error
    return held, _InMemory(traces, np.broadcast_to(times, traces.shape), config), len(traces)  # type: ignore[arg-type]


def _decoded(values: NDArray) -> NDArray:
    return np.char.decode(values.astype(bytes)) if values.dtype.kind in "SO" else values


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read", expected="a table", remedy="correct the path or the file") from error


def _from_rows(rows: pd.DataFrame, config: TablesConfig) -> tuple[dict[str, NDArray], _InMemory, int]:
    rows = rows.rename(columns={theirs: ours for ours, theirs in config.columns.items()})
    for name in ("time_s", "trace", "neuron", "stimulus"):
        if name not in rows and name not in config.constants:
            theirs = config.columns.get(name, name)
            remedy = f"name it in columns; {nearest(theirs, map(str, rows.columns))}"
            raise DataError(f"{config.path} has no column '{theirs}'", remedy=remedy)
    keys = [key for key in KEYS if key in rows]
    groups = [group for _, group in rows.groupby(keys, sort=False, dropna=False)]
    held = {config.columns.get(key, key): np.array([group[key].iloc[0] for group in groups]) for key in keys}
    traces, times = ([group[name].to_numpy() for group in groups] for name in ("trace", "time_s"))
    return held, _InMemory(traces, times, config), len(groups)


def _values(held: Mapping[str, NDArray], key: str, n_recordings: int, config: TablesConfig) -> NDArray:
    """One value per recording for a key: from the file, the constants or the defaults."""
    name = config.columns.get(key, key)
    if name in held:
        if len(held[name]) != n_recordings:
            raise DataError(
                f"{config.path} has {len(held[name])} values of '{name}'",
                expected=f"{n_recordings}, one for each trace",
            )
        return held[name]
    value = config.constants.get(key, DEFAULTS.get(key))
    if value is None:
        raise DataError(
            f"{config.path} does not say the {key} of its traces",
            remedy=f"name its column in columns, or give it in constants; {nearest(name, held)}",
        )
    return np.full(n_recordings, value)


def _table(
    names: Mapping[str, NDArray], load: Callable[[int], Samples], infos: Mapping[str, MovieInfo], config: TablesConfig
) -> pd.DataFrame:
    records = []
    for i in range(len(names["neuron"])):
        _, time_s = load(i)
        row = {key: names[key][i].item() for key in KEYS}
        stimulus = str(row["stimulus"])
        _require_rate(time_s, config, f"neuron '{row['neuron']}', stimulus '{stimulus}'")
        even = evenly_spaced(time_s, config.rate_hz)
        records.append(
            [
                *(str(row["cell_type"]).lower(), str(row["neuron"]), str(row["animal"]), str(row["session"]), stimulus),
                *((int(row["trial"]),), round(row["azi_shift_px"]), round(row["ele_shift_px"]), len(time_s)),
                *(float(time_s[0]), float(time_s[-1]), config.rate_hz, config.exposure_s, even),
                *(infos[stimulus].rate_hz, row["azimuth_deg"], row["elevation_deg"], str(row["indicator"])),
            ]
        )
    return pd.DataFrame(records, columns=list(TABLE_COLUMNS))


def _require_rate(time_s: NDArray, config: TablesConfig, where: str) -> None:
    step_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1 / config.rate_hz
    if not 0.8 < step_s * config.rate_hz < 1.25:
        factor = step_s * config.rate_hz
        hint = "set time_unit to ms" if 800 < factor < 1250 else "correct rate_hz or time_unit"
        raise RateError(
            f"{config.path}, {where} has time stamps {step_s:.4g} s apart",
            expected=f"{1 / config.rate_hz:.4g} s at rate_hz = {config.rate_hz:g}",
            remedy=hint,
        )
