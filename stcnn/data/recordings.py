"""Recordings, and the table that describes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.errors import DataError
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

    def __repr__(self) -> str:
        trials = f"{len(self.trials)} trials, " if len(self.trials) > 1 else ""
        samples = f"{len(self.trace)} samples at {self.rate_hz:g} Hz"
        return f"Recording({self.cell_type} {self.neuron}, {self.stimulus}: {trials}{samples})"

    def __post_init__(self) -> None:
        for what in ("cell_type", "neuron", "stimulus", "animal", "session"):
            require_name(getattr(self, what), what.replace("_", " "))


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """A recording without its samples: one row of :attr:`Dataset.table <stcnn.data.dataset.Dataset>`.

    Args:
        cell_type: as in :class:`Recording`; so are the other fields whose names are the same.
        azi_shift_px: azimuth shift of the picture in whole pixels; positive moves it left.
        ele_shift_px: elevation shift; positive moves it down.
        n_samples: how many samples there are.
        start_s: time of the first sample after stimulus onset.
        end_s: time of the last.
        even: whether they are evenly spaced.
        movie_rate_hz: frames per second of the movie.
        azimuth_deg: azimuth of the middle of the receptive field, NaN where not known.
        elevation_deg: its elevation, NaN where not known.
    """

    cell_type: str
    neuron: str
    animal: str
    session: str
    stimulus: str
    trials: tuple[int, ...]
    azi_shift_px: int
    ele_shift_px: int
    n_samples: int
    start_s: float
    end_s: float
    rate_hz: float
    exposure_s: float
    even: bool
    movie_rate_hz: float
    azimuth_deg: float
    elevation_deg: float
    indicator: str

    @classmethod
    def of(cls, recording: Recording, movie_rate_hz: float) -> RecordingInfo:
        """Facts of a recording in memory."""
        azi_shift_px, ele_shift_px = recording.shift_px
        azimuth_deg, elevation_deg = recording.position_deg
        return cls(
            cell_type=recording.cell_type,
            neuron=recording.neuron,
            animal=recording.animal,
            session=recording.session,
            stimulus=recording.stimulus,
            trials=recording.trials,
            azi_shift_px=azi_shift_px,
            ele_shift_px=ele_shift_px,
            n_samples=len(recording.trace),
            start_s=float(recording.time_s[0]),
            end_s=float(recording.time_s[-1]),
            rate_hz=float(recording.rate_hz),
            exposure_s=recording.exposure_s,
            even=evenly_spaced(recording.time_s, recording.rate_hz),
            movie_rate_hz=movie_rate_hz,
            azimuth_deg=azimuth_deg,
            elevation_deg=elevation_deg,
            indicator=recording.indicator,
        )

    def recording(self, trace: NDArray[np.float32], time_s: NDArray[np.float64]) -> Recording:
        """The recording with its samples."""
        return Recording(
            cell_type=self.cell_type,
            neuron=self.neuron,
            stimulus=self.stimulus,
            trace=trace,
            time_s=time_s,
            rate_hz=self.rate_hz,
            trials=self.trials,
            shift_px=(self.azi_shift_px, self.ele_shift_px),
            animal=self.animal,
            session=self.session,
            indicator=self.indicator,
            exposure_s=self.exposure_s,
            position_deg=(self.azimuth_deg, self.elevation_deg),
        )


TABLE_COLUMNS = tuple(column.name for column in fields(RecordingInfo))
"""Columns of :attr:`Dataset.table <stcnn.data.dataset.Dataset>`. Where the samples were read once, a column ``prints``
beside them has the :func:`trace_print` of each trial."""

OPTIONAL_COLUMNS: Mapping[str, str | float] = {"plane": "", "channel": "", "onset_s": float("nan")}
"""Columns that a table may have besides, and what stands there where nothing is known: the imaging plane and the
channel that a neuron was recorded in, and when its presentation began on the clock of the imaging session. They tell
people what was imported; nothing is computed from them."""

EVEN_WITHIN = 0.02
"""Samples count as evenly spaced where none is off by more than this share of the interval."""


def info_table(infos: Iterable[RecordingInfo]) -> pd.DataFrame:
    """One row per recording, with the :data:`TABLE_COLUMNS`."""
    values = attrgetter(*TABLE_COLUMNS)
    return pd.DataFrame([values(info) for info in infos], columns=list(TABLE_COLUMNS))


def recording_table(recordings: Iterable[Recording], movie_rate_hz: Mapping[str, float]) -> pd.DataFrame:
    """One row per recording with everything but the samples: what splits and batches are planned from."""
    recordings = list(recordings)
    table = info_table(RecordingInfo.of(recording, movie_rate_hz[recording.stimulus]) for recording in recordings)
    return table.assign(prints=pd.Series(list(map(prints_of, recordings))))


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


def indicators_of(table: pd.DataFrame, neurons: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the name of the indicator of each neuron, by cell type in the order of ``neurons``.

    Raises:
        DataError: the recordings of a neuron name none, or two.
    """
    named = {key: tuple(group.unique()) for key, group in table.groupby(["cell_type", "neuron"], sort=False).indicator}
    for (cell_type, neuron), found in named.items():
        if len(found) != 1 or not found[0]:
            listed = " and ".join(f"'{name}'" for name in found if name)
            raise DataError(
                f"recordings of neuron '{neuron}' ({cell_type}) name {listed or 'no indicator'}",
                expected="one indicator in all recordings of a neuron",
                remedy="name it when the recordings are imported, or choose model.calcium.tau=per_type",
            )
    return {
        cell_type: tuple(named.get((cell_type, neuron), ("",))[0] for neuron in of_type)
        for cell_type, of_type in neurons.items()
    }


def rows_by(table: pd.DataFrame, *columns: str) -> dict[tuple[str, ...], list[int]]:
    """Numbers of the rows that agree in some columns, by their values as text, in order of first appearance."""
    rows: dict[tuple[str, ...], list[int]] = {}
    for number, key in enumerate(zip(*(table[column].astype(str) for column in columns), strict=True)):
        rows.setdefault(key, []).append(number)
    return rows
