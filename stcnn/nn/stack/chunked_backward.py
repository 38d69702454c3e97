"""The adjoint of the fused hidden stack, chunk by chunk backwards in time; the formulas stand in ``fused.py``."""

from __future__ import annotations

import torch
from torch import Tensor

from stcnn.nn.ops.correlate import correlate_adjoint
from stcnn.nn.stack.chunked_forward import Run


def backward(run: Run, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
    """Return the gradient of every tensor of every layer, in order; uses up the maps that ``run`` stored."""
    found: list[Tensor | None] = []
    adjoint: Adjoint = LastAdjoint(run, grads)
    for i in reversed(range(len(run.layers))):
        step = LayerBackward(run, i, adjoint)
        found = step.gradients() + found
        adjoint = step.below
        run.memory.forget(i)
    run.memory.release()
    return found


def set_along(weight: Tensor, gradient: Tensor, known: Tensor) -> Tensor:
    """Return ``gradient`` in float64, moved along ``weight`` such that their product over a kernel is ``known``.

    Args:
        weight: ``(O, C, kY, kX)``.
        gradient: of the loss to it; what lies along ``weight`` is a difference that nearly cancels.
        known: ``sum weight gradient`` of each output channel, ``(O,)``.
    """
    w, d = weight.double().flatten(1), gradient.double().flatten(1)
    missing = known.double() - (w * d).sum(1)
    norm = w.square().sum(1)
    return (d + torch.where(norm > 0, missing / norm, 0.0)[:, None] * w).view_as(gradient)


class Adjoint:
    """``dL/dz`` of one layer by span, with the sums that the adjoint of its normalisation needs."""

    def __init__(self, run: Run, i: int) -> None:
        self.run, self.i = run, i
        channels = run.layers[i].leak.shape[0]
        self.sum = run.spans[0].eye.new_zeros(channels, dtype=torch.float64)
        """``sum dz``."""
        self.dot = torch.zeros_like(self.sum)
        """``sum dz (y - mu)``."""
        self.rows: list[Tensor] = []

    def take(self, s: int, start: int, stop: int) -> Tensor:
        """Rows of ``dz`` for frames of span ``s``."""
        return self.rows[s][start:stop]

    def collect(self, dz: Tensor, s: int, start: int, stop: int) -> None:
        """Store rows of ``dz`` and add them to the sums."""
        run, rows = self.run, self.rows[s][start:stop]
        rows.copy_(dz)
        self.sum += run.channel_sum(rows.sum(0), s)
        if run.layers[self.i].gamma is not None:
            centred = torch.sub(run.filtered(self.i, s, start, stop), run.row("mean", self.i, s)).mul_(rows)
            self.dot += run.channel_sum(centred.sum(0), s)


class LastAdjoint(Adjoint):
    """``dL/dz`` of the last layer: zero outside the readouts' window."""

    def __init__(self, run: Run, grads: tuple[Tensor, ...]) -> None:
        super().__init__(run, len(run.layers) - 1)
        self.grads = grads
        for s, grad in enumerate(grads):
            self.sum += grad.sum((0, 1, 2, 3), dtype=torch.float64)
            centred = run.last[s] - run.moments[-1][0]
            self.dot += centred.mul_(grad).sum((0, 1, 2, 3), dtype=torch.float64)

    def take(self, s: int, start: int, stop: int) -> Tensor:
        """Rows of ``dz``, with zeros around the window."""
        grad = self.grads[s]
        full = grad.new_zeros(stop - start, grad.shape[1], *self.run.plane, grad.shape[-1])
        self.run.window.crop(full).copy_(grad[start:stop])
        return full.flatten(1)


class LayerBackward:
    """The adjoint of layer ``i``, from ``adjoint`` of its output to :attr:`below` of the layer before."""

    def __init__(self, run: Run, i: int, adjoint: Adjoint) -> None:
        self.run, self.i, self.adjoint, self.layer = run, i, adjoint, run.layers[i]
        self.kernel = run.kernel(i)
        self.below = Adjoint(run, i - 1) if i else adjoint
        if i:
            self.below.rows = [run.memory.room_below(i, s, adjoint.rows) for s in range(len(run.spans))]
        self.h = run.memory.v[i] if self.layer.rest is not None else []
        """``h`` of frames gone through, which only a finite kernel looks up again, in place of their ``v``."""
        self.d_kernel = torch.zeros_like(self.layer.weight)
        self.d_leak = torch.zeros_like(adjoint.sum)
        self.d_rest = torch.zeros_like(adjoint.sum)

    def gradients(self) -> list[Tensor | None]:
        """Run backwards over all frames; return the gradients of weight, gain, leak, rest, gamma and beta."""
        last = len(self.run.spans) - 1
        following = self.run.spans[last].eye.new_zeros(self.run.row_size(self.i, last))
        for s in reversed(range(len(self.run.spans))):
            following = self.span_backward(s, following)
            if s:  # the clips of this span all started from the one clip of the span before
                following = following.view(self.run.spans[s].clips, -1).sum(0)
        layer, adjoint = self.layer, self.adjoint
        like = layer.weight
        d_weight = self.d_kernel * layer.gain.view(-1, 1, 1, 1)
        d_leak = (self.d_leak / layer.leak.double().square()).to(like)
        d_rest = None if layer.rest is None else self.d_rest.to(like)
        if layer.gamma is None:
            d_gain = (self.d_kernel * layer.weight).sum((1, 2, 3))
            return [d_weight, d_gain, d_leak, d_rest, None, adjoint.sum.to(like)]
        var = self.run.moments[self.i][1].double() + layer.eps
        d_gamma = adjoint.dot * var.rsqrt()
        d_gain = layer.gamma * d_gamma * layer.eps / (var * layer.gain)
        d_weight = set_along(layer.weight, d_weight, layer.gain * d_gain).to(like)
        return [d_weight, d_gain.to(like), d_leak, d_rest, d_gamma.to(like), adjoint.sum.to(like)]

    def span_backward(self, s: int, following: Tensor) -> Tensor:
        """Go back through span ``s`` from the row ``h`` behind its end; return the row at its start."""
        run, span = self.run, self.run.spans[s]
        norm = self.norm_rows(s)
        for start, stop in reversed(list(span.chunks())):
            h = self.through_norm(s, start, stop, norm)
            if self.layer.rest is not None:
                self.d_rest -= run.channel_sum((h * run.memory.delayed(self.i, s, start, stop)).sum(0), s)
            following = run.scan(self.i, s).backwards(following, h)
            v, change = run.memory.rows(self.i, s, start, stop), torch.empty_like(h)
            torch.sub(v[0], run.memory.before(self.i, s, start), out=change[0])
            torch.sub(v[1:], v[:-1], out=change[1:])
            du = h if self.layer.rest is None else self.truncated(s, start, stop, h)
            self.d_leak += run.channel_sum(change.mul_(du).sum(0), s)
            self.through_convolution(s, start, stop, du)
        return following

    def norm_rows(self, s: int) -> tuple[Tensor, ...]:
        """Rows ``mu``, ``gamma i``, ``-m/n gamma i^2 S2`` and ``-m/n gamma i S1`` for :meth:`through_norm`."""
        layer, span = self.layer, self.run.spans[s]
        if layer.gamma is None:
            return ()
        mean, var = self.run.moments[self.i]
        inverse = (var.double() + layer.eps).rsqrt()
        scale = layer.gamma * inverse
        slope = -scale * inverse.square() * self.adjoint.dot / self.run.values
        constant = -scale * self.adjoint.sum / self.run.values
        return span.row(mean), span.row(scale), span.weighted_row(slope), span.weighted_row(constant)

    def through_norm(self, s: int, start: int, stop: int, norm: tuple[Tensor, ...]) -> Tensor:
        """Rows ``g = dL/dy``, in memory of their own."""
        dz = self.adjoint.take(s, start, stop)
        if not norm:
            return dz.clone()
        mean, scale, slope, constant = norm
        centred = torch.sub(self.run.filtered(self.i, s, start, stop), mean)
        return torch.addcmul(constant, centred, slope, out=centred).addcmul_(dz, scale)

    def truncated(self, s: int, start: int, stop: int, h: Tensor) -> Tensor:
        """Rows ``h[t] - r h[t + K]``; past the end of all frames ``h`` is zero."""
        run, taps, frames = self.run, self.layer.taps, self.run.spans[s].frames
        assert self.layer.rest is not None
        self.h[s][start:stop] = h
        first, last = start + taps, stop + taps
        parts = [self.h[s][first:last]]
        if s + 1 < len(run.spans) and last > frames:
            later = self.h[s + 1][max(first - frames, 0) : last - frames]
            parts.append(later.view(len(later), run.spans[s + 1].clips, h.shape[1]).sum(1))
        missing = (stop - start) - sum(len(p) for p in parts)
        ahead = torch.cat([*parts, h.new_zeros(missing, h.shape[1])])
        return torch.addcmul(h, run.row("rest", self.i, s), ahead, value=-1)

    def through_convolution(self, s: int, start: int, stop: int, du: Tensor) -> None:
        """Add to the gradient of the kernel, and hand ``dz`` to the layer below."""
        run, i = self.run, self.i
        x = run.layer_input(i, s, start, stop)
        d_pictures = run.pictures(du, s).to(run.conv_dtype)
        dx, d_kernel = correlate_adjoint(d_pictures, x.to(run.conv_dtype), self.kernel, wants_input=i > 0)
        self.d_kernel += d_kernel
        if dx is not None:
            dx = dx.to(du.dtype)
            if self.layer.slope != 1:
                dx = torch.ops.aten.leaky_relu_backward(dx, x, self.layer.slope, True)
            self.below.collect(dx.permute(0, 2, 3, 1).reshape(stop - start, -1), s, start, stop)
