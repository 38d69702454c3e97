"""Backward pass of one hidden layer in compiled code, over all spans and clips, for :mod:`stcnn.nn.stack.native`.

The formulas stand in :mod:`stcnn.nn.stack.engine`; gradients are summed over clips in double precision, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stcnn.nn.kernels.native.layer import Adjoint
from stcnn.nn.stack.chunked_backward import set_along

if TYPE_CHECKING:
    from stcnn.nn.stack.native import NativeRun

Each = Callable[[Callable[[int], None], Iterable[int]], None]
"""Calls a function with each number, side by side."""


@dataclass
class LayerAdjoint:
    """``dL/dz`` of one layer by span and clip, zero around a window; sums of ``dz`` and ``dz (y - mu)``, ``(2, C)``."""

    dz: list[list[Tensor]]
    window: tuple[int, ...]
    sums: Tensor


class LayerBackward:
    """The adjoint of layer ``i``, from ``adjoint`` of its output to :attr:`below` of the layer before."""

    def __init__(self, run: NativeRun, i: int, adjoint: LayerAdjoint, each: Each) -> None:
        self.run, self.i, self.adjoint, self.each = run, i, adjoint, each
        self.layer, self.native = run.layers[i], run.native[i]
        rows, columns = self.native.geometry.rows, self.native.geometry.columns
        below = [list(self.room(s)) for s in range(len(run.spans))] if i else []
        sums = torch.zeros(2, self.native.geometry.inputs, dtype=torch.float64)
        self.below = LayerAdjoint(below, (0, rows, 0, columns), sums)
        outputs = len(self.layer.leak)
        self.d_weights = torch.zeros(self.native.gradient_shape, dtype=torch.float64)
        self.d_leak, self.d_rest = torch.zeros(2, outputs, dtype=torch.float64)

    def room(self, s: int) -> Tensor:
        """Memory for ``dz`` below: that of ``v`` of this layer, free block by block, where it fits."""
        above, below = self.run.v[self.i][s], self.run.v[self.i - 1][s]
        return above if above.shape == below.shape else self.run.arena.empty(*below.shape)

    def gradients(self) -> list[Tensor | None]:
        """Run backwards over all frames; return the gradients of weight, gain, leak, rest, gamma and beta."""
        run, layer = self.run, self.layer
        after, later = None, None
        for s in reversed(range(len(run.spans))):
            after, later = self.span_backward(s, after, later)
        leak, gain = layer.leak.double(), layer.gain.double()
        d_kernel = self.native.kernel_gradient(self.d_weights, layer.weight.shape) * leak.view(-1, 1, 1, 1)
        d_weight = d_kernel * gain.view(-1, 1, 1, 1)
        d_leak = (self.d_leak / leak).float()
        d_rest = None if layer.rest is None else self.d_rest.float()
        d_beta, dot = self.adjoint.sums
        if layer.gamma is None:
            d_gain = (d_kernel * layer.weight).sum((1, 2, 3))
            return [d_weight.float(), d_gain.float(), d_leak, d_rest, None, d_beta.float()]
        var = run.moments[self.i][1].double() + layer.eps
        d_gamma = dot * var.rsqrt()
        d_gain = layer.gamma * d_gamma * layer.eps / (var * gain)
        d_weight = set_along(layer.weight, d_weight, gain * d_gain).float()
        return [d_weight, d_gain.float(), d_leak, d_rest, d_gamma.float(), d_beta.float()]

    def normalisation(self, s: int) -> Tensor:
        """Scale, mean, slope and constant of ``g = scale dz + slope (y - mean) + constant`` by clip, ``(B, 4, O)``."""
        layer, weight = self.layer, self.run.spans[s].weight
        found = torch.zeros(len(weight), 4, len(layer.leak), dtype=torch.float64)
        found[:, 0] = 1
        if layer.gamma is not None:
            mean, var = self.run.moments[self.i]
            inverse = (var.double() + layer.eps).rsqrt()
            scale, share = layer.gamma * inverse, weight[:, None] / self.run.values
            found[:, 0], found[:, 1] = scale, mean
            found[:, 2] = -share * scale * inverse.square() * self.adjoint.sums[1]
            found[:, 3] = -share * scale * self.adjoint.sums[0]
        return found.float()

    def span_backward(self, s: int, after: Tensor | None, later: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Go back through span ``s`` from what lies behind it; return what lies behind the span before.

        Args:
            s: the span.
            after: ``p`` of the frame behind it, ``(O, Y, X)``; None at the end.
            later: ``p`` of the blocks behind it, ``(blocks, O, Y, X, LANES)``.
        """
        run, span, v = self.run, self.run.spans[s], self.run.v[self.i][s]
        clips, double = len(span.weight), torch.float64
        afters = v.new_zeros(clips, *v.shape[2:5]) if after is None else after.expand(clips, -1, -1, -1).contiguous()
        p = None if self.layer.rest is None else run.adjoint_room(v.shape)
        d_weights = torch.zeros(clips, *self.d_weights.shape)
        d_leak, d_rest = torch.zeros(2, clips, len(self.layer.leak), dtype=double)
        sums = torch.zeros(clips, *self.below.sums.shape, dtype=double)
        normalisation, mean_below = self.normalisation(s), run.moments[self.i - 1][0] if self.i else None

        def clip(b: int) -> None:
            below = self.below.dz[s][b] if self.i else None
            adjoint = Adjoint(
                normalisation[b], self.adjoint.dz[s][b], self.adjoint.window, afters[b], None if p is None else p[b],
                later, d_weights[b], d_leak[b], d_rest[b], below, mean_below, sums[b] if self.i else None,
            )  # fmt: skip
            read, written = run.input(self.i, s, b), run.maps(self.i, s, b)
            self.native.backward(span.frames, read, written, run.spectra[self.i], run.decay[self.i], adjoint)

        self.each(clip, range(clips))
        self.d_weights += d_weights.sum(0, dtype=double)
        self.d_leak += d_leak.sum(0)
        self.d_rest += d_rest.sum(0)
        self.below.sums += sums.sum(0)
        return afters.sum(0), None if p is None else p[:, : self.layer.taps // run.lanes + 2].sum(0)
