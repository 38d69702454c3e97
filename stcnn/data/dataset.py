"""What a data set is to the rest of the program: movies, recordings made while they were shown, and batches of both.

Axes: B clips, T frames, Y rows, X columns, R recordings. A *presentation* is a movie shown at one place, that is
with one shift; everything recorded to it can share one pass through the network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, overload

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn.errors import DataError, RateError, ShapeError, nearest
from stcnn.movie import Movie


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


def recording_table(recordings: Iterable[Recording]) -> pd.DataFrame:
    """One row per recording with everything but the samples: the columns that splits and batches are planned from."""
    rows = [
        [
            *(r.cell_type, r.neuron, r.animal, r.session, r.stimulus, r.trials, *r.shift_px),
            *(len(r.trace), float(r.time_s[0]), float(r.time_s[-1]), float(r.rate_hz)),
        ]
        for r in recordings
    ]
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS))


TABLE_COLUMNS = (
    *("cell_type", "neuron", "animal", "session", "stimulus", "trials", "azi_shift_px", "ele_shift_px"),
    *("n_samples", "start_s", "end_s", "rate_hz"),
)


class _Selected(Sequence[Recording]):
    """Some recordings of a larger sequence, looked up when asked for."""

    def __init__(self, recordings: Sequence[Recording], indices: Sequence[int]) -> None:
        self.recordings, self.indices = recordings, indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Recording: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Recording]: ...
    def __getitem__(self, index: int | slice) -> Recording | Sequence[Recording]:
        if isinstance(index, slice):
            return _Selected(self.recordings, self.indices[index])
        return self.recordings[self.indices[index]]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Movies and the recordings made while they were shown; build one with :meth:`of`.

    Args:
        movies: name to movie; every movie is held once, in 8-bit codes where that is exact.
        recordings: the recordings, in their lasting order.
        table: one row per recording, see :data:`TABLE_COLUMNS`.
        neurons: cell type to identifiers of its neurons; the place in the list is the neuron's index.
        rate_hz: frames per second of the movies.
        shape_px: rows and columns of the movies.
        deg_per_px: degrees of visual angle per pixel.
    """

    movies: Mapping[str, Movie]
    recordings: Sequence[Recording]
    table: pd.DataFrame
    neurons: Mapping[str, Sequence[str]]
    rate_hz: float
    shape_px: tuple[int, int]
    deg_per_px: float

    @classmethod
    def of(
        cls,
        movies: Mapping[str, Movie],
        recordings: Sequence[Recording],
        neurons: Mapping[str, Sequence[str]] | None = None,
    ) -> Dataset:
        """Make a data set from movies and recordings in memory.

        Args:
            movies: name to movie.
            recordings: recordings of these movies.
            neurons: cell type to neurons in index order; by default in the order in which they appear.

        Raises:
            DataError: there is no recording, or one names a movie that is not there.
            ShapeError: the movies differ in size or resolution.
            RateError: the movies differ in rate.
        """
        if not recordings:
            raise DataError("the data set holds no recording", expected="at least one")
        table = recording_table(recordings)
        for stimulus in table.stimulus.unique():
            if stimulus not in movies:
                raise DataError(
                    f"recordings of stimulus '{stimulus}' have no movie of that name",
                    remedy=f"add the movie or correct the name; {nearest(stimulus, movies)}",
                )
        first_name, first = next(iter(movies.items()))
        for name, movie in movies.items():
            _require_same_screen(first_name, first, name, movie)
        if neurons is None:
            neurons = {t: list(table.neuron[table.cell_type == t].unique()) for t in table.cell_type.unique()}
        return cls(movies, recordings, table, neurons, float(first.rate_hz), first.shape_px, float(first.deg_per_px))

    @property
    def cell_types(self) -> tuple[str, ...]:
        """Names of the cell types; the place in the tuple is the type's index."""
        return tuple(self.neurons)

    def __len__(self) -> int:
        return len(self.recordings)

    def subset(self, indices: Sequence[int]) -> Dataset:
        """The data set with only these recordings; movies, neurons and their indices stay as they are."""
        chosen = [int(i) for i in indices]
        table = self.table.iloc[chosen].reset_index(drop=True)
        return replace(self, recordings=_Selected(self.recordings, chosen), table=table)

    def content_hash(self) -> str:
        """SHA-256 of everything in the data set, in hexadecimal: equal exactly where the data are equal."""
        digest = hashlib.sha256(repr((dict(self.neurons), self.rate_hz, self.deg_per_px)).encode())
        for name in sorted(self.movies):
            movie = self.movies[name]
            digest.update(repr((name, movie.frames.shape, movie.rate_hz, movie.background, movie.onset_s)).encode())
            digest.update(np.ascontiguousarray(movie.frames).data)
            digest.update(b"" if movie.levels is None else movie.levels.tobytes())
        for row, recording in zip(self.table.itertuples(index=False), self.recordings, strict=True):
            digest.update(repr(tuple(map(str, row))).encode())
            digest.update(recording.trace.tobytes())
        return digest.hexdigest()


def _require_same_screen(first_name: str, first: Movie, name: str, movie: Movie) -> None:
    if movie.shape_px != first.shape_px or movie.deg_per_px != first.deg_per_px:
        raise ShapeError(
            f"movie '{name}' has {movie.shape_px[0]} x {movie.shape_px[1]} px of {movie.deg_per_px:g} deg "
            f"but '{first_name}' has {first.shape_px[0]} x {first.shape_px[1]} px of {first.deg_per_px:g} deg",
            expected="movies of one size and resolution",
            remedy="resample the movies to one screen",
        )
    if movie.rate_hz != first.rate_hz:
        raise RateError(
            f"movie '{name}' runs at {movie.rate_hz:g} Hz but '{first_name}' at {first.rate_hz:g} Hz",
            expected="movies of one rate",
        )


@dataclass
class Batch:
    """Clips and the recordings made while they were shown, as one training step takes them.

    Args:
        codes: uint8 ``(B, T, Y, X)`` codes into ``levels``, or float32 contrast where a movie has more than 256
            grey values.
        levels: float32 ``(B, 256)``, contrast of each code; grey is exactly zero. None with float32 ``codes``.
        multiplicity: float32 ``(B,)``, how many recordings share each clip.
        n_grey: number of leading frames that are grey in every clip.
        clip: int64 ``(R,)``, the clip of each recording (index in B).
        cell_type: int64 ``(R,)``, index of its cell type.
        neuron: int64 ``(R,)``, index of its neuron within the cell type.
        target: float32 ``(R, T)``, dF/F.
        weight: float32 ``(R, T)``, 1 where the prediction is scored, else 0.
        rate_hz: frames per second.
        item: int64 ``(R,)``, index of the recording in the data set.
    """

    codes: Tensor
    levels: Tensor | None
    multiplicity: Tensor
    n_grey: int
    clip: Tensor
    cell_type: Tensor
    neuron: Tensor
    target: Tensor
    weight: Tensor
    rate_hz: float
    item: Tensor

    @property
    def n_frames(self) -> int:
        """Number of frames T of every clip."""
        return int(self.codes.shape[1])

    def contrast(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Contrast (luminance minus background) of frames ``start..stop``, float32 ``(B, T, Y, X)``; grey is zero."""
        frames = self.codes[:, start:stop]
        if self.levels is None:
            return frames
        contrast = self.levels.new_empty(frames.shape)
        for codes, levels, out in zip(frames, self.levels, contrast, strict=True):
            torch.index_select(levels, 0, codes.flatten().int(), out=out.view(-1))
        return contrast

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, from which the copy to a GPU is faster."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {name: change(v) for name, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **changed)
