"""Memory of a training step on the CPU, whose pages are kept from step to step.

A fresh page costs as much as computing what is written to it. What a run hands back is marked as free: the system takes
it when it needs memory, and a later run of the same sizes finds it in place when it did not.
"""

from __future__ import annotations

import math
import mmap

import torch
from torch import Tensor

_spare: list[mmap.mmap] = []
"""Pages that the last run handed back."""


class Workspace:
    """All large arrays of one run."""

    def __init__(self) -> None:
        self._allocated: list[mmap.mmap] = []

    def empty(self, *shape: int) -> Tensor:
        """Return float32 memory that is not filled, aligned to a page, good until :meth:`release`."""
        count = math.prod(shape)
        pages = _allocate(4 * count)
        self._allocated.append(pages)
        return torch.frombuffer(pages, dtype=torch.float32, count=count).view(shape)

    def release(self) -> None:
        """Hand all arrays back; none of them may be used any more."""
        for pages in self._allocated:
            if hasattr(mmap, "MADV_FREE"):
                pages.madvise(mmap.MADV_FREE)
        _spare.extend(self._allocated)
        self._allocated.clear()


def _allocate(size: int) -> mmap.mmap:
    for i, pages in enumerate(_spare):
        if len(pages) == size:
            return _spare.pop(i)
    _spare.clear()  # the sizes have changed
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)
    return pages
