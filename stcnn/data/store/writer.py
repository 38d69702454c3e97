"""Writes a data set into a store; the format is specified in :mod:`stcnn.data.store`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from stcnn.data.dataset import ContentDigest, Dataset
from stcnn.data.recordings import trace_print
from stcnn.data.splitting.duplicates import fingerprint
from stcnn.data.store.layout import (
    CATEGORIES,
    FORMAT,
    MOVIE_CHUNK,
    NUMBERS,
    OPTIONAL_CATEGORIES,
    OPTIONAL_NUMBERS,
    SAMPLE_CHUNK,
    VERSION,
)
from stcnn.data.store.sums import ROOT, sum_of_attributes
from stcnn.errors import DataError, FileError
from stcnn.reading import read_json, sha256_of
from stcnn.writing import atomic_folder

COMPRESSORS = (BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"), Crc32cCodec())
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many."""


def write_store(
    data: Dataset,
    path: str | Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Path:
    """Write a data set of single trials; movies and traces pass through one at a time.

    Args:
        data: what to write.
        path: folder to make, by custom ``NAME.zarr``.
        provenance: where the data come from, anything JSON can hold.
        overwrite: replace a store that is already there.
        progress: told how far the writing is.

    Raises:
        FileError: there is something at ``path`` already, or it cannot be written.
        DataError: the recordings are averages of trials.
    """
    path = Path(path)
    require_free(path, overwrite=overwrite)
    if data.table.trials.map(len).max() > 1:
        raise DataError("the recordings are averages of trials", expected="single trials", remedy="read single trials")
    data.require_unchanged()
    with atomic_folder(path, replace=overwrite) as draft:
        _write(data, draft, dict(provenance or {}), progress)
    return path


def require_free(path: Path, *, overwrite: bool) -> None:
    """Refuse to write where there is something already, before any work is done.

    Raises:
        FileError: there is something that is not to be replaced, or that is no store.
    """
    if not path.exists() and not path.is_symlink():
        return
    if not overwrite:
        raise FileError(f"{path} exists already", remedy="choose another name, or replace it with --overwrite")
    if path.is_symlink() or not is_store(path):
        raise FileError(
            f"{path} is there and is no store of stcnn, which alone is replaced",
            remedy="choose another name, or remove it yourself",
        )


def is_store(path: Path) -> bool:
    """Whether a folder is a store of this program, of any version; an empty one may become a store."""
    root = path / "zarr.json"
    if not path.is_dir():
        return False
    if not root.exists():
        return not any(path.iterdir())
    try:
        return read_json(root, "the contents of a store", allow_nan=True)["attributes"]["format"] == FORMAT
    except (FileError, KeyError, TypeError):
        return False


def _write(data: Dataset, path: Path, provenance: Mapping[str, Any], progress: Progress) -> None:
    group = zarr.create_group(path, overwrite=True)
    digest = ContentDigest(data)
    prints = np.zeros((len(data.movies), *data.shape_px), np.uint64)
    movies = list(_write_movies(group, data, digest, prints, progress))
    group.create_array("fingerprints", data=prints, chunks=(min(64, len(prints)), *data.shape_px))
    _write_traces(group, data, digest, progress)
    categories = _write_columns(group, data.table)
    attributes = {
        "format": FORMAT,
        "version": VERSION,
        "content_hash": digest.hexdigest(),
        "provenance": dict(provenance),
        "notes": list(data.notes),
        "shape_px": list(data.shape_px),
        "deg_per_px": data.deg_per_px,
        "neurons": {t: list(uids) for t, uids in data.neurons.items()},
        "categories": categories,
        "movies": movies,
        "files": {f.relative_to(path).as_posix(): f.stat().st_size for f in _files(path)},
    }
    group.attrs.update(json.loads(json.dumps(attributes, default=_plain)))
    as_written = json.loads((path / ROOT).read_text())["attributes"]
    sums = {name: sha256_of(path / name) for name in as_written["files"]}
    group.attrs.update({"sums": {ROOT: sum_of_attributes(as_written), **sums}})


def _files(path: Path) -> list[Path]:
    return sorted(f for f in path.rglob("*") if f.is_file() and f != path / ROOT)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON does not know
    """Value as JSON can hold it: arrays and numpy numbers as lists and numbers, anything else as text."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def _write_movies(
    group: zarr.Group, data: Dataset, digest: ContentDigest, prints: NDArray[np.uint64], progress: Progress
) -> Iterator[dict]:
    """Write the movies by name; fills in their fingerprints and yields what the root says of each."""
    folder = group.create_group("movies")
    for i, name in enumerate(sorted(data.movies)):
        movie = data.movies[name]
        digest.add_movie(name, movie)
        prints[i] = fingerprint(movie)
        frames = movie.frames if movie.levels is not None else movie.frames.astype(np.float16)
        shard = -(-len(frames) // MOVIE_CHUNK) * MOVIE_CHUNK
        array = folder.create_array(
            f"{i:04d}",
            shape=frames.shape,
            dtype=frames.dtype,
            chunks=(min(MOVIE_CHUNK, shard), *data.shape_px),
            shards=(shard, *data.shape_px),
            compressors=COMPRESSORS,
            attributes={"track": {key: np.asarray(values).tolist() for key, values in movie.track.items()}},
            config={"write_empty_chunks": True},
        )
        array[:] = frames
        levels = movie.levels if movie.levels is not None else np.array([frames.min(), frames.max()])
        progress("movies", i + 1, len(data.movies))
        yield {
            "name": name,
            "n_frames": movie.n_frames,
            "rate_hz": float(movie.rate_hz),
            "background": float(movie.background),
            "onset_s": float(movie.onset_s),
            "black_level": float(levels.min()),
            "white_level": float(levels.max()),
            "levels": None if movie.levels is None else [float(level) for level in movie.levels],
            "parameters": dict(movie.parameters),
            "sha256": hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest(),
        }


def _write_traces(group: zarr.Group, data: Dataset, digest: ContentDigest, progress: Progress) -> None:
    total = int(data.table.n_samples.sum())
    traces = _ragged(group, "traces", total, "float32")
    clocks: dict[bytes, int] = {}
    stamps: list[NDArray[np.float64]] = []
    clock_of = np.empty(len(data), np.int32)
    prints = np.empty(len(data), np.uint64)
    buffer = []
    written = 0
    for i, recording in enumerate(data.recordings):
        digest.add_recording(i, recording.trace)
        prints[i] = trace_print(recording.trace)
        time_s = np.ascontiguousarray(recording.time_s, np.float64)
        clock_of[i] = clocks.setdefault(hashlib.sha256(time_s.data).digest(), len(clocks))
        if clock_of[i] == len(stamps):
            stamps.append(time_s)
        buffer.append(np.asarray(recording.trace, np.float32))
        if i + 1 == len(data) or sum(map(len, buffer)) >= SAMPLE_CHUNK:
            block = np.concatenate(buffer)
            keep = 0 if i + 1 == len(data) else len(block) % SAMPLE_CHUNK
            traces[written : written + len(block) - keep] = block[: len(block) - keep]
            written += len(block) - keep
            buffer = [block[len(block) - keep :]]
            progress("recordings", i + 1, len(data))
    columns = group.create_group("recordings")
    columns.create_array("clock", data=clock_of)
    columns.create_array("print", data=prints)
    folder = group.create_group("clocks")
    folder.create_array("n_samples", data=np.array([len(s) for s in stamps], np.int32))
    _ragged(folder, "time_s", sum(map(len, stamps)), "float64")[:] = np.concatenate(stamps)


def _ragged(group: zarr.Group, name: str, length: int, dtype: str) -> zarr.Array:
    return group.create_array(
        name,
        shape=(length,),
        dtype=dtype,
        chunks=(SAMPLE_CHUNK,),
        compressors=None,
        config={"write_empty_chunks": True},
    )


def _write_columns(group: zarr.Group, table: pd.DataFrame) -> dict[str, list[str]]:
    """Write the table of recordings; return the names behind the codes of its text columns."""
    folder = group["recordings"]
    assert isinstance(folder, zarr.Group)
    categories = {}
    for name in (*CATEGORIES, *(name for name in OPTIONAL_CATEGORIES if name in table)):
        codes, names = pd.factorize(table[name])
        folder.create_array(name, data=codes.astype(np.int32))
        categories[name] = [str(n) for n in names]
    for name, dtype in (NUMBERS | {n: t for n, t in OPTIONAL_NUMBERS.items() if n in table}).items():
        folder.create_array(name, data=table[name].to_numpy(dtype))
    folder.create_array("trial", data=np.array([trials[0] for trials in table.trials], np.int32))
    return categories
