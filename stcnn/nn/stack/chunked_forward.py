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

from stcnn.nn.lattice import Window
from stcnn.nn.ops.correlate import correlate
from stcnn.nn.ops.leaky_integrator import Scan
from stcnn.nn.stack.chunked_memory import Recomputed, Stored

CHUNK_PICTURES = 128
"""Pictures (frames x clips) per chunk: small enough for the cache, large enough to hide the cost of a call."""
GPU_CHUNK_PICTURES = 8192
"""The same on a GPU, where only calls cost."""


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
        step = max(1, chunk_pictures(self.eye) // self.clips)
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
    """One forward and one backward pass, and what is remembered in between."""

    def __init__(self, layers: list[FusedLayer], clips: Clips, window: Window, recompute: bool = False) -> None:
        self.layers = [_detached(layer) for layer in layers]
        self.window = window
        self.spans = [Span(clips.rest, clips.multiplicity)]
        if clips.prefix is not None:
            self.spans.insert(0, Span(clips.prefix, clips.multiplicity.sum().reshape(1)))
        self.plane = tuple(clips.rest.shape[2:])
        self.values = float(sum(s.weight.sum() * s.frames for s in self.spans)) * self.plane[0] * self.plane[1]
        finite = any(layer.rest is not None for layer in layers)
        self.memory = Recomputed(self) if recompute and not finite else Stored(self)
        self.last: list[Tensor] = []
        """Maps ``y`` of the last layer on the window, by span."""
        self.moments: list[tuple[Tensor, Tensor]] = []
        self._rows: dict[tuple[str, int, int], Tensor] = {}
        self._scans: dict[tuple[int, int], Scan] = {}
        autocast = torch.is_autocast_enabled(clips.rest.device.type)
        self.conv_dtype = torch.get_autocast_dtype(clips.rest.device.type) if autocast else clips.rest.dtype

    def row_size(self, i: int, s: int) -> int:
        """Length of a row of layer ``i`` in span ``s``: clips x columns x channels."""
        return self.spans[s].eye[0].numel() * len(self.layers[i].leak)

    def normaliser(self, i: int) -> dict[str, Tensor]:
        """Mean that the normalisation of layer ``i`` takes away, and its scale and shift, per channel."""
        layer, (mean, var) = self.layers[i], self.moments[i]
        if layer.gamma is None:
            return {"mean": mean, "scale": torch.ones_like(layer.beta), "shift": layer.beta}
        scale = layer.gamma * torch.rsqrt(var + layer.eps)
        return {"mean": mean, "scale": scale, "shift": layer.beta - mean * scale}

    def row(self, name: str, i: int, s: int) -> Tensor:
        """Row of span ``s`` with ``rest``, ``mean``, ``scale`` or ``shift`` of layer ``i``; made once."""
        if (name, i, s) not in self._rows:
            value = self.layers[i].rest if name == "rest" else self.normaliser(i)[name]
            assert value is not None
            self._rows[name, i, s] = self.spans[s].row(value)
        return self._rows[name, i, s]

    def scan(self, i: int, s: int) -> Scan:
        """The integrator of layer ``i`` on rows of span ``s``; made once."""
        if (i, s) not in self._scans:
            self._scans[i, s] = Scan(self.spans[s].row(self.layers[i].leak))
        return self._scans[i, s]

    def filtered(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Output ``y`` of the filter of layer ``i`` on frames of span ``s``, as rows."""
        v, rest = self.memory.rows(i, s, start, stop), self.layers[i].rest
        if rest is None:
            return v
        return torch.addcmul(v, self.row("rest", i, s), self.memory.delayed(i, s, start, stop), value=-1)

    def pictures(self, rows: Tensor, s: int) -> Tensor:
        """View rows ``(frames, B Y X C)`` of span ``s`` as channels-last pictures ``(frames B, C, Y, X)``."""
        return rows.view(rows.shape[0] * self.spans[s].clips, *self.plane, -1).permute(0, 3, 1, 2)

    def layer_input(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Rectified input of layer ``i``: pictures ``(frames B, C, Y, X)``, channels last."""
        span, slope = self.spans[s], self.layers[i].slope
        if i == 0:
            return span.eye[start:stop].reshape(-1, 1, *self.plane)
        y = self.filtered(i - 1, s, start, stop)
        z = torch.addcmul(self.row("shift", i - 1, s), y, self.row("scale", i - 1, s))
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
            self.memory.layer_done(i)
        last = len(self.layers) - 1
        self.last = [self.last_window(s) for s in range(len(self.spans))]
        if isinstance(self.memory, Recomputed):
            self.memory.end_forward()
        norm = self.normaliser(last)
        return tuple(torch.addcmul(norm["shift"], y, norm["scale"]) for y in self.last)

    def last_window(self, s: int) -> Tensor:
        """Maps ``y`` of the last layer on the window, ``(T, B, h, w, C)``, in memory of their own."""
        last, span = len(self.layers) - 1, self.spans[s]
        channels = self.layers[last].leak.shape[0]
        height, width = self.window.bottom - self.window.top, self.window.right - self.window.left
        found = span.eye.new_empty(span.frames, span.clips, height, width, channels)
        for start, stop in span.chunks():
            y = self.filtered(last, s, start, stop).view(stop - start, span.clips, *self.plane, channels)
            found[start:stop] = self.window.crop(y)
        return found

    def integrate(self, i: int) -> tuple[Tensor, Tensor]:
        """Convolve and integrate layer ``i`` over all frames; return weighted mean and variance of ``y``."""
        layer = self.layers[i]
        total = self.spans[0].eye.new_zeros(2, *layer.leak.shape, dtype=torch.float64)
        for s, span in enumerate(self.spans):
            v = self.memory.make_room(i, s)
            for start, stop in span.chunks():
                self.integrate_chunk(i, s, start, stop, v[start:stop])
                if layer.gamma is not None:
                    y = self.filtered(i, s, start, stop)
                    total += torch.stack([self.channel_sum(q.sum(0), s, span.weight) for q in (y, y * y)])
        mean = total[0] / self.values
        return mean.to(layer.leak), (total[1] / self.values - mean.square()).to(layer.leak)

    def integrate_chunk(self, i: int, s: int, start: int, stop: int, out: Tensor) -> None:
        """Convolve and integrate frames of layer ``i`` into ``out``."""
        x = self.layer_input(i, s, start, stop).to(self.conv_dtype)
        u = correlate(x, self.kernel(i)).permute(0, 2, 3, 1).reshape(stop - start, -1).to(out.dtype)
        self.scan(i, s).forwards(self.memory.before(i, s, start), u, out)

    def channel_sum(self, row: Tensor, s: int, weight: Tensor | None = None) -> Tensor:
        """Sum a row over columns and clips, the latter times ``weight`` ``(B,)``: ``(C,)`` in float64."""
        per_clip = row.view(self.spans[s].clips, self.plane[0] * self.plane[1], -1).sum(1, dtype=torch.float64)
        return per_clip.sum(0) if weight is None else weight.double() @ per_clip


def chunk_pictures(like: Tensor) -> int:
    """Return the pictures per chunk for maps on the device of ``like``."""
    return GPU_CHUNK_PICTURES if like.is_cuda else CHUNK_PICTURES


def _detached(layer: FusedLayer) -> FusedLayer:
    return FusedLayer(*(t.detach() if isinstance(t, Tensor) else t for t in layer))  # type: ignore[arg-type]
