"""Calls of compiled code side by side, on as many threads as torch would use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

ParallelFor = Callable[[Callable[[int], None], Iterable[int]], None]
"""Calls a function with each number, side by side, and returns when all calls have."""


@contextmanager
def parallel_for() -> Iterator[ParallelFor]:
    """Give a :data:`ParallelFor` on ``torch.get_num_threads()`` threads."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:

        def call_each(call: Callable[[int], None], numbers: Iterable[int]) -> None:
            for _ in pool.map(call, numbers):
                pass

        yield call_each
