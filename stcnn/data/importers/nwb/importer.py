"""Imports NWB files (Rübel et al. 2022, doi 10.7554/eLife.78362), HDF5 or Zarr, without reading more than is needed.

Responses are a ``RoiResponseSeries`` of ``DfOverF``, or of ``Fluorescence`` with dF/F made here; neurons are rows of
its ``PlaneSegmentation``. Movies are ``OpticalSeries`` or ``ImageSeries``, in the file or in files beside it,
presented or as templates, or pictures shown by an ``IndexSeries``. The times of presentations are, in this order: the
CSV ``onsets`` of the configuration, a table of intervals, the index series, the presented movies' own starts.
What was chosen stands in the notes of the data set.

The files are walked as trees of groups and arrays (see docs/decisions): the same code reads both backends, and
NWB's Zarr library does not install beside Zarr v3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.addresses import address_of
from stcnn.data.dataset import Dataset, concatenate, with_notes
from stcnn.data.importers.dff import DffConfig, delta_f_over_f
from stcnn.data.importers.importer import importer
from stcnn.data.importers.movies import MakeMovie, MovieInfo, movies_from_specs
from stcnn.data.importers.nwb import index as nwb_index
from stcnn.data.importers.nwb.cells import cells_of, identity_of, indicator_of, plane_and_channel
from stcnn.data.importers.nwb.keys import NwbConfig
from stcnn.data.importers.nwb.movies import FileMovie, LoadMovie, StoredMovie, movie_at, movie_of_sequence, movie_paths
from stcnn.data.importers.nwb.series import Columns, column_of, note_of, times_of
from stcnn.data.importers.nwb.shown import Shown, interval_table, per_neuron, shown_in
from stcnn.data.importers.nwb.signals import Signal, chosen_signals, neuropil_of, presentations_of, signals_in
from stcnn.data.importers.nwb.tree import Node, child, opened, place_of, text
from stcnn.data.importers.sessions import Roi, Session, read_onsets
from stcnn.data.on_demand import MoviesOnDemand
from stcnn.errors import DataError
from stcnn.movie import Movie

PER_PRESENTATION = ("azi_shift_px", "ele_shift_px", "azimuth_deg", "elevation_deg")
"""Columns of a table of presentations that hold a value for each of its neurons, as our own exporter writes them."""


@importer(NwbConfig)
def open_nwb(config: NwbConfig, make_movie: MakeMovie, /) -> Dataset:
    """Open an NWB file; traces and movies are read when asked for.

    Raises:
        FileError, DataError, RateError: the file is missing or damaged, lacks what is needed, or says it in two ways.
    """
    notes: list[str] = []
    with opened(config.path) as root:
        found = signals_in(root, notes)
        signals = chosen_signals(root, found, config.series, config.path, notes)
        rois = cells_of(root, signals, _identified(root, signals, config), notes)
        parts = [_part(root, s, r, found, config, notes) for s, r in zip(signals, rois, strict=True) if r]
        if not parts:
            raise DataError(f"{config.path} has no cell to take", expected="at least one")
        shown = _shown(root, parts, config, notes)
        used = list(dict.fromkeys(name for part in shown for name in part.onsets.stimulus))
        sequences = {name: sequence for part in shown for name, sequence in part.sequences.items()}
        inside = _movies_inside(root, used, sequences, config, notes)
        if address_of(config.path):
            notes.append(_amount_elsewhere(root, signals, inside))
    movies, infos = _movies(config, inside, used, make_movie)
    whole = [p.on(s.onsets).cut(s.onsets, movies, infos) for p, s in zip(parts, shown, strict=True)]
    of_movies = (note for info in infos.values() for note in info.notes)
    return with_notes(concatenate(whole), *(f"{config.path.name}: {note}" for note in notes), *of_movies)


@dataclass(frozen=True, eq=False)
class _Part:
    """A signal of the file, and the columns that its table of presentations has for each neuron."""

    signal: Signal
    session: Session
    columns: Mapping[str, NDArray]

    def on(self, onsets: pd.DataFrame) -> Session:
        """The session with the columns for these presentations."""
        rows = onsets.index.to_numpy()
        return replace(self.session, each={name: values[rows] for name, values in self.columns.items()})


def _identified(root: Node, signals: Sequence[Signal], config: NwbConfig) -> NwbConfig:
    """The configuration with animal and session as the file names them."""
    return config.model_copy(update=identity_of(root, config, note_of(root[signals[0].path])))


def _part(
    root: Node, signal: Signal, rois: Sequence[Roi], found: Iterable[Signal], config: NwbConfig, notes: list[str]
) -> _Part:
    node = root[signal.path]
    note = note_of(node)
    time_s = times_of(node, signal.n_samples)
    if len(time_s) < 2:
        raise DataError(f"series '{signal.path}' has {len(time_s)} samples", expected="at least two")
    is_dff = signal.role == "dff"
    dff = config.dff.model_copy(update={"baseline": "none"}) if is_dff else config.dff
    neuropil = neuropil_of(signal, found, config.neuropil, notes)
    read = _Series(config.path, signal, neuropil, _to_fraction(node, is_dff, config, notes), dff, time_s)
    changes = identity_of(root, config, note)
    changes["indicator"] = config.indicator or str(note.get("indicator", indicator_of(root, signal)))
    told = {key: note[key] for key in ("exposure_s", "time_stamps") if key in note}
    table = presentations_of(root, signal)
    columns = per_neuron(table, PER_PRESENTATION, len(signal.rows)) if table is not None else {}
    plane, channel = plane_and_channel(root, signal)
    whole = config.model_copy(update=changes | told)
    session = Session(time_s, read, rois, whole, note.get("rate_hz"), plane=plane, channel=channel)
    return _Part(signal, session, columns)


def _to_fraction(node: Node, is_dff: bool, config: NwbConfig, notes: list[str]) -> float:
    """Factor that makes dF/F a fraction."""
    unit = text(child(node, "data"), "unit")
    percent = is_dff and ("percent" in unit.lower() or "%" in unit)
    if config.trace_unit is not None:
        percent = config.trace_unit == "percent"
    elif percent:
        notes.append(f"'{place_of(node)}' has the unit '{unit}': dF/F is divided by 100.")
    return 0.01 if percent else 1.0


@dataclass(frozen=True, eq=False)
class _Series:
    """Reads the dF/F of a neuron of a response series."""

    file: Path
    signal: Signal
    neuropil: Signal | None
    scale: float
    dff: DffConfig
    time_s: NDArray[np.float64]
    read: Columns = field(default_factory=Columns)
    read_neuropil: Columns = field(default_factory=Columns)

    def __call__(self, number: int) -> NDArray[np.float32]:
        with opened(self.file) as root:
            trace = column_of(root[self.signal.path], number, self.signal.by_neuron, self.read) * self.scale
            neuropil = None
            if self.neuropil is not None:
                place = int(np.flatnonzero(self.neuropil.rows == self.signal.rows[number])[0])
                node = root[self.neuropil.path]
                neuropil = column_of(node, place, self.neuropil.by_neuron, self.read_neuropil) * self.scale
        rate_hz = float(1 / np.median(np.diff(self.time_s)))
        return delta_f_over_f(trace, neuropil, rate_hz, self.dff, f"{self.file}, neuron {number}")


def _shown(root: Node, parts: Sequence[_Part], config: NwbConfig, notes: list[str]) -> list[Shown]:
    """The presentations of each part: all alike, unless our own exporter wrote a table for each."""
    if config.onsets is not None or config.presentations:
        return [Shown(read_onsets(config), {})] * len(parts)
    tables = [presentations_of(root, part.signal) for part in parts]
    for_all = shown_in(root, config, notes) if any(table is None for table in tables) else None
    return [
        Shown(interval_table(root, place_of(table), config, notes), {})
        if table is not None
        else for_all or Shown(*_NONE)
        for table in tables
    ]


_NONE: tuple[pd.DataFrame, dict[str, nwb_index.Sequence]] = (pd.DataFrame({"stimulus": [], "onset_s": []}), {})


def _movies_inside(
    root: Node, used: Sequence[str], sequences: Mapping[str, nwb_index.Sequence], config: NwbConfig, notes: list[str]
) -> dict[str, FileMovie]:
    """The movies that the file has, of those that were shown and that the configuration does not name."""
    paths = movie_paths(root)
    inside: dict[str, FileMovie] = {}
    for name in used:
        if name in config.stimuli:
            continue
        if name in sequences:
            inside[name] = movie_of_sequence(sequences[name], config)
        elif name in paths:
            inside[name] = movie_at(root, paths[name], config, notes)
    return inside


def _amount_elsewhere(root: Node, signals: Sequence[Signal], inside: Mapping[str, FileMovie]) -> str:
    """Say how much of a file that lies elsewhere an import reads."""
    pictures = [path for movie in inside.values() if isinstance(movie, StoredMovie) for path in movie.pictures.paths]
    names = [*(f"{signal.path}/data" for signal in signals), *(_array_path(root, path) for path in pictures)]
    n_bytes = sum(root[name].id.get_storage_size() for name in dict.fromkeys(names) if hasattr(root[name], "id"))
    return f"it lies elsewhere; an import reads the {n_bytes / 1e6:.1f} MB of its responses and movies."


def _array_path(root: Node, path: str) -> str:
    return f"{path}/data" if hasattr(root[path], "keys") else path


def _movies(
    config: NwbConfig, inside: Mapping[str, FileMovie], used: Sequence[str], make_movie: MakeMovie
) -> tuple[Mapping[str, Movie], dict[str, MovieInfo]]:
    """The movies that were shown, and their facts: those of the configuration first, else those of the file."""
    outside, infos = movies_from_specs(config.stimuli, make_movie, [n for n in used if n not in inside])
    if not inside:
        return outside, infos
    load = LoadMovie(inside, outside, make_movie)
    infos = infos | dict(load.infos())
    return MoviesOnDemand(used, load, notes=[note for info in infos.values() for note in info.notes]), infos
