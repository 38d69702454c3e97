"""What the readouts take from the last layer, in compiled code, and its adjoint; :mod:`stcnn.nn.stack.native` runs it.

The formulas stand in ``csrc/reading.h``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.kernels.native.layer import Readers, ReadersAdjoint
from stcnn.nn.readout import Reading
from stcnn.nn.stack.native_backward import Each, LayerAdjoint

if TYPE_CHECKING:
    from stcnn.nn.stack.native import NativeRun


class NativeReading:
    """The readouts behind a run whose layers have all been computed."""

    def __init__(self, run: NativeRun, reading: Reading, each: Each) -> None:
        self.run, self.each, self.last = run, each, len(run.layers) - 1
        weights = reading.weights.permute(3, 1, 2, 0).contiguous()
        self.readers = Readers(tuple(reading.window), weights, reading.slope, *run.scale_shift(self.last))

    def drive(self, s: int) -> Tensor:
        """Return the weighted sums over the maps of span ``s``, ``(T, B, N)``."""
        span, native = self.run.spans[s], self.run.native[self.last]
        clips, blocks = span.eye.shape[:2]
        drive = torch.empty(clips, blocks, self.readers.weights.shape[-1], native.lanes)
        self.each(
            lambda b: native.read_maps(span.frames, self.run.maps(self.last, s, b), self.readers, drive[b]),
            range(clips),
        )
        return drive.permute(1, 3, 0, 2).flatten(0, 1)[: span.frames]

    def adjoint(self, grads: tuple[Tensor, ...]) -> tuple[Tensor, LayerAdjoint]:
        """Return the gradient of the weights ``(N, h, w, C)`` and ``dL/dz`` of the last layer.

        Args:
            grads: ``dL/ddrive`` by span, ``(T, B, N)``.
        """
        channels, double = len(self.readers.weights), torch.float64
        total = LayerAdjoint([], self.readers.window, torch.zeros(2, channels, dtype=double))
        d_weights = torch.zeros(self.readers.weights.shape, dtype=double)
        for s, grad in enumerate(grads):
            lanes, clips = self.run.lanes, grad.shape[1]
            padded = F.pad(grad, (0, 0, 0, 0, 0, -len(grad) % lanes))
            d = padded.unflatten(0, (-1, lanes)).permute(2, 0, 3, 1).contiguous()
            dz = self.run.arena.empty(clips, d.shape[1], *d_weights.shape[:3], lanes)
            sums, by_clip = torch.zeros(clips, 2, channels, dtype=double), d_weights.new_empty(clips, *d_weights.shape)

            def clip(b: int, s: int = s, found: tuple[Tensor, ...] = (d, dz, sums, by_clip)) -> None:
                d, dz, sums, by_clip = (of_clips[b] for of_clips in found)
                by_lane = torch.zeros(*self.readers.weights.shape, self.run.lanes)
                adjoint = ReadersAdjoint(d, self.run.moments[self.last][0], dz, by_lane, sums)
                maps = self.run.maps(self.last, s, b)
                self.run.native[self.last].adjoint_of_reading(self.run.spans[s].frames, maps, self.readers, adjoint)
                torch.sum(by_lane, -1, dtype=torch.float64, out=by_clip)

            self.each(clip, range(clips))
            total.dz.append(list(dz))
            d_weights += by_clip.sum(0)
            total.sums.add_(sums.sum(0))
        return d_weights.permute(3, 1, 2, 0).float(), total
