"""The forward pass of the fused hidden stack, and what both passes share; the formulas stand in ``fused.py``.

Convention: the maps of a span of frames are rows, ``(frames, B Y X C)``, so that one frame is one contiguous row of the
recurrence; the same memory is a channels-last picture for the convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.readout import Window

CHUNK_PICTURES = 96
"""Pictures (frames x clips) per chunk: small enough for the second-level cache, large enough for the convolution."""


class FusedLayer(NamedTuple):
    """One layer as tensors; everything per output channel but the weight ``(O, C, k, k)``."""

    weight: Tensor
    gain: Tensor
    leak: Tensor
    rest: Tensor | None
    """``exp(-K dt/tau)``; None where it changes no digit."""
    gamma: Tensor | None
    """None: no normalisation, and ``beta`` is the bias."""
    beta: Tensor
    taps: int
    slope: float
    """Of the rectifier in front; 1 is none."""
    eps: float


class Clips(NamedTuple):
    """Photoreceptor maps of a batch: what all clips start with, and what follows."""

    prefix: Tensor | None
    """``(T0, 1, Y, X)``."""
    rest: Tensor
    """``(T1, B, Y, X)``."""
    multiplicity: Tensor
    """``(B,)``."""


@dataclass
class Span:
    """Consecutive frames of the same clips."""

    eye: Tensor
    """``(T, B, Y, X)``."""
    weight: Tensor
    """Multiplicity of each clip, ``(B,)``."""

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return self.eye.shape[0]

    @property
    def clips(self) -> int:
        """Number of clips B."""
        return self.eye.shape[1]

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Yield first and last frame (exclusive) of each chunk."""
        step = max(1, CHUNK_PICTURES // self.clips)
        for start in range(0, self.frames, step):
            yield start, min(start + step, self.frames)

    def row(self, per_channel: Tensor) -> Tensor:
        """Repeat ``(C,)`` over clips and columns: one frame ``(B Y X C,)``."""
        return per_channel.to(self.eye.dtype).repeat(self.eye[0].numel())

    def weighted_row(self, per_channel: Tensor) -> Tensor:
        """Repeat ``(C,)`` over columns, times the multiplicity of each clip."""
        columns = self.eye[0, 0].numel()
        return (self.weight[:, None] * per_channel.to(self.eye.dtype).repeat(columns)).flatten()


class Run:
    """One forward and one backward pass; holds the integrators ``v`` of all layers in between."""

    def __init__(self, layers: list[FusedLayer], clips: Clips, window: Window) -> None:
        self.layers = [_detached(layer) for layer in layers]
        self.window = window
        self.spans = [Span(clips.rest, clips.multiplicity)]
        if clips.prefix is not None:
            self.spans.insert(0, Span(clips.prefix, clips.multiplicity.sum().reshape(1)))
        self.plane = tuple(clips.rest.shape[2:])
        self.values = float(sum(s.weight.sum() * s.frames for s in self.spans)) * self.plane[0] * self.plane[1]
        self.v: list[list[Tensor]] = []
        self.moments: list[tuple[Tensor, Tensor]] = []
        autocast = torch.is_autocast_enabled(clips.rest.device.type)
        self.conv_dtype = torch.get_autocast_dtype(clips.rest.device.type) if autocast else clips.rest.dtype

    def scale_shift(self, i: int) -> tuple[Tensor, Tensor]:
        """Scale and shift per channel of the normalisation of layer ``i``."""
        layer, (mean, var) = self.layers[i], self.moments[i]
        if layer.gamma is None:
            return torch.ones_like(layer.beta), layer.beta
        scale = layer.gamma * torch.rsqrt(var + layer.eps)
        return scale, layer.beta - mean * scale

    def filtered(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Output ``y`` of the filter of layer ``i`` on frames of span ``s``, as rows."""
        v, layer = self.v[i][s][start:stop], self.layers[i]
        if layer.rest is None:
            return v
        return torch.addcmul(v, self.spans[s].row(layer.rest), self.delayed(i, s, start, stop), value=-1)

    def delayed(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Rows ``v[t - K]`` for ``t`` in ``start..stop`` of span ``s``; zero before the first frame of all."""
        span, taps = self.spans[s], self.layers[i].taps
        first, last = start - taps, stop - taps
        parts = [self.v[i][s][max(first, 0) : max(last, 0)]]
        if first < 0 and s > 0:
            before, earlier = self.v[i][s - 1], self.spans[s - 1].frames
            parts.insert(0, before[max(earlier + first, 0) : max(earlier + min(last, 0), 0)].repeat(1, span.clips))
        missing = (stop - start) - sum(len(p) for p in parts)
        return torch.cat([parts[0].new_zeros(missing, parts[-1].shape[1]), *parts])

    def before(self, i: int, s: int) -> Tensor:
        """Row ``v[-1]`` before the first frame of span ``s``."""
        if s == 0:
            return torch.zeros_like(self.v[i][0][0])
        return self.v[i][s - 1][-1].repeat(self.spans[s].clips)

    def pictures(self, rows: Tensor, s: int) -> Tensor:
        """View rows ``(frames, B Y X C)`` of span ``s`` as channels-last pictures ``(frames B, C, Y, X)``."""
        return rows.view(rows.shape[0] * self.spans[s].clips, *self.plane, -1).permute(0, 3, 1, 2)

    def layer_input(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Rectified input of layer ``i``: pictures ``(frames B, C, Y, X)``, channels last."""
        span, slope = self.spans[s], self.layers[i].slope
        if i == 0:
            return span.eye[start:stop].reshape(-1, 1, *self.plane)
        scale, shift = self.scale_shift(i - 1)
        z = torch.addcmul(span.row(shift), self.filtered(i - 1, s, start, stop), span.row(scale))
        return self.pictures(z if slope == 1 else F.leaky_relu_(z, slope), s)

    def kernel(self, i: int) -> Tensor:
        """Spatial weights of layer ``i`` times its gain, in the type of the convolution."""
        layer = self.layers[i]
        weight = layer.weight * layer.gain.view(-1, 1, 1, 1)
        return weight.to(self.conv_dtype).contiguous(memory_format=torch.channels_last)

    def forward(self) -> tuple[Tensor, ...]:
        """Run all layers; return the normalised window of the last one for each span."""
        for i in range(len(self.layers)):
            self.moments.append(self.integrate(i))
        scale, shift = self.scale_shift(len(self.layers) - 1)
        return tuple(torch.addcmul(shift, self.last_window(s), scale) for s in range(len(self.spans)))

    def last_window(self, s: int) -> Tensor:
        """Maps ``y`` of the last layer on the window, ``(T, B, h, w, C)``."""
        last, span = len(self.layers) - 1, self.spans[s]
        y = self.filtered(last, s, 0, span.frames).view(span.frames, span.clips, *self.plane, -1)
        return self.window.crop(y)

    def integrate(self, i: int) -> tuple[Tensor, Tensor]:
        """Convolve and integrate layer ``i`` over all frames; return weighted mean and variance of ``y``."""
        layer, kernel = self.layers[i], self.kernel(i)
        channels, padding = kernel.shape[0], [kernel.shape[2] // 2, kernel.shape[3] // 2]
        self.v.append([])
        total = self.spans[0].eye.new_zeros(2, channels, dtype=torch.float64)
        for s, span in enumerate(self.spans):
            v = span.eye.new_empty(span.frames, span.eye[0].numel() * channels)
            previous = self.before(i, s) if s else torch.zeros_like(v[0])
            self.v[i].append(v)
            leak = span.row(layer.leak)
            for start, stop in span.chunks():
                x = self.layer_input(i, s, start, stop).to(self.conv_dtype)
                u = F.conv2d(x, kernel, padding=padding).permute(0, 2, 3, 1).reshape(stop - start, -1)
                previous = _integrate(previous, u.to(v.dtype), leak, v[start:stop])
                y = self.filtered(i, s, start, stop)
                if layer.gamma is not None:
                    total += torch.stack([self.channel_sum(q.sum(0), s, span.weight) for q in (y, y * y)])
        mean = total[0] / self.values
        return mean.to(layer.leak), (total[1] / self.values - mean.square()).to(layer.leak)

    def channel_sum(self, row: Tensor, s: int, weight: Tensor | None = None) -> Tensor:
        """Sum a row over columns and clips, the latter times ``weight`` ``(B,)``: ``(C,)`` in float64."""
        per_clip = row.view(self.spans[s].clips, self.plane[0] * self.plane[1], -1).sum(1, dtype=torch.float64)
        return per_clip.sum(0) if weight is None else weight.double() @ per_clip


def _detached(layer: FusedLayer) -> FusedLayer:
    return FusedLayer(*(t.detach() if isinstance(t, Tensor) else t for t in layer))  # type: ignore[arg-type]


def _integrate(previous: Tensor, u: Tensor, leak: Tensor, out: Tensor) -> Tensor:
    """Leaky integration of rows ``u`` into ``out``; return the last row."""
    for u_t, v_t in zip(u.unbind(0), out.unbind(0), strict=True):
        torch.lerp(previous, u_t, leak, out=v_t)
        previous = v_t
    return previous
