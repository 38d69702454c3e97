"""Losses of a batch by cell type, of which several processes may each have a share of the recordings."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stcnn.ranks import ranks, summed


class TypeLosses(NamedTuple):
    """Mean loss of the recordings of each cell type in a batch.

    Args:
        types: indices of the cell types that have a recording in the batch, of any process.
        counts: recordings of each, of all processes.
        means: mean over them, of all processes, ``(N,)``; without gradient.
        own: what the recordings of this process add to these means, ``(N,)``; with gradient.
    """

    types: list[int]
    counts: list[int]
    means: Tensor
    own: Tensor

    @classmethod
    def of(cls, error: Tensor, cell_type: Tensor, scored: Tensor, n_types: int) -> TypeLosses:
        """Return those of a batch.

        Args:
            error: loss of each recording, ``(R,)``.
            cell_type: index of its cell type, ``(R,)``.
            scored: whether it counts, ``(R,)``.
            n_types: number of cell types.
        """
        counts = summed(torch.bincount(cell_type[scored], minlength=n_types)).tolist()
        types = [i for i, count in enumerate(counts) if count]
        if not types:
            return cls([], [], error.new_zeros(0), error.new_zeros(0))
        sums = torch.stack([error[scored & (cell_type == i)].sum() for i in types])
        n = [counts[i] for i in types]
        own = sums / sums.new_tensor(n)
        means = own.detach() if ranks().number == 1 else summed(own.detach().double()).to(own)
        return cls(types, n, means, own)
