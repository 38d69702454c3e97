"""Imaging sessions: long traces of many neurons on the imaging clock, cut into recordings at the stimulus onsets.

What NWB, Suite2p and CaImAn have in common. The traces stay where they are; each is looked at once when a session is
opened, so that a neuron without dF/F (:class:`~stcnn.data.importers.dff.NoBaselineError`) and samples that are not
finite are left out, counted and named in the notes of the data set, and cost nothing but themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.data.importers.kept import Kept
from stcnn.data.importers.movies import MovieInfo
from stcnn.data.importers.presentations import overlap_notes, read_onsets, trials_of, unused_notes
from stcnn.data.importers.rois import Roi, chosen_rois, named_planes, require_planes
from stcnn.data.importers.session_keys import SessionConfig
from stcnn.data.importers.survey import Survey
from stcnn.data.on_demand import RecordingsOnDemand
from stcnn.data.recordings import RecordingInfo, Samples, evenly_spaced, info_table, neurons_of
from stcnn.errors import DataError, RateError
from stcnn.movie import Movie, require_one_screen

__all__ = ["Roi", "Session", "SessionConfig", "chosen_rois", "named_planes", "read_onsets", "require_planes"]


@dataclass(frozen=True)
class _Window:
    """The imaging frames of one presentation."""

    stimulus: str
    trial: int
    movie_hz: float
    onset_s: float
    start: int
    stop: int


@dataclass(frozen=True)
class _Sampling:
    """How many samples a recording has, the times of the first and last, and whether they are evenly spaced."""

    n_samples: int
    start_s: float
    end_s: float
    even: bool


@dataclass
class Session:
    """Traces of one imaging session.

    Args:
        time_s: time stamp of each imaging frame, ``(T,)``.
        read: number of a neuron in the file to its dF/F ``(T,)``; must survive pickling.
        rois: the neurons.
        config: the rest.
        nominal_hz: imaging frames per second where the file says so.
        notes: sentences about choices that were made before.
        each: columns of the table of recordings that differ from presentation to presentation, ``(presentations,
            neurons)`` by name, in the order of the onsets and of the numbers of the neurons.
        plane: the imaging plane that the neurons lie in; empty where not known.
        channel: the channel of the microscope; empty where not known.
    """

    time_s: NDArray[np.float64]
    read: Callable[[int], NDArray[np.float32]]
    rois: Sequence[Roi]
    config: SessionConfig
    nominal_hz: float | None = None
    notes: tuple[str, ...] = ()
    each: Mapping[str, NDArray] = field(default_factory=dict)
    plane: str = ""
    channel: str = ""

    @cached_property
    def rate_hz(self) -> float:
        """Imaging frames per second: as the file says, else one over the median interval."""
        return self.nominal_hz or float(1 / np.median(np.diff(self.time_s)))

    @cached_property
    def exposure_s(self) -> float:
        """Time over which light was collected for a sample."""
        return 1 / self.rate_hz if self.config.exposure_s is None else self.config.exposure_s

    @cached_property
    def middle_s(self) -> NDArray[np.float64]:
        """Middle of the exposure of each imaging frame, ``(T,)``."""
        return self.time_s + (self.exposure_s / 2 if self.config.time_stamps == "start" else 0)

    def cut(self, onsets: pd.DataFrame, movies: Mapping[str, Movie], infos: Mapping[str, MovieInfo]) -> Dataset:
        """Cut the traces into recordings, one for each neuron and presentation.

        Args:
            onsets: ``stimulus``, ``onset_s`` on the imaging clock; optionally ``trial``, and ``start_s`` and
                ``stop_s`` of the recording (by default ``pre_s`` before the onset to ``post_s`` after the movie).
            movies: the movies by name.
            infos: their facts.

        Raises:
            DataError: a presentation lies outside of the session, or there is none; no neuron has a trace to use.
            RateError: time stamps do not ascend.
        """
        self._require_clock()
        shape_px, deg_per_px = require_one_screen(infos)
        windows, notes = self._windows(onsets, infos)
        found = Survey.of(self.rois, self.trace, len(self.time_s), self.config.path)
        every = [(i, k) for i in range(len(found.rois)) for k in range(len(windows))]
        rows = [(i, k) for i, k in every if found.n_samples(i, windows[k].start, windows[k].stop) > 1]
        lost = len(every) - len(rows)
        if lost:
            notes.append(f"{self.config.path}: {lost} recordings with fewer than 2 finite samples were left out.")
        if not rows:
            raise DataError(f"no recording of {self.config.path} has 2 finite samples", expected="traces to use")
        cut = _Cut(self, found, windows, rows)
        table = cut.table(deg_per_px)
        return Dataset(
            *(movies, RecordingsOnDemand(table, cut), table, neurons_of(table), shape_px, deg_per_px),
            notes=(*self.notes, *notes, *found.notes(self.config.path)),
        )

    def _require_clock(self) -> None:
        if len(self.time_s) < 2:
            raise DataError(f"{self.config.path} has {len(self.time_s)} imaging frames", expected="at least 2")
        steps = np.diff(self.time_s)
        if not np.isfinite(self.time_s).all() or steps.min() <= 0:
            wrong = int(np.flatnonzero(~(steps > 0))[0])
            raise RateError(
                f"{self.config.path} has time stamps that do not go on after sample {wrong}: "
                f"{self.time_s[wrong]:.6g} s, then {self.time_s[wrong + 1]:.6g} s",
                expected="ascending time stamps",
            )

    def _windows(self, onsets: pd.DataFrame, infos: Mapping[str, MovieInfo]) -> tuple[list[_Window], list[str]]:
        """The imaging frames of each presentation, and what is to be said of them."""
        if onsets.empty:
            raise DataError(f"no presentation is listed for {self.config.path}", expected="at least one")
        ends_s = onsets.onset_s + onsets.stimulus.map({name: info.end_s for name, info in infos.items()})
        starts_s = onsets["start_s"] if "start_s" in onsets else onsets.onset_s - self.config.pre_s
        stops_s = onsets["stop_s"] if "stop_s" in onsets else ends_s + self.config.post_s
        limits = np.stack([starts_s.to_numpy(float), stops_s.to_numpy(float)], axis=1)
        frames = np.searchsorted(self.middle_s, limits + np.array([-1e-9, 1e-9]))
        first_s, last_s = self.middle_s[[0, -1]] + np.array([-1.5, 0.5]) / self.rate_hz
        for stimulus, onset_s, (start, stop) in zip(onsets.stimulus, onsets.onset_s, frames, strict=True):
            if stop - start < 2 or not ("start_s" in onsets or first_s <= onset_s <= last_s):
                raise DataError(
                    f"stimulus '{stimulus}' was shown at {onset_s:.3f} s, but {self.config.path} has imaging frames "
                    f"from {self.middle_s[0]:.3f} to {self.middle_s[-1]:.3f} s",
                    expected="onsets on the clock of the imaging frames, in seconds",
                    remedy="check the unit and the zero of the onsets",
                )
        columns = zip(onsets.stimulus, trials_of(onsets), onsets.onset_s, frames.tolist(), strict=True)
        windows = [
            _Window(str(name), int(trial), infos[name].rate_hz, float(onset_s), *limits_of)
            for name, trial, onset_s, limits_of in columns
        ]
        said = overlap_notes(onsets, infos, limits, str(self.config.path))
        return windows, [*unused_notes(onsets, self.config), *said]

    @cached_property
    def trace(self) -> Kept[NDArray[np.float32]]:
        """Number of a neuron to its dF/F over the session, read once as far as there is room."""
        return Kept(self.read, _n_bytes)


def _n_bytes(trace: NDArray[np.float32]) -> int:
    return trace.nbytes


@dataclass(frozen=True)
class _Cut:
    """The samples of a recording: its neuron's trace between two imaging frames, as far as it is finite."""

    session: Session
    found: Survey
    windows: Sequence[_Window]
    rows: Sequence[tuple[int, int]]

    def __call__(self, index: int) -> Samples:
        neuron, number = self.rows[index]
        window = self.windows[number]
        trace = self.session.trace(self.found.rois[neuron].number)[window.start : window.stop]
        return self._finite(trace, neuron, window), self._time_s(neuron, window)

    def _time_s(self, neuron: int, window: _Window) -> NDArray[np.float64]:
        return self._finite(self.session.middle_s[window.start : window.stop], neuron, window) - window.onset_s

    def _finite(self, values: NDArray, neuron: int, window: _Window) -> NDArray:
        kept = self.found.kept(neuron, window.start, window.stop)
        return np.array(values) if kept is None else values[kept]

    def table(self, deg_per_px: float) -> pd.DataFrame:
        """One row per recording, presentations within neurons."""
        session = self.session
        facts: dict[int, _Sampling] = {}
        records = []
        for neuron, number in self.rows:
            roi = self.found.rois[neuron]
            window = self.windows[number]
            if self.found.kept(neuron, window.start, window.stop) is not None:
                sampled = self._sampled(neuron, window)
            else:
                sampled = facts[number] if number in facts else facts.setdefault(number, self._sampled(neuron, window))
            records.append(self._info(roi, window, sampled, roi.shift(deg_per_px)))
        table = info_table(records)
        for name, values in session.each.items():
            table[name] = [values[k, self.found.rois[i].number] for i, k in self.rows]
        onsets_s = [self.windows[number].onset_s for _, number in self.rows]
        return table.assign(plane=session.plane, channel=session.channel, onset_s=onsets_s)

    def _sampled(self, neuron: int, window: _Window) -> _Sampling:
        time_s = self._time_s(neuron, window)
        return _Sampling(len(time_s), time_s[0], time_s[-1], evenly_spaced(time_s, self.session.rate_hz))

    def _info(self, roi: Roi, window: _Window, sampled: _Sampling, shift_px: tuple[int, int]) -> RecordingInfo:
        azi_shift_px, ele_shift_px = shift_px
        azimuth_deg, elevation_deg = roi.position_deg
        return RecordingInfo(
            cell_type=roi.cell_type,
            neuron=roi.neuron,
            animal=self.session.config.animal,
            session=self.session.config.session,
            stimulus=window.stimulus,
            trials=(window.trial,),
            azi_shift_px=azi_shift_px,
            ele_shift_px=ele_shift_px,
            n_samples=sampled.n_samples,
            start_s=sampled.start_s,
            end_s=sampled.end_s,
            rate_hz=self.session.rate_hz,
            exposure_s=self.session.exposure_s,
            even=sampled.even,
            movie_rate_hz=window.movie_hz,
            azimuth_deg=azimuth_deg,
            elevation_deg=elevation_deg,
            indicator=self.session.config.indicator,
        )
