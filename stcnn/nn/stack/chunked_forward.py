"""Forward pass of the hidden stack in chunks of frames, and what both passes share.

The formulas stand in :mod:`stcnn.nn.stack.algorithm`, the layout of rows in :mod:`stcnn.nn.stack.chunked_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.ops.correlate import correlate
from stcnn.nn.ops.leaky_integrator import Scan
from stcnn.nn.stack.algorithm import affine, moments_of, n_values
from stcnn.nn.stack.chunked_rows import IntegratorRows, spans_of
from stcnn.nn.stack.problem import Clips, LayerTensors, Moments
from stcnn.nn.windows import Window


class ChunkedForward:
    """The forward pass, and what is remembered for the other."""

    def __init__(self, layers: Sequence[LayerTensors], clips: Clips, window: Window) -> None:
        self.layers = [layer.detached() for layer in layers]
        self.window = window
        self.spans = spans_of(clips)
        self.lattice = tuple(clips.maps.shape[2:])
        per_frame = self.lattice[0] * self.lattice[1]
        own = float(sum(span.weight.sum() * span.frames for span in self.spans)) * per_frame
        self.values = n_values(self.layers, own)
        """Values per channel behind the moments."""
        self.memory = IntegratorRows(self.layers, self.spans, clips.before)
        self.last: list[Tensor] = []
        """Maps ``y`` of the last layer on the window, by span."""
        self.moments: list[Moments] = []
        self._rows: dict[tuple[str, int, int], Tensor] = {}
        self._scans: dict[tuple[int, int], Scan] = {}
        device = clips.maps.device.type
        self.conv_dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else clips.maps.dtype

    def row(self, name: str, i: int, s: int) -> Tensor:
        """Return a row of span ``s``: ``tail_weight``, ``mean``, ``scale`` or ``shift`` of layer ``i``; made once."""
        if (name, i, s) not in self._rows:
            value = self._per_channel(name, i)
            assert value is not None
            self._rows[name, i, s] = self.spans[s].row(value)
        return self._rows[name, i, s]

    def _per_channel(self, name: str, i: int) -> Tensor | None:
        if name == "tail_weight":
            return self.layers[i].tail_weight
        if name == "mean":
            return self.moments[i][0]
        scale, shift = affine(self.layers[i], self.moments[i])
        return scale if name == "scale" else shift

    def scan(self, i: int, s: int) -> Scan:
        """Return the integrator of layer ``i`` on rows of span ``s``; made once."""
        if (i, s) not in self._scans:
            self._scans[i, s] = Scan(self.spans[s].row(self.layers[i].leak))
        return self._scans[i, s]

    def filtered(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Return the output ``y`` of the filter of layer ``i`` on frames of span ``s``, as rows."""
        v = self.memory.rows(i, s, start, stop)
        if self.layers[i].tail_weight is None:
            return v
        return torch.addcmul(v, self.row("tail_weight", i, s), self.memory.delayed(i, s, start, stop), value=-1)

    def pictures(self, rows: Tensor, s: int) -> Tensor:
        """View rows ``(frames, B Y X C)`` of span ``s`` as channels-last pictures ``(frames B, C, Y, X)``."""
        return rows.view(rows.shape[0] * self.spans[s].clips, *self.lattice, -1).permute(0, 3, 1, 2)

    def layer_input(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Return the rectified input of layer ``i``: pictures ``(frames B, C, Y, X)``, channels last."""
        slope = self.layers[i].slope
        if i == 0:
            return self.spans[s].eye[start:stop].reshape(-1, 1, *self.lattice)
        y = self.filtered(i - 1, s, start, stop)
        z = torch.addcmul(self.row("shift", i - 1, s), y, self.row("scale", i - 1, s))
        return self.pictures(z if slope == 1 else F.leaky_relu_(z, slope), s)

    def kernel(self, i: int) -> Tensor:
        """Return the spatial weights of layer ``i`` times its gain, in the type of the convolution."""
        layer = self.layers[i]
        weight = layer.weight * layer.gain.view(-1, 1, 1, 1)
        return weight.to(self.conv_dtype).contiguous(memory_format=torch.channels_last)

    def forward(self) -> tuple[Tensor, ...]:
        """Run all layers; return the normalised window of the last one for each span."""
        for i in range(len(self.layers)):
            self.moments.append(self.integrate(i))
        self.last = [self.last_window(s) for s in range(len(self.spans))]
        scale, shift = affine(self.layers[-1], self.moments[-1])
        return tuple(torch.addcmul(shift, y, scale) for y in self.last)

    def last_integrators(self) -> list[Tensor]:
        """Return a copy of the integrators of all layers after the last frame, ``(B, Y, X, C)``."""
        clips = self.spans[-1].clips
        return [v[-1][-1].view(clips, *self.lattice, -1).clone() for v in self.memory.v]

    def last_window(self, s: int) -> Tensor:
        """Return maps ``y`` of the last layer on the window, ``(T, B, h, w, C)``, in memory of their own."""
        last = len(self.layers) - 1
        span = self.spans[s]
        channels = len(self.layers[last].leak)
        height = self.window.bottom - self.window.top
        width = self.window.right - self.window.left
        found = span.eye.new_empty(span.frames, span.clips, height, width, channels)
        for start, stop in span.chunks():
            y = self.filtered(last, s, start, stop).view(stop - start, span.clips, *self.lattice, channels)
            found[start:stop] = self.window.crop(y)
        return found

    def integrate(self, i: int) -> Moments:
        """Convolve and integrate layer ``i`` over all frames; return weighted mean and variance of ``y``."""
        layer = self.layers[i]
        total = self.spans[0].eye.new_zeros(2, *layer.leak.shape, dtype=torch.float64)
        for s, span in enumerate(self.spans):
            v = self.memory.allocate(i, s)
            for start, stop in span.chunks():
                self.integrate_chunk(i, s, start, stop, v[start:stop])
                if layer.gamma is not None:
                    y = self.filtered(i, s, start, stop)
                    total += torch.stack([self.channel_sum(q.sum(0), s, span.weight) for q in (y, y * y)])
        return moments_of(layer, total, self.values)

    def integrate_chunk(self, i: int, s: int, start: int, stop: int, out: Tensor) -> None:
        """Convolve and integrate frames of layer ``i`` into ``out``."""
        x = self.layer_input(i, s, start, stop).to(self.conv_dtype)
        u = correlate(x, self.kernel(i)).permute(0, 2, 3, 1).reshape(stop - start, -1).to(out.dtype)
        self.scan(i, s).forwards(self.memory.before(i, s, start), u, out)

    def channel_sum(self, row: Tensor, s: int, weight: Tensor | None = None) -> Tensor:
        """Sum a row over columns and clips, the latter times ``weight`` ``(B,)``: ``(C,)`` in float64."""
        columns = self.lattice[0] * self.lattice[1]
        per_clip = row.view(self.spans[s].clips, columns, -1).sum(1, dtype=torch.float64)
        return per_clip.sum(0) if weight is None else weight.double() @ per_clip
