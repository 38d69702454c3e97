"""The leaky integrator over rows, ``v[t] = v[t-1] + b (u[t] - v[t-1])``, without gradients, in few calls.

A frame of one clip is a short row, and a call per frame costs more than its arithmetic. Narrow rows are therefore
scanned in blocks side by side from zero, ``w``; the true start of each block, carried from block to block, is then
added with the powers of its decay, ``v[k] = w[k] + (1 - b)^(k+1) v[-1]``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from stcnn.nn.kernels.triton.launch import leaky_integral, runs_in_triton

WIDE_ROW = 16_384
"""Rows from this width on are scanned one by one."""


class Scan:
    """The integrator for rows of one width.

    Args:
        leak: ``b`` of each element of a row, ``(N,)``.
    """

    def __init__(self, leak: Tensor) -> None:
        self.leak = leak
        self._powers: dict[int, Tensor] = {}

    def powers(self, n: int) -> Tensor:
        """Return ``(1 - b)^k`` for ``k = 1..n``, ``(n, N)``; exact for small ``b``."""
        if n not in self._powers:
            exponent = torch.arange(1, n + 1, dtype=self.leak.dtype, device=self.leak.device)[:, None]
            self._powers = {n: torch.exp(exponent * torch.log1p(-self.leak))}
        return self._powers[n]

    def forwards(self, start: Tensor, u: Tensor, out: Tensor) -> Tensor:
        """Integrate rows ``u`` ``(T, N)`` into ``out`` (which may be ``u``) from row ``start``; return the last row."""
        if runs_in_triton(u) and u.is_contiguous() and out.is_contiguous():
            return leaky_integral(u, self.leak, start, out)[-1].clone()
        return self._run(start, u, out, 1)

    def backwards(self, start: Tensor, rows: Tensor) -> Tensor:
        """Integrate ``rows`` in place from the last to the first, from ``start`` behind them; return the first."""
        return self._run(start, rows, rows, -1)

    def _run(self, start: Tensor, u: Tensor, out: Tensor, step: int) -> Tensor:
        frames = len(u)
        length = math.isqrt(len(u))
        if self.leak.numel() >= WIDE_ROW or length < 4:
            return _row_by_row(start, self.leak, u.unbind(0)[::step], out.unbind(0)[::step])
        whole = frames // length * length
        first = 0 if step > 0 else frames - whole
        u_blocks, v = (rows[first : first + whole].unflatten(0, (-1, length)) for rows in (u, out))
        order = range(length)[::step]
        previous = torch.zeros_like(v[:, 0])
        for k in order:
            previous = torch.lerp(previous, u_blocks[:, k], self.leak, out=v[:, k])
        powers = self.powers(length)
        starts = torch.empty_like(previous)
        for block in range(len(starts))[::step]:
            starts[block] = start
            start = torch.addcmul(previous[block], powers[-1], start)
        v.addcmul_((powers if step > 0 else powers.flip(0))[None], starts[:, None])
        left_over = slice(whole, None) if step > 0 else slice(0, frames - whole)
        return _row_by_row(start, self.leak, u[left_over].unbind(0)[::step], out[left_over].unbind(0)[::step])


def _row_by_row(previous: Tensor, leak: Tensor, u: Sequence[Tensor], out: Sequence[Tensor]) -> Tensor:
    for u_t, v_t in zip(u, out, strict=True):
        previous = torch.lerp(previous, u_t, leak, out=v_t)
    return previous.clone()
