"""Adjoint of the hidden stack, chunk by chunk backwards in time; formulas in :mod:`stcnn.nn.stack.algorithm`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stcnn.nn.ops.correlate import correlate_adjoint
from stcnn.nn.stack.algorithm import AdjointSums, FilterAdjoint, layer_gradients, normalisation_adjoint, sums_of_all
from stcnn.nn.stack.chunked_forward import ChunkedForward


def backward(run: ChunkedForward, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
    """Return the gradient of every tensor of every layer, in order; uses up the maps that ``run`` stored."""
    found: list[Tensor | None] = []
    adjoint: Adjoint = LastAdjoint(run, grads)
    for i in reversed(range(len(run.layers))):
        step = LayerBackward(run, i, adjoint)
        found = step.gradients() + found
        adjoint = step.below
        run.memory.drop(i)
    run.memory.release()
    return found


class Adjoint:
    """``dL/dz`` of one layer by span, with the sums that the adjoint of its normalisation needs."""

    def __init__(self, run: ChunkedForward, i: int) -> None:
        self.run = run
        self.i = i
        channels = len(run.layers[i].leak)
        self.sum = run.spans[0].eye.new_zeros(channels, dtype=torch.float64)
        """``sum dz``."""
        self.dot = torch.zeros_like(self.sum)
        """``sum dz (y - mu)``."""
        self.rows: list[Tensor] = []

    @property
    def sums(self) -> AdjointSums:
        """Both sums."""
        return AdjointSums(self.sum, self.dot)

    def chunk(self, s: int, start: int, stop: int) -> Tensor:
        """Return rows of ``dz`` for frames of span ``s``."""
        return self.rows[s][start:stop]

    def collect(self, dz: Tensor, s: int, start: int, stop: int) -> None:
        """Store rows of ``dz`` and add them to the sums."""
        run = self.run
        rows = self.rows[s][start:stop]
        rows.copy_(dz)
        self.sum += run.channel_sum(rows.sum(0), s)
        if run.layers[self.i].gamma is not None:
            centred = torch.sub(run.filtered(self.i, s, start, stop), run.row("mean", self.i, s)).mul_(rows)
            self.dot += run.channel_sum(centred.sum(0), s)


class LastAdjoint(Adjoint):
    """``dL/dz`` of the last layer: zero outside the readouts' window."""

    def __init__(self, run: ChunkedForward, grads: tuple[Tensor, ...]) -> None:
        super().__init__(run, len(run.layers) - 1)
        self.grads = grads
        for s, grad in enumerate(grads):
            self.sum += grad.sum((0, 1, 2, 3), dtype=torch.float64)
            centred = run.last[s] - run.moments[-1][0]
            self.dot += centred.mul_(grad).sum((0, 1, 2, 3), dtype=torch.float64)

    def chunk(self, s: int, start: int, stop: int) -> Tensor:
        """Return rows of ``dz``, with zeros around the window."""
        grad = self.grads[s]
        full = grad.new_zeros(stop - start, grad.shape[1], *self.run.lattice, grad.shape[-1])
        self.run.window.crop(full).copy_(grad[start:stop])
        return full.flatten(1)


class NormalisationRows(NamedTuple):
    """Rows with which ``g = scale dz + slope (y - mean) + constant``, the last two times the multiplicity."""

    mean: Tensor
    scale: Tensor
    slope: Tensor
    constant: Tensor


