"""A leaky integrator whose leak changes from frame to frame, along the first axis, with its exact adjoint."""

from __future__ import annotations

import torch
from torch import Tensor


class _VaryingLeak(torch.autograd.Function):
    """``v[t] = v[t-1] + b[t] (x[t] - v[t-1])``.

    Adjoint, with ``g = dL/dv`` and ``h[t] = g[t] + (1 - b[t+1]) h[t+1]`` running backwards from the last frame:
    ``dL/dx[t] = b[t] h[t]``,  ``dL/db[t] = h[t] (x[t] - v[t-1])``,  ``dL/dv[-1] = (1 - b[0]) h[0]``.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, b: Tensor, start: Tensor) -> Tensor:
        v = torch.empty_like(x, memory_format=torch.contiguous_format)
        last = start
        for drive, share, out in zip(x, b, v, strict=True):
            last = torch.lerp(last, drive, share, out=out)
        ctx.save_for_backward(x, b, v, start)
        return v

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if torch.is_grad_enabled():
            raise NotImplementedError("the conductance has no second derivative: call backward without create_graph")
        x, b, v, start = ctx.saved_tensors  # type: ignore[attr-defined]
        h = grads[0].clone(memory_format=torch.contiguous_format)
        for t in range(len(h) - 2, -1, -1):
            h[t].addcmul_(1 - b[t + 1], h[t + 1])
        before = torch.cat([start.unsqueeze(0), v[:-1]])
        return b * h, h * (x - before), (1 - b[0]) * h[0]


def varying_leak(x: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """Return ``v[t] = v[t-1] + b[t] (x[t] - v[t-1])``.

    Args:
        x: input ``(T, ...)``.
        b: share of the way to the input that is gone in a frame, 0..1, ``(T, ...)``.
        start: ``v[-1]``, of the shape of one frame.
    """
    found: Tensor = _VaryingLeak.apply(x, b, start)
    return found
