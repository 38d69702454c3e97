"""Opens a store, whose format :mod:`stcnn.data.store` specifies: movies and traces are read when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from stcnn.addresses import Location, address_of, located
from stcnn.data.dataset import Dataset, select
from stcnn.data.on_demand import ByName, MoviesOnDemand, RecordingsOnDemand
from stcnn.data.recordings import Samples
from stcnn.data.store.layout import (
    CATEGORIES,
    FORMAT,
    NUMBERS,
    OPTIONAL_CATEGORIES,
    OPTIONAL_NUMBERS,
    SAMPLE_CHUNK,
    VERSION,
)
from stcnn.data.store.movies import StoredMovies
from stcnn.data.store.opened import RESTORE, Opened, bring_part, listed
from stcnn.data.store.sums import ROOT, StoredSums, require_same_attributes
from stcnn.data.store.writer import write_store
from stcnn.errors import FileError
from stcnn.reading import read_json, reading, require_file
from stcnn.remote import bring_root
from stcnn.validation import Config

__all__ = ["StoreDataConfig", "open_store", "provenance", "read_store", "write_store"]


class StoreDataConfig(Config):
    """A data set in the project's own format, and which part of it to take."""

    kind: Literal["store"] = "store"
    """A store that ``stcnn data import`` wrote."""
    path: Location
    """The store, a folder, or its address elsewhere (:mod:`stcnn.remote`)."""
    cell_types: tuple[str, ...] | None = None
    """Cell types to take, in the order that numbers them; None takes all, in the order of the store."""
    average_trials: bool | None = None
    """One recording per neuron and stimulus, the mean of its trials; else one per trial. None averages where all
    trials were sampled at the same times after onset, which needs a microscope triggered by the stimulus."""


def read_store(config: StoreDataConfig) -> Dataset:
    """Open a store and take the wanted part of it.

    Raises:
        FileError: as :func:`open_store`.
        DataError: a cell type is not there, or trials to be averaged were sampled at different times.
    """
    return select(open_store(config.path), config.cell_types, average_trials=config.average_trials)


def open_store(path: str | Path) -> Dataset:
    """Open a store; movies and traces are read when asked for.

    Raises:
        FileError: there is no store, its version is unknown, or it is damaged.
    """
    path = located(path)
    attributes = _attributes(path)
    with reading(path, "a store as stcnn wrote it", remedy=RESTORE):
        return _opened(path, attributes)


def _opened(path: Path, attributes: Mapping[str, Any]) -> Dataset:
    _require_whole(path, attributes["files"])
    require_same_attributes(path, attributes)
    opened = Opened(path)
    infos = {info["name"]: info | {"array": f"movies/{i:04d}"} for i, info in enumerate(attributes["movies"])}
    named = [*CATEGORIES, *(name for name in OPTIONAL_CATEGORIES if name in attributes["categories"])]
    numbers = [*NUMBERS, *(n for n in OPTIONAL_NUMBERS if f"recordings/{n}/zarr.json" in attributes["files"])]
    columns: dict[str, Any] = {name: opened.read(f"recordings/{name}") for name in (*named, *numbers)}
    for name in named:
        columns[name] = np.array(attributes["categories"][name], object)[columns[name]]
    columns["trials"] = _single(opened.read("recordings/trial"))
    if "recordings/print/zarr.json" in attributes["files"]:  # stores of November 2026 lack it
        columns["prints"] = _single(opened.read("recordings/print"))
    table = pd.DataFrame(columns)
    table["movie_rate_hz"] = table.stimulus.map({name: info["rate_hz"] for name, info in infos.items()})
    sums = StoredSums(path, {name: text for name, text in attributes.get("sums", {}).items() if name != ROOT})
    return Dataset(
        movies=MoviesOnDemand(infos, StoredMovies(path, infos, float(attributes["deg_per_px"]))),
        recordings=RecordingsOnDemand(table, StoredTraces(path, table.n_samples.to_numpy())),
        table=table,
        neurons=attributes["neurons"],
        shape_px=tuple(attributes["shape_px"]),
        deg_per_px=float(attributes["deg_per_px"]),
        known_hash=attributes["content_hash"],
        known_prints=StoredPrints(path, list(infos)),
        notes=tuple(map(str, (*attributes.get("notes", ()), *filter(None, [sums.note])))),
        require_unchanged=sums,
    )


def _single(numbers: NDArray[np.integer]) -> list[tuple[int]]:
    return [(number,) for number in numbers.tolist()]


