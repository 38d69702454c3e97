"""Recordings that were held out of a training, on which it is measured what a lesion costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stcnn.data.batching import BatchingConfig
from stcnn.data.dataset import Dataset
from stcnn.evaluate import predict
from stcnn.experiments.physiology.curves import Values
from stcnn.movie import Movie
from stcnn.nn.model import STCNN


@dataclass(frozen=True)
class HeldOut:
    """A held-out part of recordings.

    Args:
        dataset: of the recordings, those of the part alone.
        batching: padding and scored window, as in training.
    """

    dataset: Dataset
    batching: BatchingConfig

    def correlation(self, model: STCNN) -> Values:
        """Return the held-out correlation of each cell type, all its traces joined, ``(N,)``; NaN without any."""
        scores = predict(model, self.dataset, self.batching).scores(self.dataset.cell_types).set_index("cell_type")
        return scores.correlation.reindex(list(model.cell_types)).to_numpy(float)

    def seen_through(self, change: Callable[[Movie], Movie]) -> HeldOut:
        """Return the same recordings with their movies changed."""
        movies = {name: change(self.dataset.movies[name]) for name in self.dataset.table.stimulus.unique()}
        return replace(self, dataset=replace(self.dataset, movies=movies, known_hash=None))


def without_brightness(movie: Movie) -> Movie:
    """Return a movie in which nothing is brighter than grey: its ON half removed."""
    return _clipped(movie, 0.0, movie.background)


def without_darkness(movie: Movie) -> Movie:
    """Return a movie in which nothing is darker than grey: its OFF half removed."""
    return _clipped(movie, movie.background, 1.0)


def _clipped(movie: Movie, low: float, high: float) -> Movie:
    (low32, high32) = (np.float32(low), np.float32(high))
    if movie.levels is not None:
        return replace(movie, levels=np.clip(movie.levels, low32, high32), parameters={})
    return replace(movie, frames=np.clip(movie.luminance(), low32, high32), parameters={})
