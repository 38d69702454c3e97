"""The batches of one epoch, which can be taken up again in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch.utils.data import DataLoader

from stcnn.data.batch import Batch
from stcnn.data.batch_order import BatchOrder
from stcnn.data.batching import ClipBatches
from stcnn.data.pieces import PieceOrder
from stcnn.ranks import ranks
from stcnn.training.length import Length


def share_clips(loader: DataLoader[Batch]) -> DataLoader[Batch]:
    """Let a new loader make the clips of every batch that are this process's own, of several that train together.

    A batch that has fewer clips than there are processes comes without weight to the others.
    """
    batches = loader.dataset
    assert isinstance(batches, ClipBatches)
    here = ranks()
    batches.share = slice(here.index, None, here.number)
    return loader


def share_batches(loader: DataLoader[Batch], most: int | None) -> DataLoader[Batch]:
    """Return a loader of the batches that are this process's own; of all where there are fewer than processes.

    Args:
        loader: of batches in an order that does not change.
        most: how many batches count; None is all.
    """
    here = ranks()
    order = list(loader.sampler)[:most]
    if here.number == 1 or len(order) < here.number:
        return loader
    mine = order[here.index :: here.number]
    n_workers = loader.num_workers
    return DataLoader(
        loader.dataset, sampler=mine, batch_size=None, num_workers=n_workers, persistent_workers=n_workers > 0
    )


class EpochBatches:
    """The batches of one epoch in an order that follows from seed and step alone.

    ``state_dict`` and ``load_state_dict`` are Lightning's protocol for loaders that resume: batches that were already
    learned from are passed over.

    Args:
        loader: a loader of :func:`stcnn.data.batching.loader`.
        epoch: number of the epoch, from zero.
        length: of the training; None makes every epoch a pass over the recordings.
    """

    def __init__(self, loader: DataLoader[Batch], epoch: int, length: Length | None = None) -> None:
        self.loader = loader
        n_batches = len(loader)
        self.steps = range(epoch * n_batches, (epoch + 1) * n_batches) if length is None else length.steps_of(epoch)
        self._n_passed = self._n_given = 0

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Batch]:
        steps = self.steps[self._n_passed :]
        self._n_given = self._n_passed
        self._n_passed = 0
        while steps:
            number, first = divmod(steps[0], len(self.loader))
            order = self.loader.sampler
            assert isinstance(order, BatchOrder | PieceOrder)
            order.set_epoch(number, first)
            with torch.random.fork_rng(devices=[]):  # a loader draws from the global generator, and twice when resumed
                batches = iter(self.loader)
            n_batches = min(len(steps), len(self.loader) - first)
            for batch in islice(batches, n_batches):
                self._n_given += 1
                yield batch
            steps = steps[n_batches:]

    def state_dict(self) -> dict[str, int]:
        """Return how many batches of the epoch were given."""
        return {"n_given": self._n_given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Pass over the batches that were given before."""
        self._n_passed = state["n_given"]
