"""What a data set is to the rest of the program: movies, recordings made while they were shown, and batches of both.

Axes: B clips, T frames, Y rows, X columns, R recordings. A *presentation* is a movie shown at one place, that is
with one shift; everything recorded to it can share one pass through the network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from stcnn.data.clocks import sample_prediction
from stcnn.data.recordings import Recording, SelectedRecordings, neurons_of, recording_table
from stcnn.errors import DataError, ShapeError, nearest
from stcnn.movie import Movie


@dataclass(frozen=True, eq=False)
class Dataset:
    """Movies and the recordings made while they were shown; build one with :meth:`of`.

    Args:
        movies: name to movie; every movie is held once, in 8-bit codes where that is exact.
        recordings: the recordings, in their lasting order.
        table: one row per recording, see :data:`stcnn.data.recordings.TABLE_COLUMNS`.
        neurons: cell type to identifiers of its neurons; the place in the list is the neuron's index.
        shape_px: rows and columns of the movies.
        deg_per_px: degrees of visual angle per pixel.
        known_hash: content hash where it is known without reading everything.
    """

    movies: Mapping[str, Movie]
    recordings: Sequence[Recording]
    table: pd.DataFrame
    neurons: Mapping[str, Sequence[str]]
    shape_px: tuple[int, int]
    deg_per_px: float
    known_hash: str | None = None

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
        """
        if not recordings:
            raise DataError("the data set holds no recording", expected="at least one")
        for stimulus in dict.fromkeys(r.stimulus for r in recordings):
            if stimulus not in movies:
                raise DataError(
                    f"recordings of stimulus '{stimulus}' have no movie of that name",
                    remedy=f"add the movie or correct the name; {nearest(stimulus, movies)}",
                )
        first_name, first = next(iter(movies.items()))
        for name, movie in movies.items():
            _require_same_screen(first_name, first, name, movie)
        table = recording_table(recordings, {name: float(movie.rate_hz) for name, movie in movies.items()})
        return cls(movies, recordings, table, neurons or neurons_of(table), first.shape_px, float(first.deg_per_px))

    @property
    def cell_types(self) -> tuple[str, ...]:
        """Names of the cell types; the place in the tuple is the type's index."""
        return tuple(self.neurons)

    @property
    def rate_hz(self) -> float:
        """Frames per second of the movies; of the fastest where they differ."""
        return float(self.table.movie_rate_hz.max())

    def __len__(self) -> int:
        return len(self.recordings)

    def subset(self, indices: Sequence[int]) -> Dataset:
        """The data set with only these recordings; movies, neurons and their indices stay as they are."""
        chosen = [int(i) for i in indices]
        table = self.table.iloc[chosen].reset_index(drop=True)
        known = self.known_hash and hashlib.sha256(repr((self.known_hash, chosen)).encode()).hexdigest()
        return replace(self, recordings=SelectedRecordings(self.recordings, chosen), table=table, known_hash=known)

    def content_hash(self) -> str:
        """SHA-256 of everything in the data set, in hexadecimal; data opened from the same source have the same."""
        if self.known_hash:
            return self.known_hash
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
        target: float32 ``(R, S)``, dF/F; S is T where the traces were sampled at the movie frames.
        weight: float32 ``(R, S)``, 1 where the prediction is scored, else 0.
        rate_hz: frames per second.
        item: int64 ``(R,)``, index of the recording in the data set.
        exposure: float32 ``(2, R, S)``, start and end of the exposure of each sample in frames from the clip's first;
            None where the traces were sampled at the movie frames.
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
    exposure: Tensor | None = None

    def at_samples(self, prediction: Tensor) -> Tensor:
        """Bring predictions ``(R, T)`` at the movie frames to the times of the target, ``(R, S)``."""
        if self.exposure is None:
            return prediction
        return sample_prediction(prediction, self.exposure[0], self.exposure[1])

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
