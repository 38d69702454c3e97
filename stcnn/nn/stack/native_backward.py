"""Backward pass of one hidden layer in compiled code, over all spans and clips, for :mod:`stcnn.nn.stack.native`.

The formulas stand in :mod:`stcnn.nn.stack.algorithm`; gradients are summed over clips in double precision, in
their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from stcnn.nn.kernels.native.layer_args import BackwardArgs
from stcnn.nn.kernels.native.threads import ParallelFor
from stcnn.nn.stack.algorithm import AdjointSums, FilterAdjoint, layer_gradients, normalisation_adjoint, sums_of_all
from stcnn.nn.stack.native_saved import Saved


@dataclass
class LayerAdjoint:
    """``dL/dz`` of one layer by span and clip, zero around a window; sums of ``dz`` and ``dz (y - mu)``, ``(2, C)``."""

    dz: list[list[Tensor]]
    window: tuple[int, ...]
    sums: Tensor


class AdjointBoundary(NamedTuple):
    """Boundary behind a span when time runs backwards."""

    after: Tensor | None
    """``p`` of the frame behind it, ``(O, Y, X)``; None at the end."""
    later: Tensor | None
    """``p`` of the blocks behind it, ``(blocks, O, Y, X, LANES)``."""


class LayerBackward:
    """The adjoint of layer ``i``, from ``adjoint`` of its output to :attr:`below` of the layer before."""

    def __init__(self, saved: Saved, i: int, adjoint: LayerAdjoint, each: ParallelFor) -> None:
        self.saved = saved
        self.i = i
        self.adjoint = adjoint
        self.each = each
        self.layer = saved.layers[i]
        self.native = saved.native[i]
        geometry = self.native.geometry
        below = [list(self.memory_below(s)) for s in range(len(saved.spans))] if i else []
        sums = torch.zeros(2, geometry.inputs, dtype=torch.float64)
        self.below = LayerAdjoint(below, (0, geometry.rows, 0, geometry.columns), sums)
        self.d_weights = torch.zeros(self.native.gradient_shape, dtype=torch.float64)
        self.d_leak = torch.zeros(geometry.outputs, dtype=torch.float64)
        self.d_tail_weight = torch.zeros(geometry.outputs, dtype=torch.float64)
        self.sums = AdjointSums(*adjoint.sums)
        """Of the clips of all processes, once :meth:`gradients` has begun."""

    def memory_below(self, s: int) -> Tensor:
        """Return memory for ``dz`` below: that of ``v`` of this layer, free block by block, where it fits."""
        above = self.saved.v[self.i][s]
        below = self.saved.v[self.i - 1][s]
        return above if above.shape == below.shape else self.saved.workspace.empty(*below.shape)

    def gradients(self) -> list[Tensor | None]:
        """Run backwards over all frames; return the gradients of weight, gain, leak, tail weight, gamma and beta."""
        layer = self.layer
        self.sums = sums_of_all(layer, AdjointSums(*self.adjoint.sums))
        behind = AdjointBoundary(None, None)
        for s in reversed(range(len(self.saved.spans))):
            behind = self.span_backward(s, behind)
        leak = layer.leak.double()
        d_kernel = self.native.kernel_gradient(self.d_weights, layer.weight.shape) * leak.view(-1, 1, 1, 1)
        found = FilterAdjoint(d_kernel, self.d_leak / leak, self.d_tail_weight)
        return layer_gradients(layer, self.saved.moments[self.i], AdjointSums(*self.adjoint.sums), found)

    def normalisation(self, s: int) -> Tensor:
        """Scale, mean, slope and constant of ``g = scale dz + slope (y - mean) + constant`` by clip, ``(B, 4, O)``."""
        layer = self.layer
        weight = self.saved.spans[s].weight
        found = torch.zeros(len(weight), 4, len(layer.leak), dtype=torch.float64)
        found[:, 0] = 1
        if layer.gamma is not None:
            moments = self.saved.moments[self.i]
            adjoint = normalisation_adjoint(layer, moments, self.sums, self.saved.values)
            found[:, 0] = adjoint.scale
            found[:, 1] = moments[0]
            found[:, 2] = weight[:, None] * adjoint.slope
            found[:, 3] = weight[:, None] * adjoint.constant
        return found.float()

    def span_backward(self, s: int, behind: AdjointBoundary) -> AdjointBoundary:
        """Go back through span ``s``; return what lies behind the span before."""
        saved = self.saved
        span = saved.spans[s]
        v = saved.v[self.i][s]
        clips = len(span.weight)
        if behind.after is None:
            after = v.new_zeros(clips, *v.shape[2:5])
        else:
            after = behind.after.expand(clips, -1, -1, -1).contiguous()
        p = None if self.layer.tail_weight is None else saved.adjoint_memory(v.shape)
        d_weights = torch.zeros(clips, *self.d_weights.shape)
        d_leak = torch.zeros(clips, len(self.layer.leak), dtype=torch.float64)
        d_tail_weight = torch.zeros_like(d_leak)
        sums = torch.zeros(clips, *self.below.sums.shape, dtype=torch.float64)
        normalisation = self.normalisation(s)
        mean_below = saved.moments[self.i - 1][0] if self.i else None

        def clip(b: int) -> None:
            args = BackwardArgs(
                normalisation=normalisation[b],
                dz=self.adjoint.dz[s][b],
                window=self.adjoint.window,
                after=after[b],
                p=None if p is None else p[b],
                later=behind.later,
                d_weights=d_weights[b],
                d_leak=d_leak[b],
                d_tail_weight=d_tail_weight[b],
                dz_below=self.below.dz[s][b] if self.i else None,
                mean_below=mean_below,
                sums_below=sums[b] if self.i else None,
            )
            read = saved.input(self.i, s, b)
            written = saved.maps(self.i, s, b)
            self.native.backward(span.frames, read, written, saved.spectra[self.i], saved.decay[self.i], args)

        self.each(clip, range(clips))
        self.d_weights += d_weights.sum(0, dtype=torch.float64)
        self.d_leak += d_leak.sum(0)
        self.d_tail_weight += d_tail_weight.sum(0)
        self.below.sums += sums.sum(0)
        later = None if p is None else p[:, : self.layer.taps // saved.lanes + 2].sum(0)
        return AdjointBoundary(after.sum(0), later)
