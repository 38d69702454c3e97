"""Imports traces from tables and arrays, with the meaning of columns given by the configuration.

* ``.csv``, ``.parquet``: one row per sample. Columns: ``time_s``, ``trace``, ``neuron``, ``stimulus``, and any of
  ``trial``, ``cell_type``, ``animal``, ``session``, ``azi_shift_px``, ``ele_shift_px``, ``azimuth_deg``,
  ``elevation_deg``, ``indicator``. Read whole. Where no column counts trials, each turn of the clock back to where a
  neuron's recording of a stimulus began is a new trial.
* ``.npz``, ``.h5``, ``.hdf5``: arrays of the same names; ``trace`` is ``(R, T)``, ``time_s`` ``(T,)`` or ``(R, T)``,
  the others ``(R,)``. HDF5 is read recording by recording. NaN at the end of a row fills up short traces; without an
  array ``trial``, recordings of one neuron and stimulus are counted in their order.

What the file calls otherwise is named in ``columns``; what is the same for all recordings in ``constants``. Samples
that are not finite are left out, with their times, and counted in the notes of the data set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.data.importers.dff import require_no_sentinel
from stcnn.data.importers.importer import importer
from stcnn.data.importers.movies import MakeMovie, MovieInfo, movies_from_specs, specs_in_folder
from stcnn.data.importers.names import names_of
from stcnn.data.importers.table_columns import Described, describe
from stcnn.data.importers.table_files import Found, Loaded, recordings_in
from stcnn.data.importers.tables_config import TablesConfig
from stcnn.data.on_demand import RecordingsOnDemand
from stcnn.data.recordings import RecordingInfo, Samples, evenly_spaced, info_table, neurons_of
from stcnn.errors import DataError, RateError
from stcnn.movie import require_one_screen
from stcnn.reading import core_value, read_csv


@importer(TablesConfig)
def open_tables(config: TablesConfig, make_movie: MakeMovie, /) -> Dataset:
    """Open a table of traces.

    Raises:
        FileError, DataError, RateError: a file is missing or damaged, a column is missing, or units are wrong.
    """
    found = recordings_in(config)
    rows = describe(found, config)
    movies, infos = movies_from_specs(_specs(config), make_movie, rows.stimulus)
    shape_px, deg_per_px = require_one_screen(infos)
    looked_at = _looked_at(found, rows, infos, config)
    table = info_table(looked_at.records)
    recordings = RecordingsOnDemand(table, _Kept(found.load, looked_at.kept))
    notes = (*found.notes, *rows.notes, *looked_at.notes(config))
    return Dataset(movies, recordings, table, neurons_of(table), shape_px, deg_per_px, notes=notes)


@dataclass(frozen=True)
class _Kept:
    """The recordings of a file that have samples."""

    load: Callable[[int], Loaded]
    kept: Sequence[int]

    def __call__(self, index: int) -> Samples:
        return self.load(self.kept[index]).samples


@dataclass(frozen=True)
class _LookedAt:
    """Findings of one look at every recording.

    Args:
        kept: numbers of those with two finite samples.
        records: what is known of each of them.
        lost: neuron to how many of its samples are not finite.
        empty: neuron to how many of its recordings have fewer than two that are.
        below: neuron to how many of its samples are below -1, which no dF/F is.
    """

    kept: list[int] = field(default_factory=list)
    records: list[RecordingInfo] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    below: Counter[str] = field(default_factory=Counter)

    def notes(self, config: TablesConfig) -> list[str]:
        """Sentences about what was left out."""
        return [
            *_said(self.lost, SAMPLES_LOST, config),
            *_said(self.empty, EMPTY, config),
            *_said(self.below, BELOW, config),
        ]


def _looked_at(found: Found, rows: Described, infos: Mapping[str, MovieInfo], config: TablesConfig) -> _LookedAt:
    """Look at every recording once.

    Raises:
        DataError: none has two finite samples, or one has a number that stands for a missing one.
        RateError: the clock of one is wrong.
    """
    seen = _LookedAt()
    for i, neuron in enumerate(rows.neuron):
        (trace, time_s), n_samples = found.load(i)
        require_no_sentinel(trace, f"{config.path}, neuron '{neuron}'")
        if len(trace) < 2:
            seen.empty[neuron] += 1
            continue
        _require_clock(time_s, config, f"{config.path}, neuron '{neuron}', stimulus '{rows.stimulus[i]}'")
        seen.kept.append(i)
        seen.records.append(_info(rows, i, time_s, infos[rows.stimulus[i]].rate_hz, config))
        if lower := int((trace < -1).sum()):
            seen.below[neuron] += lower
        if n_samples > len(trace):
            seen.lost[neuron] += n_samples - len(trace)
    if not seen.kept:
        raise DataError(f"no recording in {config.path} has 2 finite samples", expected="traces to use")
    return seen


SAMPLES_LOST = "samples that are not finite were left out, of"
BELOW = "samples are below -1, which is no dF/F (percent are said by trace_unit; a voltage or a z-score may be), of"
EMPTY = "recordings with fewer than 2 finite samples were left out, of"


def _said(counts: Mapping[str, int], what: str, config: TablesConfig) -> list[str]:
    named = ", ".join(f"{neuron} ({n})" for neuron, n in list(counts.items())[:12])
    more = f" and {len(counts) - 12} more" if len(counts) > 12 else ""
    return [f"{config.path}: {sum(counts.values())} {what} {len(counts)} neurons: {named}{more}."] if counts else []


def _specs(config: TablesConfig) -> dict[str, Mapping[str, Any]]:
    specs: dict[str, Mapping[str, Any]] = {}
    if config.movies is not None:
        specs |= specs_in_folder(config.movies, config.movie_units)
    if config.stimulus_table is not None:
        specs |= _specs_in_table(config.stimulus_table, taken=specs)
    for name in config.stimuli:
        _require_new(name, specs, f"the key stimuli of the import of {config.path}")
    return specs | config.stimuli


def _specs_in_table(path: Path, taken: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The stimuli of a table, a row each; empty cells are arguments that a stimulus does not have."""
    rows = read_csv(path, ("stimulus", "kind"), "a CSV with a stimulus in each row")
    specs: dict[str, Mapping[str, Any]] = {}
    for name, row in zip(names_of(rows, "stimulus"), rows.to_dict("records"), strict=True):
        _require_new(name, {**taken, **specs}, str(path))
        given = {str(key): str(value).strip() for key, value in row.items() if key != "stimulus"}
        specs[name] = {key: value if key == "kind" else core_value(value) for key, value in given.items() if value}
    return specs


