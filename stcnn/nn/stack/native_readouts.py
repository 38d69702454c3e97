"""Readings of the last layer by readouts, in compiled code, and their adjoint (``csrc/reading.h``)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.kernels.native.layer_args import ReadoutAdjointArgs, ReadoutArgs
from stcnn.nn.kernels.native.threads import ParallelFor
from stcnn.nn.readout.reading import Reading
from stcnn.nn.stack.native_backward import LayerAdjoint
from stcnn.nn.stack.native_saved import Saved


class NativeReadouts:
    """The readouts behind layers that have all been computed."""

    def __init__(self, saved: Saved, reading: Reading, each: ParallelFor) -> None:
        self.saved = saved
        self.each = each
        self.last = len(saved.layers) - 1
        self.native = saved.native[self.last]
        weights = reading.weights.permute(3, 1, 2, 0).contiguous()
        self.args = ReadoutArgs(tuple(reading.window), weights, reading.slope, *saved.affine(self.last))

    def drive(self, s: int) -> Tensor:
        """Return the weighted sums over the maps of span ``s``, ``(T, B, N)``."""
        span = self.saved.spans[s]
        clips, blocks = span.eye.shape[:2]
        drive = torch.empty(clips, blocks, self.args.weights.shape[-1], self.native.lanes)

        def clip(b: int) -> None:
            self.native.read_maps(span.frames, self.saved.maps(self.last, s, b), self.args, drive[b])

        self.each(clip, range(clips))
        return drive.permute(1, 3, 0, 2).flatten(0, 1)[: span.frames]

    def adjoint(self, grads: tuple[Tensor, ...]) -> tuple[Tensor, LayerAdjoint]:
        """Return the gradient of the weights ``(N, h, w, C)`` and ``dL/dz`` of the last layer.

        Args:
            grads: ``dL/ddrive`` by span, ``(T, B, N)``.
        """
        channels = len(self.args.weights)
        total = LayerAdjoint([], self.args.window, torch.zeros(2, channels, dtype=torch.float64))
        d_weights = torch.zeros(self.args.weights.shape, dtype=torch.float64)
        for s, grad in enumerate(grads):
            dz, sums, by_clip = self._span_adjoint(s, grad)
            total.dz.append(list(dz))
            total.sums.add_(sums.sum(0))
            d_weights += by_clip.sum(0)
        return d_weights.permute(3, 1, 2, 0).float(), total

    def _span_adjoint(self, s: int, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return ``dz``, its sums and the gradient of the weights, each by clip."""
        saved = self.saved
        lanes = saved.lanes
        shape = self.args.weights.shape
        clips = grad.shape[1]
        padded = F.pad(grad, (0, 0, 0, 0, 0, -len(grad) % lanes))
        d = padded.unflatten(0, (-1, lanes)).permute(2, 0, 3, 1).contiguous()
        dz = saved.workspace.empty(clips, d.shape[1], *shape[:3], lanes)
        sums = torch.zeros(clips, 2, shape[0], dtype=torch.float64)
        by_clip = torch.empty(clips, *shape, dtype=torch.float64)
        mean = saved.moments[self.last][0]

        def clip(b: int) -> None:
            by_lane = torch.zeros(*shape, lanes)
            args = ReadoutAdjointArgs(d[b], mean, dz[b], by_lane, sums[b])
            self.native.adjoint_of_reading(saved.spans[s].frames, saved.maps(self.last, s, b), self.args, args)
            torch.sum(by_lane, -1, dtype=torch.float64, out=by_clip[b])

        self.each(clip, range(clips))
        return dz, sums, by_clip
