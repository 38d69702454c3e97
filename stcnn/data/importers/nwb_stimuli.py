"""The stimulus side of an NWB file: movies in the file or beside it, and the times at which they were shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.importers.movies import MovieInfo
from stcnn.data.importers.nwb_tree import Node, attribute, opened, target_of, text, times_of, walk
from stcnn.movie import Movie

MOVIE_TYPES = ("OpticalSeries", "ImageSeries")
FOLDERS = ("stimulus/templates", "stimulus/presentation")


@dataclass(frozen=True)
class StoredSeries:
    """A movie of an NWB file.

    ``missing`` names what the file does not say; ``external`` is what a movie outside of the file is made from.
    """

    file: Path
    path: str
    name: str
    info: MovieInfo
    background: float
    missing: tuple[str, ...] = ()
    external: dict[str, Any] | None = None

    def read(self) -> Movie:
        """Read the frames; colours are averaged, 8-bit values divided by 255."""
        with opened(self.file) as root:
            data = root[self.path]["data"]
            scale, offset = (
                float(attribute(data, key, default)) for key, default in (("conversion", 1), ("offset", 0))
            )
            frames = np.asarray(data[:])
        if frames.ndim == 4:
            frames = frames[..., :3].mean(-1).astype(frames.dtype)
        if frames.dtype != np.uint8 or (scale, offset) != (1, 0):
            frames = frames.astype(np.float32) * np.float32(scale) + np.float32(offset)
        info = self.info
        return Movie.from_luminance(
            *(frames, info.rate_hz), deg_per_px=info.deg_per_px, background=self.background, onset_s=info.onset_s
        )


def movie_series(root: Node, file: Path, deg_per_px: float | None, background: float | None) -> dict[str, StoredSeries]:
    """The movies of a file by name; index series are resolved to the movies that they show."""
    found = {}
    for folder in FOLDERS:
        for path, node in walk(root, folder):
            if text(node, "neurodata_type") in MOVIE_TYPES:
                series = _series(node, path, file, deg_per_px, background)
                found[series.name] = series
    return found


def _series(node: Node, path: str, file: Path, deg_per_px: float | None, background: float | None) -> StoredSeries:
    note = json.loads(text(node, "comments")) if text(node, "comments").startswith("{") else {}
    name = note.get("name", path.rpartition("/")[2])
    shape = node["data"].shape if "data" in node else (0, 0, 0)
    rate_hz = note.get("rate_hz") or _rate(node)
    deg_per_px = note.get("deg_per_px") or deg_per_px or _deg_per_px(node, shape)
    background = note.get("background", background)
    units = {"rate_hz": rate_hz, "deg_per_px": deg_per_px, "background": background}
    missing = tuple(unit for unit, value in units.items() if value is None)
    external = None
    if "external_file" in node and (not shape[0] or not all(shape)):
        video = np.asarray(node["external_file"][:]).ravel()[0]
        place = file.parent / (video.decode() if isinstance(video, bytes) else str(video))
        external = {"file": place} | {unit: value for unit, value in units.items() if value is not None}
    info = MovieInfo(
        shape[0], rate_hz or 1.0, (int(shape[1]), int(shape[2])), deg_per_px or 1.0, float(note.get("onset_s", 0))
    )
    return StoredSeries(file, path, name, info, background or 0.0, missing, external)


def _rate(node: Node) -> float | None:
    if "starting_time" in node:
        rate_hz = float(attribute(node["starting_time"], "rate", 0))
        return rate_hz or None
    if "timestamps" in node and node["timestamps"].shape[0] > 1:
        return float(1 / np.median(np.diff(np.asarray(node["timestamps"][:]))))
    return None


def _deg_per_px(node: Node, shape: tuple[int, ...]) -> float | None:
    """Degrees per pixel from field of view (width, height in metres) and distance; the mean over the screen."""
    if "field_of_view" not in node or "distance" not in node or not shape[2]:
        return None
    width_m = float(np.asarray(node["field_of_view"][:]).ravel()[0])
    distance_m = float(np.asarray(node["distance"][()]).ravel()[0])
    return float(np.degrees(2 * np.arctan(width_m / (2 * distance_m))) / shape[2])


def presentations(root: Node, stored: Mapping[str, StoredSeries]) -> pd.DataFrame:
    """When movies were shown: the runs of index series, and the starts of presented movies."""
    rows: list[tuple[str, float]] = []
    for path, node in walk(root, "stimulus/presentation"):
        kind = text(node, "neurodata_type")
        if kind == "IndexSeries":
            target = target_of(node, "indexed_timeseries").strip("/")
            name = next((s.name for s in stored.values() if s.path == target), target.rpartition("/")[2])
            rows += [(name, onset) for onset in _runs(node)]
        elif kind in MOVIE_TYPES:
            series = next(s for s in stored.values() if s.path == path)
            rows.append((series.name, float(times_of(node, 1)[0]) + series.info.onset_s))
    return pd.DataFrame(rows, columns=["stimulus", "onset_s"]).sort_values("onset_s", ignore_index=True)


def _runs(node: Node) -> Iterator[float]:
    """Start of each pass through the frames of a template."""
    frames: NDArray = np.asarray(node["data"][:]).ravel()
    time_s = times_of(node, len(frames))
    starts = np.flatnonzero(np.concatenate([[True], np.diff(frames.astype(int)) <= 0]))
    yield from time_s[starts].tolist()
