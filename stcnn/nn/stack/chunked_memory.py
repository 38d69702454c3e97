"""What the fused hidden stack remembers between its passes: the integrators of all frames, or what remakes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stcnn.nn.kernels.native.workspace import Arena

if TYPE_CHECKING:
    from stcnn.nn.stack.chunked_forward import Run


class Stored:
    """All integrators ``v``, one array of frames per layer and span."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.v: list[list[Tensor]] = [[] for _ in run.layers]
        self.arena = Arena()

    def empty(self, i: int, s: int) -> Tensor:
        """Return an array for layer ``i`` and span ``s``, ``(frames, B Y X C)``, good until :meth:`release`."""
        span, size = self.run.spans[s], self.run.row_size(i, s)
        if span.eye.device.type == "cpu" and span.eye.dtype == torch.float32:
            return self.arena.empty(span.frames, size)
        return span.eye.new_empty(span.frames, size)

    def make_room(self, i: int, s: int) -> Tensor:
        """Return the array that the forward pass of layer ``i`` fills for span ``s``."""
        self.v[i].append(self.empty(i, s))
        return self.v[i][s]

    def rows(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Rows ``v`` of layer ``i`` on frames of span ``s``."""
        return self.v[i][s][start:stop]

    def before(self, i: int, s: int, start: int) -> Tensor:
        """Row ``v`` before frame ``start`` of span ``s``."""
        if start:
            return self.v[i][s][start - 1]
        if s == 0:
            return self.v[i][0].new_zeros(self.run.row_size(i, 0))
        return self.v[i][s - 1][-1].repeat(self.run.spans[s].clips)

    def delayed(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Rows ``v[t - K]`` for ``t`` in ``start..stop`` of span ``s``; zero before the first frame of all."""
        span, taps = self.run.spans[s], self.run.layers[i].taps
        first, last = start - taps, stop - taps
        parts = [self.v[i][s][max(first, 0) : max(last, 0)]]
        if first < 0 and s > 0:
            earlier, frames = self.v[i][s - 1], self.run.spans[s - 1].frames
            parts.insert(0, earlier[max(frames + first, 0) : max(frames + min(last, 0), 0)].repeat(1, span.clips))
        missing = (stop - start) - sum(len(part) for part in parts)
        return torch.cat([parts[0].new_zeros(missing, parts[-1].shape[1]), *parts])

    def layer_done(self, i: int) -> None:
        """Hear that the forward pass of layer ``i`` is complete."""

    def room_below(self, i: int, s: int, above: list[Tensor]) -> Tensor:
        """Return an array for ``dz`` of layer ``i - 1``.

        It takes what layer ``i`` lets go chunk by chunk: the memory of its ``v``, or that of its ``dz`` where the
        kernel is finite and ``v`` makes room for ``h``.
        """
        below, finite = self.v[i - 1][s], self.run.layers[i].rest is not None
        free = (above[s] if above else None) if finite else self.v[i][s]
        return free if free is not None and free.shape == below.shape else self.empty(i - 1, s)

    def forget(self, i: int) -> None:
        """Let go of layer ``i``, whose adjoint is complete."""
        self.v[i].clear()

    def release(self) -> None:
        """Hand all arrays back, for the next run; none of them may be used any more."""
        self.arena.release()


class Recomputed(Stored):
    """Only the row before each chunk; the backward pass runs the layers below again, chunk by chunk.

    Memory is that of two layers whatever their number, for about twice the time. Infinite kernels only.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.starts: list[dict[tuple[int, int], Tensor]] = [{} for _ in run.layers]
        self.forward_is_over = False
        self.cached: dict[tuple[int, int, int], Tensor] = {}

    def empty(self, i: int, s: int) -> Tensor:
        """Return an array for layer ``i`` and span ``s`` that is gone as soon as nobody needs it."""
        span = self.run.spans[s]
        return span.eye.new_empty(span.frames, self.run.row_size(i, s))

    def layer_done(self, i: int) -> None:
        """Keep the rows before the chunks of layer ``i``, and drop the layer below."""
        for s, span in enumerate(self.run.spans):
            for start, _ in span.chunks():
                self.starts[i][s, start] = super().before(i, s, start).clone()
        if i:
            self.v[i - 1].clear()

    def end_forward(self) -> None:
        """Drop the last layer too."""
        self.v[-1].clear()
        self.forward_is_over = True

    def rows(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Rows ``v`` of layer ``i`` on one chunk, made again from the layer below."""
        if not self.forward_is_over:
            return super().rows(i, s, start, stop)
        if (i, s, start) not in self.cached:
            self.cached = {key: rows for key, rows in self.cached.items() if key[1:] == (s, start)}
            rows = self.run.spans[s].eye.new_empty(stop - start, self.run.row_size(i, s))
            self.run.integrate_chunk(i, s, start, stop, rows)
            self.cached[i, s, start] = rows
        return self.cached[i, s, start]

    def before(self, i: int, s: int, start: int) -> Tensor:
        """Row ``v`` before the chunk that begins at frame ``start`` of span ``s``."""
        return self.starts[i][s, start] if self.forward_is_over else super().before(i, s, start)

    def room_below(self, i: int, s: int, above: list[Tensor]) -> Tensor:
        """Return an array for ``dz`` of layer ``i - 1``: that of layer ``i`` where it fits."""
        return above[s] if above and above[s].shape[1] == self.run.row_size(i - 1, s) else self.empty(i - 1, s)

    def forget(self, i: int) -> None:
        """Let go of layer ``i``."""
        self.starts[i].clear()
        self.cached.clear()