class LayerBackward:
    """The adjoint of layer ``i``, from ``adjoint`` of its output to :attr:`below` of the layer before."""

    def __init__(self, run: ChunkedForward, i: int, adjoint: Adjoint) -> None:
        self.run = run
        self.i = i
        self.adjoint = adjoint
        self.layer = run.layers[i]
        self.kernel = run.kernel(i)
        self.below = Adjoint(run, i - 1) if i else adjoint
        if i:
            self.below.rows = [run.memory.memory_below(i, s, adjoint.rows) for s in range(len(run.spans))]
        self.h = run.memory.v[i] if self.layer.tail_weight is not None else []
        """``h`` of frames gone through, which only a finite kernel looks up again, in place of their ``v``."""
        self.d_kernel = torch.zeros_like(self.layer.weight)
        self.d_leak = torch.zeros_like(adjoint.sum)
        """``dL/db`` times ``b^2``."""
        self.d_tail_weight = torch.zeros_like(adjoint.sum)
        self.sums = adjoint.sums
        """Of the clips of all processes, once :meth:`gradients` has begun."""

    def gradients(self) -> list[Tensor | None]:
        """Run backwards over all frames; return the gradients of weight, gain, leak, tail weight, gamma and beta."""
        run = self.run
        self.sums = sums_of_all(self.layer, self.adjoint.sums)
        last = len(run.spans) - 1
        following = run.spans[last].eye.new_zeros(run.memory.row_size(self.i, last))
        for s in reversed(range(len(run.spans))):
            following = self.span_backward(s, following)
            if s:  # the clips of this span all started from the one clip of the span before
                following = following.view(run.spans[s].clips, -1).sum(0)
        d_leak = self.d_leak / self.layer.leak.double().square()
        found = FilterAdjoint(self.d_kernel, d_leak, self.d_tail_weight)
        return layer_gradients(self.layer, run.moments[self.i], self.adjoint.sums, found)

    def span_backward(self, s: int, following: Tensor) -> Tensor:
        """Go back through span ``s`` from the row ``h`` behind its end; return the row at its start."""
        run = self.run
        norm = self.normalisation_rows(s)
        for start, stop in reversed(list(run.spans[s].chunks())):
            h = self.through_normalisation(s, start, stop, norm)
            if self.layer.tail_weight is not None:
                self.d_tail_weight -= run.channel_sum((h * run.memory.delayed(self.i, s, start, stop)).sum(0), s)
            following = run.scan(self.i, s).backwards(following, h)
            v = run.memory.rows(self.i, s, start, stop)
            change = torch.empty_like(h)
            torch.sub(v[0], run.memory.before(self.i, s, start), out=change[0])
            torch.sub(v[1:], v[:-1], out=change[1:])
            du = h if self.layer.tail_weight is None else self.truncated(s, start, stop, h)
            self.d_leak += run.channel_sum(change.mul_(du).sum(0), s)
            self.through_convolution(s, start, stop, du)
        return following

    def normalisation_rows(self, s: int) -> NormalisationRows | None:
        """Return what :meth:`through_normalisation` needs; None without a normalisation."""
        if self.layer.gamma is None:
            return None
        span = self.run.spans[s]
        moments = self.run.moments[self.i]
        adjoint = normalisation_adjoint(self.layer, moments, self.sums, self.run.values)
        return NormalisationRows(
            span.row(moments[0]),
            span.row(adjoint.scale),
            span.weighted_row(adjoint.slope),
            span.weighted_row(adjoint.constant),
        )

    def through_normalisation(self, s: int, start: int, stop: int, norm: NormalisationRows | None) -> Tensor:
        """Return rows ``g = dL/dy``, in memory of their own."""
        dz = self.adjoint.chunk(s, start, stop)
        if norm is None:
            return dz.clone()
        centred = torch.sub(self.run.filtered(self.i, s, start, stop), norm.mean)
        return torch.addcmul(norm.constant, centred, norm.slope, out=centred).addcmul_(dz, norm.scale)

    def truncated(self, s: int, start: int, stop: int, h: Tensor) -> Tensor:
        """Return rows ``h[t] - r h[t + K]``; past the end of all frames ``h`` is zero."""
        run = self.run
        frames = run.spans[s].frames
        assert self.layer.tail_weight is not None
        self.h[s][start:stop] = h
        first = start + self.layer.taps
        last = stop + self.layer.taps
        parts = [self.h[s][first:last]]
        if s + 1 < len(run.spans) and last > frames:
            later = self.h[s + 1][max(first - frames, 0) : last - frames]
            parts.append(later.view(len(later), run.spans[s + 1].clips, h.shape[1]).sum(1))
        missing = (stop - start) - sum(len(p) for p in parts)
        ahead = torch.cat([*parts, h.new_zeros(missing, h.shape[1])])
        return torch.addcmul(h, run.row("tail_weight", self.i, s), ahead, value=-1)

    def through_convolution(self, s: int, start: int, stop: int, du: Tensor) -> None:
        """Add to the gradient of the kernel, and hand ``dz`` to the layer below."""
        run = self.run
        x = run.layer_input(self.i, s, start, stop)
        d_pictures = run.pictures(du, s).to(run.conv_dtype)
        dx, d_kernel = correlate_adjoint(d_pictures, x.to(run.conv_dtype), self.kernel, wants_input=self.i > 0)
        self.d_kernel += d_kernel
        if dx is not None:
            dx = dx.to(du.dtype)
            if self.layer.slope != 1:
                dx = torch.ops.aten.leaky_relu_backward(dx, x, self.layer.slope, True)
            self.below.collect(dx.permute(0, 2, 3, 1).reshape(stop - start, -1), s, start, stop)
