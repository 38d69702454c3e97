"""Engines that compute a training step of the hidden stack: what each of them answers, and the step as a function.

An engine says why it cannot run a problem, whether it is worth it, and runs it with exact gradients. Which one is taken
is decided in :mod:`stcnn.nn.stack` alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from stcnn.nn.filters.kind import FilterState
from stcnn.nn.stack.problem import Clips, Moments, Problem, StackOutput


class Engine(ABC):
    """One way of computing a training step; all have the same numbers."""

    name: str
    """As in ``training.compute``."""

    def why_unavailable(self) -> str | None:
        """Return why this engine can run nothing on this machine; None if it can run something."""
        return None

    @abstractmethod
    def why_not(self, problem: Problem) -> str | None:
        """Return why this engine cannot run a problem; None if it can."""

    @abstractmethod
    def is_worth_it(self, problem: Problem) -> bool:
        """Tell whether ``auto`` should take this engine for a problem, if it can run it."""

    def why_chosen(self, problem: Problem) -> str:
        """Return what the log says where ``auto`` takes it; empty to say nothing."""
        return ""

    @abstractmethod
    def run(self, problem: Problem) -> StackOutput:
        """Run the stack in training mode with exact gradients for every tensor of the layers and the readouts."""


class TrainingRun(Protocol):
    """One training step, and what lies between its two passes."""

    @property
    def moments(self) -> list[Moments]:
        """Mean and variance of every layer's maps, once the forward pass is through."""

    @property
    def values(self) -> float:
        """Number of values per channel behind them."""

    def forward(self) -> tuple[Tensor, ...]:
        """Return what comes out: of the frames all clips share, if any, then of the rest."""

    def backward(self, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
        """Return the gradient of every tensor that went in, in order."""

    def last_integrators(self) -> list[Tensor]:
        """Return a copy of the integrators of all layers after the last frame, ``(B, Y, X, C)``.

        The backward pass uses them up.
        """


def as_function(run: TrainingRun, *tensors: Tensor | None) -> tuple[Tensor, ...]:
    """Run forward as a function of ``tensors``, whose gradients are those of the run's backward pass."""
    return _Step.apply(run, *tensors)


def stack_output(drives: Sequence[Tensor], run: TrainingRun, clips: Clips) -> StackOutput:
    """Return the output of a run from what was read of the frames all clips share, if any, and of the rest."""
    prefix = drives[0] if len(drives) > 1 else None
    after = [FilterState(v) for v in run.last_integrators()] if clips.goes_on else None
    return StackOutput(prefix, drives[-1], run.moments, run.values, after)


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, run: TrainingRun, *tensors: Tensor | None
    ) -> tuple[Tensor, ...]:
        ctx.run = run  # type: ignore[attr-defined]
        return run.forward()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor | None, ...]:
        run: TrainingRun | None = ctx.run  # type: ignore[attr-defined]
        if run is None:
            raise RuntimeError("the hidden stack keeps its maps for one backward pass: run the forward pass again")
        if torch.is_grad_enabled():
            raise NotImplementedError("the hidden stack has no second derivative: use compute='reference' for it")
        ctx.run = None  # type: ignore[attr-defined]
        return None, *run.backward(grads)