def _require_new(name: str, taken: Mapping[str, Any], where: str) -> None:
    if name in taken:
        raise DataError(
            f"the stimulus '{name}' has two movies, the second in {where}",
            expected="one",
            remedy="take one of them out",
        )


def _info(
    rows: Described, i: int, time_s: NDArray[np.float64], movie_rate_hz: float, config: TablesConfig
) -> RecordingInfo:
    """Facts of recording ``i``, sampled at ``time_s``."""
    azi_shift_px, ele_shift_px = rows.shift_px[i]
    azimuth_deg, elevation_deg = rows.position_deg[i]
    return RecordingInfo(
        cell_type=rows.cell_type[i],
        neuron=rows.neuron[i],
        animal=rows.animal[i],
        session=rows.session[i],
        stimulus=rows.stimulus[i],
        trials=(rows.trial[i],),
        azi_shift_px=azi_shift_px,
        ele_shift_px=ele_shift_px,
        n_samples=len(time_s),
        start_s=float(time_s[0]),
        end_s=float(time_s[-1]),
        rate_hz=config.rate_hz,
        exposure_s=config.exposure_s,
        even=evenly_spaced(time_s, config.rate_hz),
        movie_rate_hz=movie_rate_hz,
        azimuth_deg=azimuth_deg,
        elevation_deg=elevation_deg,
        indicator=rows.indicator[i],
    )


def _require_clock(time_s: NDArray, config: TablesConfig, where: str) -> None:
    """Refuse a recording whose clock stands still, runs back, or at another rate.

    Raises:
        RateError: its clock is wrong.
    """
    steps = np.diff(time_s)
    if steps.min() <= 0:
        at = int(steps.argmin())
        raise RateError(
            f"{where} has time stamps that do not go on: {time_s[at]:.6g} s, then {time_s[at + 1]:.6g} s",
            expected="ascending time stamps within a trial",
            remedy="sort the rows, and number the trials in a column 'trial'",
        )
    step_s = float(np.median(steps))
    if not 0.8 < step_s * config.rate_hz < 1.25:
        factor = step_s * config.rate_hz
        hint = "set time_unit to ms" if 800 < factor < 1250 else "correct rate_hz or time_unit"
        raise RateError(
            f"{where} has time stamps {step_s:.4g} s apart",
            expected=f"{1 / config.rate_hz:.4g} s at rate_hz = {config.rate_hz:g}",
            remedy=hint,
        )
