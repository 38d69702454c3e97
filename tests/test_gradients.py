"""Gradients are summed in one order, whatever the threads do, wherever the package asks for one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch.utils import deterministic

from stcnn.gradients import backward, gradient

PACKAGE = Path(__file__).resolve().parents[1] / "stcnn"


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def read_often() -> tuple[torch.Tensor, torch.Tensor]:
    """Three numbers that are read 300,000 times, weighted so that every order of adding rounds otherwise."""
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(3, (300_000,), generator=generator)
    x = torch.zeros(3, requires_grad=True)
    return x, (x[index] * torch.randn(len(index), generator=generator).exp()).sum()


def test_a_sum_over_indices_is_that_of_one_thread_to_the_last_bit():
    with threads(1):
        x, of = read_often()
        (expected,) = torch.autograd.grad(of, x)
    with threads(2):
        for _ in range(3):
            x, of = read_often()
            assert torch.equal(gradient(of, x), expected)
            x, of = read_often()
            backward(of)
            assert x.grad is not None
            assert torch.equal(x.grad, expected)


@pytest.mark.parametrize("enabled", [False, True])
def test_pytorch_is_left_as_it_was(enabled: bool):
    fills = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(enabled)
    try:
        backward(read_often()[1])
        assert torch.are_deterministic_algorithms_enabled() == enabled
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert deterministic.fill_uninitialized_memory == fills  # type: ignore[attr-defined]
    finally:
        torch.use_deterministic_algorithms(False)


def asks(call: ast.Call) -> bool:
    """Whether a call is PyTorch's for gradients; one of our own that goes backwards is given what comes from behind."""
    name = ast.unparse(call.func)
    return name.endswith("autograd.grad") or (name.endswith(".backward") and not call.args)


def test_nothing_asks_pytorch_for_a_gradient_beside_it():
    for path in PACKAGE.rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        found = [ast.unparse(call.func) for call in calls if asks(call)]
        assert bool(found) == (path.name == "gradients.py"), f"{path.relative_to(PACKAGE)} calls {found}"
