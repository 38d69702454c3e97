"""Summary of a data set, session by session, in the words that the terminal and the page of an import share.

Everything follows from the table of recordings: no movie and no trace is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from stcnn.data.dataset import Dataset
from stcnn.data.recordings import optional_column

UNKNOWN = "–"
T = TypeVar("T")
SHOWN_ONSETS = 3
SHOWN_NAMES = 6


@dataclass(frozen=True)
class SessionSummary:
    """One imaging session of one animal.

    Args:
        animal: its identifier.
        session: its identifier.
        planes: imaging planes; empty where not known.
        channels: channels of the microscope; empty where not known.
        cells: cell type to the number of its neurons.
        n_stimuli: how many movies were shown.
        n_presentations: how often a movie was shown.
        trials: fewest and most repeats of a stimulus that a neuron has.
        rate_hz: least and greatest imaging rate.
        window_s: from where to where recordings last, in seconds after stimulus onset.
        onsets: the first presentations in order, stimulus and seconds on the imaging clock; empty where not known.
    """

    animal: str
    session: str
    planes: tuple[str, ...]
    channels: tuple[str, ...]
    cells: Mapping[str, int]
    n_stimuli: int
    n_presentations: int
    trials: tuple[int, int]
    rate_hz: tuple[float, float]
    window_s: tuple[float, float]
    onsets: tuple[tuple[str, float], ...]

    def in_words(self) -> str:
        """The session as a sentence."""
        row = self.row()
        named = f"Session {self.session or UNKNOWN} of animal {self.animal or UNKNOWN}"
        places = [
            f"{what if len(names) == 1 else f'{what}s'} {', '.join(names)}"
            for what, names in (("plane", self.planes), ("channel", self.channels))
            if names
        ]
        shown = f"{row['presentations']} presentations of {row['stimuli']} stimuli, {row['trials']} trials"
        onsets = f"; first onsets {row['first onsets (s)']} s" if self.onsets else ""
        cells = ", ".join([f"{row['cells']} cells", *places])
        return f"{named}: {cells}; {shown}; imaged at {row['Hz']} Hz{onsets}."

    def row(self) -> dict[str, str]:
        """The session in words, heading to cell."""
        return {
            "animal": self.animal or UNKNOWN,
            "session": self.session or UNKNOWN,
            "planes": places_in_words(self.planes),
            "channels": places_in_words(self.channels),
            "cells": ", ".join(f"{number} {cell_type}" for cell_type, number in self.cells.items()),
            "stimuli": str(self.n_stimuli),
            "presentations": str(self.n_presentations),
            "trials": span(*self.trials),
            "Hz": span(*self.rate_hz, digits=4),
            "window (s)": f"{self.window_s[0]:.2f} to {self.window_s[1]:.2f}",
            "first onsets (s)": ", ".join(f"{name} {onset_s:.3f}" for name, onset_s in self.onsets) or UNKNOWN,
        }


@dataclass(frozen=True)
class TypeSummary:
    """One cell type: how many neurons, animals, stimuli and recordings, fewest and most trials of a stimulus."""

    cell_type: str
    n_neurons: int
    n_animals: int
    n_stimuli: int
    n_recordings: int
    trials: tuple[int, int]

    def row(self) -> dict[str, str]:
        """The cell type in words, heading to cell."""
        return {
            "cell type": self.cell_type,
            "neurons": str(self.n_neurons),
            "animals": str(self.n_animals),
            "stimuli": str(self.n_stimuli),
            "recordings": str(self.n_recordings),
            "trials": span(*self.trials),
        }


@dataclass(frozen=True)
class Summary:
    """Summary of a data set.

    Args:
        types: its cell types.
        sessions: its sessions, in order of first appearance.
        notes: sentences about choices that the import made and about what it left out.
        n_recordings: number of single trials (or averages).
        n_animals: number of animals.
        n_movies: number of movies that were shown.
        shape_px: rows and columns of the movies.
        deg_per_px: degrees of visual angle per pixel.
        movie_rates_hz: frame rates of the movies.
        rate_hz: least and greatest imaging rate.
        n_samples: fewest and most samples of a recording.
        window_s: from where to where recordings last, in seconds after stimulus onset.
    """

    types: tuple[TypeSummary, ...]
    sessions: tuple[SessionSummary, ...]
    notes: tuple[str, ...]
    n_recordings: int
    n_animals: int
    n_movies: int
    shape_px: tuple[int, int]
    deg_per_px: float
    movie_rates_hz: tuple[float, ...]
    rate_hz: tuple[float, float]
    n_samples: tuple[int, int]
    window_s: tuple[float, float]

    @property
    def n_neurons(self) -> int:
        """Number of neurons of all cell types."""
        return sum(each.n_neurons for each in self.types)

    def type_rows(self) -> list[dict[str, str]]:
        """The cell types in words."""
        return [each.row() for each in self.types]

    def session_rows(self) -> list[dict[str, str]]:
        """The sessions in words."""
        return [each.row() for each in self.sessions]

    def movies_in_words(self) -> str:
        """Number, size and rate of the movies, one sentence."""
        rows, columns = self.shape_px
        rates = ", ".join(f"{rate:g}" for rate in self.movie_rates_hz)
        size = f"{columns * self.deg_per_px:.4g} x {rows * self.deg_per_px:.4g} deg"
        return (
            f"Movies: {self.n_movies} of {rows} x {columns} px (rows x columns) at {self.deg_per_px:g} deg, "
            f"{size} (wide x high), {rates} Hz."
        )

    def traces_in_words(self) -> str:
        """Rate, length and window of the traces, one sentence."""
        first_s, last_s = self.window_s
        return (
            f"Traces: {span(*self.rate_hz, digits=4)} Hz, {self.n_samples[0]} to {self.n_samples[1]} samples, "
            f"{first_s:.2f} to {last_s:.2f} s after stimulus onset."
        )


def summarise(data: Dataset) -> Summary:
    """Say what a data set holds."""
    table = data.table.assign(
        plane=optional_column(data.table, "plane"),
        channel=optional_column(data.table, "channel"),
        onset_s=optional_column(data.table, "onset_s"),
    )
    return Summary(
        types=tuple(_type(str(name), rows) for name, rows in table.groupby("cell_type", sort=False)),
        sessions=tuple(_session(rows) for _, rows in table.groupby(["animal", "session"], sort=False)),
        notes=tuple(data.notes),
        n_recordings=len(table),
        n_animals=int(table.animal.nunique()),
        n_movies=int(table.stimulus.nunique()),
        shape_px=data.shape_px,
        deg_per_px=data.deg_per_px,
        movie_rates_hz=tuple(sorted(table.movie_rate_hz.unique())),
        rate_hz=(float(table.rate_hz.min()), float(table.rate_hz.max())),
        n_samples=(int(table.n_samples.min()), int(table.n_samples.max())),
        window_s=(float(table.start_s.min()), float(table.end_s.max())),
    )


def _type(cell_type: str, rows: pd.DataFrame) -> TypeSummary:
    return TypeSummary(
        cell_type=cell_type,
        n_neurons=int(rows.neuron.nunique()),
        n_animals=int(rows.animal.nunique()),
        n_stimuli=int(rows.stimulus.nunique()),
        n_recordings=len(rows),
        trials=_trials(rows),
    )


def _session(rows: pd.DataFrame) -> SessionSummary:
    shown = _presentations(rows)
    timed = shown[np.isfinite(shown.onset_s)].sort_values("onset_s", kind="stable")
    onsets = timed.head(SHOWN_ONSETS)
    return SessionSummary(
        animal=str(rows.animal.iloc[0]),
        session=str(rows.session.iloc[0]),
        planes=_names(rows.plane),
        channels=_names(rows.channel),
        cells={str(name): int(own.neuron.nunique()) for name, own in rows.groupby("cell_type", sort=False)},
        n_stimuli=int(rows.stimulus.nunique()),
        n_presentations=len(shown),
        trials=_trials(rows),
        rate_hz=(float(rows.rate_hz.min()), float(rows.rate_hz.max())),
        window_s=(float(rows.start_s.min()), float(rows.end_s.max())),
        onsets=tuple(zip(onsets.stimulus.astype(str), onsets.onset_s.astype(float), strict=True)),
    )


def _presentations(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each time that a movie was shown in a session: what neurons share is one presentation."""
    single = rows.explode("trials") if rows.trials.map(len).max() > 1 else rows.assign(trials=rows.trials.str[0])
    return single.drop_duplicates(["stimulus", "trials"])


def _trials(rows: pd.DataFrame) -> tuple[int, int]:
    """Fewest and most trials that a neuron has of a stimulus."""
    counts = rows.trials.map(len).groupby([rows.cell_type, rows.neuron, rows.stimulus]).sum()
    return int(counts.min()), int(counts.max())


def _names(values: pd.Series) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in values if value != ""}))


def places_in_words(names: tuple[str, ...]) -> str:
    """Number and names of planes or channels, the first of many; a dash where nothing is known."""
    if not names:
        return UNKNOWN
    shown = ", ".join(names[:SHOWN_NAMES]) + (" ..." if len(names) > SHOWN_NAMES else "")
    return f"{len(names)} ({shown})"


def span(low: float, high: float, digits: int = 10) -> str:
    """One number, or from where to where."""
    return " to ".join(dict.fromkeys(f"{value:.{digits}g}" for value in (low, high)))


def sampled(things: Iterable[T], most: int) -> list[T]:
    """Of many things at most so many, evenly spread over their order, the first and the last among them."""
    every = list(things)
    if len(every) <= most:
        return every
    return [every[place] for place in np.unique(np.linspace(0, len(every) - 1, most).round().astype(int))]
