"""Readings of neurons where they sit, in compiled code, and their adjoint (``csrc/places.h``)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.kernels.native.layer_args import PlacedArgs, ReadoutAdjointArgs
from stcnn.nn.kernels.native.threads import ParallelFor
from stcnn.nn.readout.reading import PlacedReading
from stcnn.nn.stack.native_backward import LayerAdjoint
from stcnn.nn.stack.native_saved import Saved


class NativePlaces:
    """Neurons behind layers that have all been computed.

    Readers are sorted by clip, so that those of a clip stand side by side. Frames that all clips share are one clip,
    which all of them read.
    """

    def __init__(self, saved: Saved, reading: PlacedReading, each: ParallelFor) -> None:
        self.saved = saved
        self.each = each
        self.last = len(saved.layers) - 1
        self.native = saved.native[self.last]
        weights = reading.weights.permute(0, 3, 1, 2).contiguous()
        corner = reading.windows[:, [0, 2]]
        places = torch.cat([corner, reading.inside], 1).to(torch.int32).contiguous()
        self.args = PlacedArgs(tuple(reading.window), places, weights, reading.slope, *saved.affine(self.last))
        self.site = reading.site.to(torch.int32)
        self.counts = torch.bincount(reading.clip, minlength=saved.spans[-1].eye.shape[0]).tolist()

    def _sites(self, s: int) -> list[Tensor]:
        """Return the sites of the readers of each clip of span ``s``."""
        clips = self.saved.spans[s].eye.shape[0]
        return [self.site] if clips < len(self.counts) else list(self.site.split(self.counts))

    def drive(self, s: int) -> Tensor:
        """Return what every reader finds in the maps of span ``s``, ``(T, P)``."""
        span = self.saved.spans[s]
        blocks = span.eye.shape[1]
        sites = self._sites(s)
        drives = [torch.empty(blocks, len(site), self.native.lanes) for site in sites]

        def clip(b: int) -> None:
            self.native.read_places(span.frames, self.saved.maps(self.last, s, b), self.args, sites[b], drives[b])

        self.each(clip, range(len(sites)))
        return torch.cat([d.transpose(1, 2).flatten(0, 1)[: span.frames] for d in drives], 1)

    def adjoint(self, grads: tuple[Tensor, ...]) -> tuple[Tensor, LayerAdjoint]:
        """Return the gradient of the weights ``(N, h, w, C)`` and ``dL/dz`` of the last layer.

        Args:
            grads: ``dL/ddrive`` by span, ``(T, P)``.
        """
        n, channels, rows, columns = self.args.weights.shape
        total = LayerAdjoint([], self.args.window, torch.zeros(2, channels, dtype=torch.float64))
        d_weights = torch.zeros(n, channels, rows, columns, dtype=torch.float64)
        for s, grad in enumerate(grads):
            dz, sums, by_clip = self._span_adjoint(s, grad)
            total.dz.append(list(dz))
            total.sums.add_(sums.sum(0))
            for found in by_clip:
                d_weights += found[..., :columns]
        return d_weights.permute(0, 2, 3, 1).float(), total

    def _span_adjoint(self, s: int, grad: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return ``dz``, its sums and the gradient of the weights, each by clip."""
        saved = self.saved
        lanes = saved.lanes
        n, channels, rows, columns = self.args.weights.shape
        top, bottom, left, right = self.args.window
        sites = self._sites(s)
        padded = F.pad(grad, (0, 0, 0, -len(grad) % lanes)).unflatten(0, (-1, lanes)).transpose(1, 2)
        pieces = [piece.contiguous() for piece in padded.split([len(site) for site in sites], 1)]
        dz = saved.workspace.empty(len(sites), len(padded), channels, bottom - top, right - left, lanes)
        sums = torch.zeros(len(sites), 2, channels, dtype=torch.float64)
        by_clip = [torch.zeros(n, channels, rows, -(-columns // lanes) * lanes) for _ in sites]
        mean = saved.moments[self.last][0]

        def clip(b: int) -> None:
            args = ReadoutAdjointArgs(pieces[b], mean, dz[b], by_clip[b], sums[b])
            maps = saved.maps(self.last, s, b)
            self.native.adjoint_of_places(saved.spans[s].frames, maps, self.args, sites[b], args)

        self.each(clip, range(len(sites)))
        return dz, sums, by_clip
