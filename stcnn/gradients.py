"""Gradients that are the same to the last bit, however several threads take turns.

A tensor that is read at one place by several indices, ``x[index]``, has a gradient that is a sum over these. PyTorch
adds it on several threads of a CPU in the order in which they come, and rounding depends on that order; told to be
deterministic, it adds in the order of the indices.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils import deterministic


def backward(loss: Tensor) -> None:
    """Add the gradient of a loss to that of every parameter it depends on."""
    with _one_order(loss):
        loss.backward()


def gradient(of: Tensor, to: Tensor, keep_graph: bool = False) -> Tensor:
    """Return the derivative of a number by a tensor, in the shape of the tensor.

    Args:
        of: the number, of one element.
        to: what it is derived by.
        keep_graph: derivatives of other numbers that share its computation are asked for next.
    """
    with _one_order(of):
        (found,) = torch.autograd.grad(of, to, retain_graph=keep_graph)
    return found


@contextmanager
def _one_order(result: Tensor) -> Iterator[None]:
    """Let PyTorch add in one order, on a CPU; on a GPU it keeps its own, since what another costs was not measured."""
    if result.device.type != "cpu" or torch.are_deterministic_algorithms_enabled():
        yield
        return
    fills = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]  # a property of the module
    torch.use_deterministic_algorithms(True, warn_only=True)
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # nothing is read before it is written
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
        deterministic.fill_uninitialized_memory = fills  # type: ignore[attr-defined]
