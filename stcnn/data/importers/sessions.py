"""Imaging sessions: long traces of many neurons on the imaging clock, cut into recordings at the stimulus onsets.

What NWB, Suite2p and CaImAn have in common. The traces stay where they are; the table of recordings follows from
time stamps and onsets alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from stcnn.data.dataset import Dataset, joined
from stcnn.data.importers.dff import DffConfig
from stcnn.data.importers.movies import MovieInfo
from stcnn.data.recordings import TABLE_COLUMNS, RecordingsOnDemand, Samples, evenly_spaced, neurons_of, rows_by
from stcnn.errors import DataError, FileError, RateError
from stcnn.movie import Movie, require_one_screen


class SessionConfig(BaseModel):
    """What every import of an imaging session has to say or may say."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    path: Path
    """The file or folder of the session."""
    cell_type: str = ""
    """Cell type of neurons whose type is given nowhere else."""
    neurons: Path | None = None
    """CSV with a row per neuron: ``roi`` (its number in the file; in NWB its row in the plane segmentation), and any of
    ``neuron``, ``cell_type``, ``azimuth_deg``, ``elevation_deg`` (middle of the receptive field). Only neurons listed
    there are taken."""
    onsets: Path | None = None
    """CSV with a row per presentation: ``stimulus``, ``onset_s`` on the imaging clock; optionally ``trial``."""
    animal: str = ""
    session: str = ""
    indicator: str = ""
    pre_s: float = Field(default=1.0, ge=0)
    """How much of the trace before stimulus onset belongs to a recording."""
    post_s: float = Field(default=2.0, ge=0)
    """How much of the trace after the end of the movie belongs to it."""
    exposure_s: float | None = Field(default=None, ge=0)
    """Time over which light was collected for a sample; None is the whole imaging interval, 0 an instant."""
    time_stamps: Literal["start", "middle"] = "start"
    """Whether time stamps mark the start or the middle of the exposure."""
    stimuli: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Stimulus to what its movie is made from: ``file`` with ``rate_hz``, ``deg_per_px``, ``background``, or
    ``kind`` and the arguments of a generator."""
    dff: DffConfig = DffConfig()


@dataclass(frozen=True)
class Roi:
    """A neuron of a session: its number in the file, and what is known of it."""

    number: int
    neuron: str
    cell_type: str
    position_deg: tuple[float, float] = (float("nan"), float("nan"))
    shift_px: tuple[int, int] | None = None

    def shift(self, deg_per_px: float) -> tuple[int, int]:
        """Shift of the picture that brings the receptive field to the middle: as given, else from its position."""
        if self.shift_px is not None:
            return self.shift_px
        azimuth, elevation = (0 if np.isnan(p) else round(p / deg_per_px) for p in self.position_deg)
        return azimuth, elevation


@dataclass
class Session:
    """Traces of one imaging session.

    Args:
        time_s: time stamp of each imaging frame, ``(T,)``.
        read: number of a neuron in the file to its dF/F ``(T,)``; must survive pickling.
        rois: the neurons.
        config: the rest.
        nominal_hz: imaging frames per second where the file says so.
    """

    time_s: NDArray[np.float64]
    read: Callable[[int], NDArray[np.float32]]
    rois: Sequence[Roi]
    config: SessionConfig
    nominal_hz: float | None = None
    recent: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    @cached_property
    def rate_hz(self) -> float:
        """Imaging frames per second: as the file says, else one over the median interval."""
        return self.nominal_hz or float(1 / np.median(np.diff(self.time_s)))

    @cached_property
    def exposure_s(self) -> float:
        """Time over which light was collected for a sample."""
        return 1 / self.rate_hz if self.config.exposure_s is None else self.config.exposure_s

    def cut(self, onsets: pd.DataFrame, movies: Mapping[str, Movie], infos: Mapping[str, MovieInfo]) -> Dataset:
        """Cut the traces into recordings, one for each neuron and presentation.

        Args:
            onsets: ``stimulus``, ``onset_s`` on the imaging clock; optionally ``trial``, and ``start_s`` and
                ``stop_s`` of the recording (by default ``pre_s`` before the onset to ``post_s`` after the movie).
            movies: the movies by name.
            infos: their facts.

        Raises:
            DataError: a presentation lies outside of the session, or there is none.
            RateError: time stamps do not ascend.
        """
        if np.diff(self.time_s).min() <= 0:
            raise RateError(
                f"{self.config.path} has time stamps that go back after sample {int(np.diff(self.time_s).argmin())}",
                expected="ascending time stamps",
            )
        shape_px, deg_per_px = require_one_screen(infos)
        middle_s = self.time_s + (self.exposure_s / 2 if self.config.time_stamps == "start" else 0)
        trials = onsets["trial"] if "trial" in onsets else onsets.groupby("stimulus").cumcount()
        rows, windows = [], []
        ends_s = onsets.onset_s + onsets.stimulus.map({name: info.end_s for name, info in infos.items()})
        starts_s = onsets["start_s"] if "start_s" in onsets else onsets.onset_s - self.config.pre_s
        stops_s = onsets["stop_s"] if "stop_s" in onsets else ends_s + self.config.post_s
        columns = (onsets.stimulus, onsets.onset_s, trials, starts_s, stops_s)
        for stimulus, onset_s, trial, start_s, stop_s in zip(*columns, strict=True):
            info = infos[stimulus]
            start, stop = np.searchsorted(middle_s, [start_s - 1e-9, stop_s + 1e-9])
            if stop - start < 2:
                raise DataError(
                    f"stimulus '{stimulus}' was shown at {onset_s:.3f} s, but {self.config.path} has imaging frames "
                    f"from {middle_s[0]:.3f} to {middle_s[-1]:.3f} s",
                    expected="onsets on the clock of the imaging frames, in seconds",
                    remedy="check the unit and the zero of the onsets",
                )
            relative_s = middle_s[start:stop] - onset_s
            windows.append((int(start), int(stop), float(onset_s)))
            rows.append((str(stimulus), (int(trial),), info.rate_hz, relative_s))
        table = self._table(rows, deg_per_px)
        recordings = RecordingsOnDemand(table, _Cut(self, middle_s, windows))
        return Dataset(movies, recordings, table, neurons_of(table), shape_px, deg_per_px)

    def _table(self, rows: Sequence[tuple[str, tuple[int], float, NDArray]], deg_per_px: float) -> pd.DataFrame:
        """One row per neuron and presentation, presentations within neurons."""
        c = self.config
        evenness = [evenly_spaced(time_s, self.rate_hz) for *_, time_s in rows]
        records = []
        for roi in self.rois:
            for (stimulus, trials, movie_hz, time_s), even in zip(rows, evenness, strict=True):
                records.append(
                    [
                        *(roi.cell_type, roi.neuron, c.animal, c.session, stimulus, trials, *roi.shift(deg_per_px)),
                        *(len(time_s), time_s[0], time_s[-1], self.rate_hz, self.exposure_s, even),
                        *(movie_hz, *roi.position_deg, c.indicator),
                    ]
                )
        return pd.DataFrame(records, columns=list(TABLE_COLUMNS))

    def trace(self, number: int) -> NDArray[np.float32]:
        """DF/F of a neuron over the session; the last few stay in memory."""
        if number not in self.recent:
            if len(self.recent) >= 16:
                self.recent.clear()
            self.recent[number] = self.read(number)
        return self.recent[number]


@dataclass(frozen=True)
class _Cut:
    """The samples of a recording: its neuron's trace between two imaging frames."""

    session: Session
    middle_s: NDArray[np.float64]
    windows: Sequence[tuple[int, int, float]]

    def __call__(self, index: int) -> Samples:
        roi = self.session.rois[index // len(self.windows)]
        start, stop, onset_s = self.windows[index % len(self.windows)]
        return np.array(self.session.trace(roi.number)[start:stop]), self.middle_s[start:stop] - onset_s


def together(sessions: Sequence[Dataset]) -> Dataset:
    """Several sessions as one data set.

    Raises:
        DataError: a neuron of one name stands in two animals, or two movies have one name.
        ShapeError: the movies differ in size or resolution.
    """
    whole = joined(sessions)
    animal_of: dict[tuple[str, str], str] = {}
    for cell_type, neuron, animal in rows_by(whole.table, "cell_type", "neuron", "animal"):
        if (first_animal := animal_of.setdefault((cell_type, neuron), animal)) != animal:
            raise DataError(
                f"neuron '{neuron}' ({cell_type}) stands in the animals '{first_animal}' and '{animal}'",
                expected="a name of its own for each neuron of a cell type",
                remedy="give each session its key 'session', or name the neurons in its table",
            )
    for name in whole.movies:
        first, *others = (session.movies for session in sessions if name in session.movies)
        if not all(_same_movie(first[name], movies[name]) for movies in others):
            raise DataError(f"two sessions have different movies under the name '{name}'", remedy="rename one of them")
    return whole


def _same_movie(movie: Movie, other: Movie) -> bool:
    units, others = ((m.frames.shape, m.rate_hz, m.background, m.onset_s) for m in (movie, other))
    return units == others and np.array_equal(movie.luminance(), other.luminance())


def read_csv(path: Path, needed: Sequence[str], what: str) -> pd.DataFrame:
    """Read a table that must have some columns.

    Raises:
        FileError: there is no such file, or it is no table.
        DataError: a column is missing.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read", expected=f"a CSV of {what}", remedy="correct the path") from error
    for column in needed:
        if column not in table:
            raise DataError(
                f"{path} has no column '{column}' but {', '.join(map(str, table.columns))}", expected=f"a CSV of {what}"
            )
    return table


def read_onsets(config: SessionConfig) -> pd.DataFrame:
    """The presentations of a session.

    Raises:
        DataError, FileError: the table is not named, missing, or lacks a column.
    """
    if config.onsets is None:
        raise DataError(
            f"nothing says when stimuli were shown in {config.path}",
            expected="the key 'onsets'",
            remedy="name a CSV with the columns stimulus and onset_s",
        )
    onsets = read_csv(config.onsets, ("stimulus", "onset_s"), "presentations")
    return onsets.astype({"stimulus": str})


def chosen_rois(config: SessionConfig, numbers: Sequence[int]) -> list[Roi]:
    """The neurons to take, out of those in the file.

    Raises:
        DataError: the table names a neuron that is not there, or a neuron has no cell type.
    """
    if config.neurons is None:
        rois = [Roi(int(n), f"{config.session}{'/' if config.session else ''}{n}", config.cell_type) for n in numbers]
    else:
        table = read_csv(config.neurons, ("roi",), "neurons")
        known = set(map(int, numbers))
        for number in table.roi:
            if int(number) not in known:
                raise DataError(
                    f"{config.neurons} names roi {number}, which {config.path} does not have",
                    expected=f"one of {len(known)} neurons, {min(known)} to {max(known)}",
                )
        rows = table.to_dict("records")
        rois = [
            Roi(
                int(row["roi"]),
                str(row.get("neuron", row["roi"])),
                str(row.get("cell_type", config.cell_type)).lower(),
                (float(row.get("azimuth_deg", np.nan)), float(row.get("elevation_deg", np.nan))),
            )
            for row in rows
        ]
    untyped = [roi for roi in rois if not roi.cell_type]
    if untyped:
        raise DataError(
            f"neuron {untyped[0].number} of {config.path} has no cell type",
            remedy="set cell_type, or give the column cell_type in the CSV of neurons",
        )
    return rois
