"""Order of the batches of an epoch, which a seed and the number of the epoch decide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

POOL_BATCHES = 32
"""A shuffled epoch is cut into pools of this many batches, and clips are sorted by length within a pool."""


T = TypeVar("T")


class EpochOrder(Sampler[T]):
    """Order of what a training takes in each epoch, decided by a seed and the number of the epoch.

    Args:
        seed: seed of the order.
        shuffle: new order each epoch, else the same in all.
    """

    def __init__(self, seed: int, shuffle: bool) -> None:
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0
        self.first = 0

    def set_epoch(self, epoch: int, first: int = 0) -> None:
        """Choose the pass whose order comes next, and the place in it to begin with."""
        self.epoch = epoch
        self.first = first


class BatchOrder(EpochOrder[list[int]]):
    """Which clips form each batch of an epoch; the same seed and epoch always give the same batches.

    Args:
        n_frames: length of each clip.
        rate_hz: frames per second of each clip; a batch holds one rate.
        batch_size: clips per batch.
        seed: seed of the order.
        shuffle: new order each epoch, else shortest clips first (or as they are, where all have one length).
    """

    def __init__(
        self, n_frames: Sequence[int], rate_hz: Sequence[float], batch_size: int, *, seed: int, shuffle: bool
    ) -> None:
        super().__init__(seed, shuffle)
        self.n_frames = np.asarray(n_frames)
        self.rate_hz = np.asarray(rate_hz)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return sum(math.ceil(n / self.batch_size) for n in np.unique(self.rate_hz, return_counts=True)[1])

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(len(self.n_frames)) if self.shuffle else np.arange(len(self.n_frames))
        batches = [b for rate in np.unique(self.rate_hz) for b in self._batches(order[self.rate_hz[order] == rate])]
        if self.shuffle:
            rng.shuffle(batches)
        yield from batches[self.first :]

    def by_length(self) -> list[list[int]]:
        """Return batches of clips of similar length that are the same in every epoch."""
        order = np.argsort(self.n_frames, kind="stable")
        batches = []
        for rate in np.unique(self.rate_hz):
            mine = order[self.rate_hz[order] == rate]
            batches += [mine[s : s + self.batch_size].tolist() for s in range(0, len(mine), self.batch_size)]
        return batches

    def _batches(self, order: NDArray[np.int64]) -> list[list[int]]:
        """Cut clips into batches of similar length, sorting them by length within pools."""
        pool = POOL_BATCHES * self.batch_size if self.shuffle else len(order)
        pools = [order[start : start + pool] for start in range(0, len(order), pool)]
        by_length = np.concatenate([p[np.argsort(self.n_frames[p], kind="stable")] for p in pools])
        return [by_length[s : s + self.batch_size].tolist() for s in range(0, len(order), self.batch_size)]
