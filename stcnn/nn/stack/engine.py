"""Training of the hidden stack as one autograd function: exact, in chunks of frames that stay in cache.

One layer, with C channels, ``b = 1 - exp(-dt/tau)``, ``r = exp(-K dt/tau)`` (0 for an infinite kernel):

    u[t] = W' * x[t]                        spatial correlation, W' = gain W
    v[t] = v[t-1] + b (u[t] - v[t-1])       leaky integrator (stored)
    y[t] = v[t] - r v[t-K]
    z[t] = scale y[t] + shift               normalisation, or scale = 1 and shift = bias
    x[t] of the next layer = leaky rectifier of z[t]   (made again from v when needed)

Batch normalisation weights clip c with its multiplicity m_c: ``n = sum m_c T P`` values, ``mu`` and ``var`` their
weighted moments, ``i = 1/sqrt(var + eps)``, ``scale = gamma i``, ``shift = beta - mu scale``. Its adjoint, with
``S1 = sum dz`` and ``S2 = sum dz (y - mu) i``:

    dbeta = S1,   dgamma = S2,   g = dL/dy = gamma i (dz - m_c/n (S1 + (y - mu) i S2))

and that of the filter, backwards in time:

    h[t] = h[t+1] + b (g[t] - h[t+1]),   dL/du[t] = h[t] - r h[t+K]
    dL/db = sum_t dL/du[t] (v[t] - v[t-1]) / b^2,   dL/dr = -sum_t g[t] v[t-K]

Behind batch normalisation the loss hardly depends on the gain: ``gain dL/dgain = W . dL/dW = gamma S2 eps/(var + eps)``
in closed form. As a sum it would cancel, so what rounding leaves of ``dL/dW`` along ``W`` is exchanged for it.

Clips that start alike share their first frames: the *prefix*, one clip of multiplicity ``sum m_c`` whose last state
starts all others and collects their adjoints. Memory: one array of frames x columns x channels per layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from stcnn.nn.readout import Reading
from stcnn.nn.stack.chunked_backward import backward
from stcnn.nn.stack.chunked_forward import Clips, FusedLayer, Run


class StackOutput(NamedTuple):
    """What the readouts take from the last layer ``(T, B, N)``, and the statistics of every layer."""

    prefix: Tensor | None
    rest: Tensor
    moments: list[tuple[Tensor, Tensor]]
    """Weighted mean and biased variance of each layer's maps before normalisation."""
    values: float
    """Number of values per channel behind the moments."""


def run_fused(layers: list[FusedLayer], clips: Clips, reading: Reading, recompute: bool = False) -> StackOutput:
    """Run the stack in training mode with exact gradients for every tensor of ``layers``.

    Args:
        layers: the hidden layers as tensors.
        clips: photoreceptor maps.
        reading: what the readouts take from the last layer.
        recompute: remember one row per chunk instead of all, and run forward again during the backward pass: less
            memory for more time. Finite kernels are remembered whole all the same.
    """
    return train(FusedRun(layers, clips, reading.window, recompute), layers, reading)


class FusedRun(Run):
    """One training step in PyTorch."""

    def backward(self, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
        """Return the gradient of every tensor of every layer, in order; uses up what the forward pass stored."""
        return backward(self, grads)


class TrainingRun(Protocol):
    """What computes one training step and remembers what lies between its two passes."""

    moments: list[tuple[Tensor, Tensor]]
    values: float

    def forward(self) -> tuple[Tensor, ...]:
        """Return what comes out: of the frames all clips share, if any, then of the rest."""

    def backward(self, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
        """Return the gradient of every tensor that went in, in order."""


def train(run: TrainingRun, layers: list[FusedLayer], reading: Reading) -> StackOutput:
    """Run forward, with exact gradients through the run's backward pass, and read the normalised maps it returns."""
    maps = through(run, *tensors(layers))
    return output([reading.drive(part) for part in maps], run)


def tensors(layers: list[FusedLayer]) -> list[Tensor | None]:
    """All tensors of the layers, in order."""
    return [tensor for layer in layers for tensor in layer[:6]]


def through(run: TrainingRun, *tensors: Tensor | None) -> tuple[Tensor, ...]:
    """Run forward as a function of ``tensors``, whose gradients are those of the run's backward pass."""
    return _Stack.apply(run, *tensors)


def output(drives: Sequence[Tensor], run: TrainingRun) -> StackOutput:
    """The output of a run from what was read of the frames all clips share, if any, and of the rest."""
    return StackOutput(drives[0] if len(drives) > 1 else None, drives[-1], run.moments, run.values)


class _Stack(torch.autograd.Function):
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
            raise NotImplementedError("the hidden stack has no second derivative: use compute='modular' for it")
        ctx.run = None  # type: ignore[attr-defined]
        return None, *run.backward(grads)
