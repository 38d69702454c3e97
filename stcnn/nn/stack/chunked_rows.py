"""Integrators of all frames, as a training step in PyTorch keeps them between its two passes.

Convention: the maps of a span of frames are rows, ``(frames, B Y X C)``, so that one frame is one contiguous row of the
recurrence; the same memory is a channels-last picture for the convolution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stcnn.nn.filters.kind import FilterState
from stcnn.nn.kernels.native.workspace import Workspace
from stcnn.nn.stack.problem import Clips, LayerTensors

CHUNK_PICTURES = 128
"""Pictures (frames x clips) per chunk: small enough for the cache, large enough to hide the cost of a call."""
GPU_CHUNK_PICTURES = 8192
"""The same on a GPU, where only calls cost."""


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


def spans_of(clips: Clips) -> list[Span]:
    """Return the frames that all clips share, if any, as one clip of all their multiplicity; then the rest."""
    spans = [Span(clips.maps, clips.multiplicity)]
    if clips.prefix is not None:
        spans.insert(0, Span(clips.prefix, clips.multiplicity.sum().reshape(1)))
    return spans


class IntegratorRows:
    """All integrators ``v``, one array of frames per layer and span.

    Args:
        layers: the hidden layers.
        spans: the frames.
        start: states of all layers before the first frame; None is zero.
    """

    def __init__(
        self, layers: Sequence[LayerTensors], spans: Sequence[Span], start: Sequence[FilterState] | None = None
    ) -> None:
        self.layers = layers
        self.spans = spans
        self.start = start
        self.v: list[list[Tensor]] = [[] for _ in layers]
        self.workspace = Workspace()

    def row_size(self, i: int, s: int) -> int:
        """Return the length of a row of layer ``i`` in span ``s``: clips x columns x channels."""
        return self.spans[s].eye[0].numel() * len(self.layers[i].leak)

    def empty(self, i: int, s: int) -> Tensor:
        """Return an array for layer ``i`` and span ``s``, ``(frames, B Y X C)``, good until :meth:`release`."""
        span = self.spans[s]
        size = self.row_size(i, s)
        if span.eye.device.type == "cpu" and span.eye.dtype == torch.float32:
            return self.workspace.empty(span.frames, size)
        return span.eye.new_empty(span.frames, size)

    def allocate(self, i: int, s: int) -> Tensor:
        """Return the array that the forward pass of layer ``i`` fills for span ``s``."""
        self.v[i].append(self.empty(i, s))
        return self.v[i][s]

    def rows(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Return rows ``v`` of layer ``i`` on frames of span ``s``."""
        return self.v[i][s][start:stop]

    def before(self, i: int, s: int, start: int) -> Tensor:
        """Return row ``v`` before frame ``start`` of span ``s``."""
        if start:
            return self.v[i][s][start - 1]
        if s == 0 and self.start is not None:
            return self.start[i].last.to(self.v[i][0]).flatten()
        if s == 0:
            return self.v[i][0].new_zeros(self.row_size(i, 0))
        return self.v[i][s - 1][-1].repeat(self.spans[s].clips)

    def delayed(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Return rows ``v[t - K]`` for ``t`` in ``start..stop`` of span ``s``; zero before the first frame of all."""
        taps = self.layers[i].taps
        first = start - taps
        last = stop - taps
        parts = [self.v[i][s][max(first, 0) : max(last, 0)]]
        if first < 0 and s > 0:
            frames = self.spans[s - 1].frames
            earlier = self.v[i][s - 1][max(frames + first, 0) : max(frames + min(last, 0), 0)]
            parts.insert(0, earlier.repeat(1, self.spans[s].clips))
        missing = (stop - start) - sum(len(part) for part in parts)
        return torch.cat([parts[0].new_zeros(missing, parts[-1].shape[1]), *parts])

    def memory_below(self, i: int, s: int, above: list[Tensor]) -> Tensor:
        """Return an array for ``dz`` of layer ``i - 1``.

        It takes what layer ``i`` lets go chunk by chunk: the memory of its ``v``, or that of its ``dz`` where the
        kernel is finite and ``v`` makes way for ``h``.
        """
        candidates = [self.v[i][s]] if self.layers[i].tail_weight is None else above[s : s + 1]
        shape = self.v[i - 1][s].shape
        fitting = [free for free in candidates if free.shape == shape]
        return fitting[0] if fitting else self.empty(i - 1, s)

    def drop(self, i: int) -> None:
        """Let go of layer ``i``, whose adjoint is complete."""
        self.v[i].clear()

    def release(self) -> None:
        """Hand all arrays back, for the next run; none of them may be used any more."""
        self.workspace.release()


def chunk_pictures(like: Tensor) -> int:
    """Return the pictures per chunk for maps on the device of ``like``."""
    return GPU_CHUNK_PICTURES if like.is_cuda else CHUNK_PICTURES
