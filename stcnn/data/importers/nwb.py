"""Imports NWB files (Rübel et al. 2022, doi 10.7554/eLife.78362), HDF5 or Zarr, without reading more than is needed.

Responses are a ``RoiResponseSeries`` of ``DfOverF``, or of ``Fluorescence`` with dF/F made here; neurons are rows of
its ``PlaneSegmentation``. Movies are ``OpticalSeries`` or ``ImageSeries``, in the file or in an external video,
presented or as templates shown by an ``IndexSeries``. The times of presentations are, in this order: the CSV
``onsets`` of the configuration, a table of intervals, the index series, the presented movies' own starts.

The files are walked as trees of groups and arrays (see docs/decisions): the same code reads both backends, and
NWB's Zarr library does not install beside Zarr v3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from stcnn.data.dataset import Dataset, joined
from stcnn.data.importers.dff import DffConfig, delta_f_over_f
from stcnn.data.importers.movies import MakeMovie, MovieInfo, movies_from_specs
from stcnn.data.importers.nwb_stimuli import StoredSeries, movie_series, presentations
from stcnn.data.importers.nwb_tree import Node, attribute, opened, text, times_of, walk
from stcnn.data.importers.sessions import Roi, Session, SessionConfig, chosen_rois, read_onsets
from stcnn.data.recordings import MoviesOnDemand
from stcnn.errors import DataError, nearest
from stcnn.movie import Movie

STIMULUS_COLUMNS = ("stimulus", "stimulus_name", "stimulus_id", "stimulus_type", "condition")
ONSET_COLUMNS = ("onset_time", "stimulus_onset_time", "stimulus_start_time", "start_time")


class NwbConfig(SessionConfig):
    """An NWB file, and what it does not say."""

    kind: Literal["nwb"] = "nwb"
    series: str | None = None
    """Name or path of the response series; None takes those of DfOverF, else of Fluorescence."""
    intervals: str = "trials"
    """Name of the table of intervals in which stimuli were shown."""
    stimulus_column: str | None = None
    """Its column with the name of the stimulus; None takes the first of the usual names."""
    deg_per_px: float | None = Field(default=None, gt=0)
    """Degrees per pixel of movies that say neither this nor their field of view and distance."""
    background: float | None = Field(default=None, ge=0, le=1)
    """Luminance of grey of movies that do not say it."""
    trace_unit: Literal["fraction", "percent"] | None = None
    """Whether dF/F is given as a fraction or in percent; None believes the file."""


def open_nwb(config: NwbConfig, make_movie: MakeMovie) -> Dataset:
    """Open an NWB file; traces and movies are read when asked for.

    Raises:
        FileError, DataError: the file is missing or damaged, or lacks what is needed.
    """
    with opened(config.path) as root:
        series = response_series(root, config)
        stored = movie_series(root, config.path, config.deg_per_px, config.background)
        regions = {path: _region(root, path) for path in series}
        parts = [_session(root, path, config, regions) for path in series]
        onsets = [_onsets(root, path, config, stored) for path in series]
    movies, infos = _movies(config, stored, make_movie, pd.concat(onsets).stimulus.unique())
    return joined([s.cut(o, movies, infos) for s, o in zip(parts, onsets, strict=True)])


def response_series(root: Node, config: NwbConfig) -> list[str]:
    """Paths of the response series to read.

    Raises:
        DataError: there is none, or none of the wanted name.
    """
    found = [path for path, node in walk(root, "processing") if text(node, "neurodata_type") == "RoiResponseSeries"]
    if config.series is not None:
        wanted = [p for p in found if config.series in (p, p.rpartition("/")[2])]
        if not wanted:
            raise DataError(f"{config.path} has no series '{config.series}'", remedy=nearest(config.series, found))
        return wanted
    by_kind = {kind: [p for p in found if text(root[p.rpartition("/")[0]], "neurodata_type") == kind] for kind in KINDS}
    fluorescence = [p for p in by_kind["Fluorescence"] if "neuropil" not in p.lower() and "deconv" not in p.lower()]
    chosen = by_kind["DfOverF"] or fluorescence
    if not chosen:
        raise DataError(
            f"{config.path} has no RoiResponseSeries in DfOverF or Fluorescence",
            expected="calcium traces in processing/ophys",
        )
    return chosen


KINDS = ("DfOverF", "Fluorescence")


Region = tuple[str, NDArray[np.int64]]
"""Path of a plane segmentation, empty where there is none, and the rows of it that a series has."""


def _region(root: Node, path: str) -> Region:
    rois = root[path]["rois"]
    rows = np.asarray(rois[:]).ravel().astype(int)
    tables = [p for p, node in walk(root, "processing") if text(node, "neurodata_type") == "PlaneSegmentation"]
    table = rois.attrs.get("table")
    if isinstance(table, h5py.Reference):
        return root[table].name.strip("/"), rows
    return (tables[0] if tables else ""), rows


def _session(root: Node, path: str, config: NwbConfig, regions: Mapping[str, Region]) -> Session:
    node = root[path]
    note = json.loads(text(node, "comments") or "{}") if text(node, "comments").startswith("{") else {}
    rows = regions[path][1]
    shape = node["data"].shape
    by_neuron = len(shape) == 2 and shape[0] == len(rows) and shape[1] != len(rows)  # as Suite2p once wrote them
    time_s = times_of(node, shape[1] if by_neuron else shape[0])
    percent = "percent" in text(node["data"], "unit").lower() or "%" in text(node["data"], "unit")
    if config.trace_unit is not None:
        percent = config.trace_unit == "percent"
    is_dff = text(root[path.rpartition("/")[0]], "neurodata_type") == "DfOverF"
    dff = config.dff.model_copy(update={"baseline": "none"}) if is_dff else config.dff
    neuropil = path.replace("/Fluorescence/", "/Neuropil/") if "/Fluorescence/" in path else ""
    scale = float(attribute(node["data"], "conversion", 1.0)) * (0.01 if percent else 1)
    read = _Series(config.path, path, neuropil if neuropil in root else "", by_neuron, scale, dff, time_s)
    changes = {key: note[key] for key in ("exposure_s", "time_stamps", "indicator") if key in note}
    said = {"animal": "general/subject/subject_id", "session": "identifier"}
    named = {key: getattr(config, key) or (text(root[at], "") if at in root else "") for key, at in said.items()}
    named |= changes
    config = config.model_copy(update=named)
    return Session(time_s, read, _rois(root, path, config, regions), config, note.get("rate_hz"))


def _rois(root: Node, path: str, config: NwbConfig, regions: Mapping[str, Region]) -> list[Roi]:
    """The neurons of a series: from the CSV of the configuration, else from columns of the plane segmentation."""
    at, rows = regions[path]
    table = root[at] if at else {}
    if config.neurons is not None or "cell_type" not in table:
        return _chosen_rows(table, path, config, regions)
    columns = {name: np.asarray(table[name][:])[rows] for name in ("cell_type", "neuron") if name in table}
    position = [np.asarray(table[n][:])[rows] if n in table else np.full(len(rows), np.nan) for n in POSITION]
    shift = [np.asarray(table[n][:])[rows] for n in SHIFT if n in table]
    return [
        Roi(
            number,
            _plain_text(columns["neuron"][number]) if "neuron" in columns else str(rows[number]),
            _plain_text(columns["cell_type"][number]).lower(),
            (float(position[0][number]), float(position[1][number])),
            (int(shift[0][number]), int(shift[1][number])) if len(shift) == 2 else None,
        )
        for number in range(len(rows))
    ]


def _chosen_rows(table: Node, path: str, config: NwbConfig, regions: Mapping[str, Region]) -> list[Roi]:
    """Neurons named after their rows, and after their segmentation where there are several."""
    at, rows = regions[path]
    if config.neurons is not None:
        wanted = np.concatenate([others for _, others in regions.values()]).tolist()
    elif "iscell" in table:  # from Suite2p
        wanted = rows[np.asarray(table["iscell"][:])[rows, 0] > 0].tolist()
    else:
        wanted = rows.tolist()
    place = {row: number for number, row in enumerate(rows.tolist())}
    chosen = [replace(roi, number=place[roi.number]) for roi in chosen_rois(config, wanted) if roi.number in place]
    several = len({segmentation for segmentation, _ in regions.values()}) > 1 and config.neurons is None
    return [replace(roi, neuron=f"{at.rpartition('/')[2]}/{roi.neuron}") if several else roi for roi in chosen]


POSITION, SHIFT = ("azimuth_deg", "elevation_deg"), ("azi_shift_px", "ele_shift_px")


def _plain_text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@dataclass(frozen=True)
class _Series:
    """Reads the dF/F of a neuron of a response series."""

    file: Path
    path: str
    neuropil: str
    by_neuron: bool
    scale: float
    dff: DffConfig
    time_s: NDArray[np.float64]

    def __call__(self, number: int) -> NDArray[np.float32]:
        with opened(self.file) as root:
            trace = self._column(root[self.path]["data"], number)
            neuropil = self._column(root[self.neuropil]["data"], number) if self.neuropil else None
        rate_hz = float(1 / np.median(np.diff(self.time_s)))
        return delta_f_over_f(trace * self.scale, neuropil, rate_hz, self.dff, f"{self.file}, neuron {number}")

    def _column(self, data: Any, number: int) -> NDArray:  # noqa: ANN401 - an array of h5py or zarr
        return np.asarray(data[:] if data.ndim == 1 else data[number] if self.by_neuron else data[:, number])


def _onsets(root: Node, series: str, config: NwbConfig, stored: Mapping[str, StoredSeries]) -> pd.DataFrame:
    """When stimuli were shown, see the docstring of the module."""
    if config.onsets is not None:
        return read_onsets(config)
    tables = (f"intervals/{series.rpartition('/')[2]}_presentations", f"intervals/{config.intervals}")
    for name in tables:
        if name in root:
            return _interval_table(root[name], f"{config.path}, {name}", config)
    shown = presentations(root, stored)
    if shown.empty:
        raise DataError(
            f"{config.path} does not say when stimuli were shown",
            expected=f"a table intervals/{config.intervals}, an IndexSeries or presented movies",
            remedy="give a CSV of onsets",
        )
    return shown


def _interval_table(node: Node, where: str, config: NwbConfig) -> pd.DataFrame:
    wanted = (config.stimulus_column,) if config.stimulus_column else STIMULUS_COLUMNS
    stimulus = next((name for name in wanted if name in node), None)
    if stimulus is None:
        columns = ", ".join(sorted(node.keys()))
        raise DataError(
            f"{where} has no column {' or '.join(map(str, wanted))}, it has {columns}", remedy="set stimulus_column"
        )
    onset = next(name for name in ONSET_COLUMNS if name in node)
    onsets = pd.DataFrame(
        {
            "stimulus": [_plain_text(value) for value in node[stimulus][:]],
            "onset_s": np.asarray(node[onset][:], float),
        }
    )
    if "trial" in node:
        onsets["trial"] = np.asarray(node["trial"][:], int)
    if onset != "start_time":
        onsets["start_s"] = np.asarray(node["start_time"][:], float)
        onsets["stop_s"] = np.asarray(node["stop_time"][:], float)
    return onsets


def _movies(
    config: NwbConfig, stored: Mapping[str, StoredSeries], make_movie: MakeMovie, used: NDArray
) -> tuple[Mapping[str, Movie], dict[str, MovieInfo]]:
    """The movies that were shown: those of the configuration first, else those of the file."""
    external = {name: s.external for name, s in stored.items() if s.external is not None}
    specs = external | config.stimuli
    if all(name in specs for name in used):
        return movies_from_specs(specs, make_movie, used)
    inside = {name: s for name, s in stored.items() if name in used and name not in specs}
    outside, infos = movies_from_specs(specs, make_movie, [n for n in used if n not in inside])
    missing = [s for s in inside.values() if s.missing]
    if missing:
        raise DataError(
            f"movie '{missing[0].name}' of {config.path} does not say its {' and '.join(missing[0].missing)}",
            remedy=f"set {' and '.join(missing[0].missing)}",
        )
    load = _FileOrSpec(inside, outside)
    return MoviesOnDemand([str(n) for n in used], load), infos | {name: s.info for name, s in inside.items()}


@dataclass(frozen=True)
class _FileOrSpec:
    inside: Mapping[str, StoredSeries]
    outside: Mapping[str, Movie]

    def __call__(self, name: str) -> Movie:
        return self.inside[name].read() if name in self.inside else self.outside[name]
