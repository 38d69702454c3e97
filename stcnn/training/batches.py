"""The batches of one epoch, which can be taken up again in the middle."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader

from stcnn.data.batching import BatchOrder
from stcnn.data.dataset import Batch


class EpochBatches:
    """The batches of one epoch in an order that follows from seed and epoch alone.

    ``state_dict`` and ``load_state_dict`` are Lightning's protocol for loaders that resume: batches that were already
    learned from are passed over.

    Args:
        loader: a loader of :func:`stcnn.data.batching.loader`.
        epoch: number of the epoch, from zero.
    """

    def __init__(self, loader: DataLoader[Batch], epoch: int) -> None:
        self.loader, self.epoch = loader, epoch
        self._n_passed = self._n_given = 0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Batch]:
        order = self.loader.sampler
        assert isinstance(order, BatchOrder)
        order.set_epoch(self.epoch)
        with torch.random.fork_rng(devices=[]):  # a loader draws from the global generator, and twice when resumed
            batches = iter(self.loader)
        n_passed, self._n_passed = self._n_passed, 0
        for self._n_given, batch in enumerate(batches, start=1):
            if self._n_given > n_passed:
                yield batch

    def state_dict(self) -> dict[str, int]:
        """Return how many batches of the epoch were given."""
        return {"n_given": self._n_given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Pass over the batches that were given before."""
        self._n_passed = state["n_given"]