def provenance(path: str | Path) -> dict[str, Any]:
    """Where the data of a store come from, as its writer said.

    Raises:
        FileError: as :func:`open_store`.
    """
    return _attributes(located(path))["provenance"]


def _attributes(path: Path) -> dict[str, Any]:
    bring_root(path / "zarr.json")
    listed.cache_clear()
    if not (path / "zarr.json").is_file():
        raise FileError(
            f"{path} is not a store", expected="a folder written by stcnn", remedy="import the recordings into one"
        )
    contents = read_json(path / "zarr.json", "the contents of a store", allow_nan=True)
    attributes = contents.get("attributes") if isinstance(contents, dict) else None
    if not isinstance(attributes, dict):
        attributes = {}
    if attributes.get("format") != FORMAT or attributes.get("version") != VERSION:
        raise FileError(
            f"{path} is a store of format '{attributes.get('format')}', version {attributes.get('version')}",
            expected=f"'{FORMAT}', version {VERSION}",
            remedy="open it with the version of stcnn that wrote it, or import the recordings again",
        )
    return attributes


def _require_whole(path: Path, files: Mapping[str, int]) -> None:
    if address_of(path):
        return  # each file is compared when it is fetched
    for name, size in files.items():
        try:
            found = (path / name).stat().st_size
        except OSError:
            found = -1
        if found != size:
            raise FileError(
                f"the store {path} is damaged: {name} " + (f"has {found} bytes" if found >= 0 else "is missing"),
                expected=f"{size} bytes",
                remedy=RESTORE,
            )


class StoredPrints(Opened, ByName[NDArray[np.uint64]]):
    """Fingerprints of the movies of a store, read when the first is asked for."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        super().__init__(path)
        self.names = {name: i for i, name in enumerate(names)}

    @cached_property
    def prints(self) -> NDArray[np.uint64]:
        """All fingerprints, ``(M, Y, X)``."""
        return self.read("fingerprints")

    def __getitem__(self, name: str) -> NDArray[np.uint64]:
        return self.prints[self.names[name]]


class StoredTraces(Opened):
    """Reads the traces of a store and their time stamps."""

    def __init__(self, path: Path, n_samples: NDArray[np.int64]) -> None:
        super().__init__(path)
        self.first = _starts(n_samples)
        self.traces = _Mapped(path, "traces", "<f4")
        self.stamps = _Mapped(path, "clocks/time_s", "<f8")

    @cached_property
    def clocks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The clock of each recording, and the place of the first stamp of each clock."""
        return self.read("recordings/clock"), _starts(self.read("clocks/n_samples"))

    def __call__(self, index: int) -> Samples:
        """Read the samples of one recording."""
        clock_of, first_stamp = self.clocks
        clock = clock_of[index]
        trace = self.traces.read(self.first[index], self.first[index + 1])
        return trace, self.stamps.read(first_stamp[clock], first_stamp[clock + 1])


def _starts(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


class _Mapped:
    """A one-dimensional array in plain chunks, mapped into memory chunk by chunk."""

    def __init__(self, store: Path, name: str, dtype: str) -> None:
        self.store = store
        self.name = name
        self.path = store / name
        self.dtype = dtype
        self.chunks: dict[int, NDArray[Any]] = {}

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Copy of the values from start up to, not including, stop."""
        if not 0 <= start <= stop:
            raise FileError(f"{self.path} is damaged: samples {start} to {stop} are asked for", remedy=RESTORE)
        pieces = [self._chunk(number) for number in range(start // SAMPLE_CHUNK, (stop - 1) // SAMPLE_CHUNK + 1)]
        offset = start // SAMPLE_CHUNK * SAMPLE_CHUNK
        whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        values = np.array(whole[start - offset : stop - offset])
        if len(values) != stop - start:
            raise FileError(f"{self.path} is damaged: it ends before sample {stop}", remedy=RESTORE)
        return values

    def _chunk(self, number: int) -> NDArray[Any]:
        if number not in self.chunks:
            bring_part(self.store, f"{self.name}/c/{number}")
            self.chunks[number] = _mapped(self.path / "c" / str(number), self.dtype)
        return self.chunks[number]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"chunks": {}}


def _mapped(path: Path, dtype: str) -> NDArray[Any]:
    """A file of numbers mapped into memory: by torch, since numpy keeps one file open for each, and they run out."""
    kind = np.dtype(dtype)
    n_bytes = require_file(path, "a chunk of a store")
    values = torch.from_file(str(path), shared=False, size=n_bytes, dtype=torch.uint8).numpy()
    return values[: n_bytes // kind.itemsize * kind.itemsize].view(kind)
