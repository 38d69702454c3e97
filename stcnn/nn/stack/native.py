"""Training of the hidden stack in compiled code: the same numbers as :mod:`stcnn.nn.stack.engine`, in less time.

The formulas of the whole stack stand in :mod:`stcnn.nn.stack.engine`, those of one layer in ``csrc``; here
layers and clips are put together, and what concerns all clips (normalisation, sums of gradients) is computed in torch.
Clips run side by side, on at most ``torch.get_num_threads()`` threads; sums over clips are taken in their order, so
that a result does not depend on the number of threads.

The compiled code counts time in blocks of LANES frames. Frames that the clips share and that fill no whole block are
given to each clip; their adjoint counts once, with the first clip.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.kernels.native.compile import Geometry, NotCompiled, compiler, libraries, library, works_here
from stcnn.nn.kernels.native.layer import Input, Maps, NativeLayer
from stcnn.nn.kernels.native.workspace import Arena
from stcnn.nn.notice import say_once
from stcnn.nn.readout import Reading
from stcnn.nn.stack.chunked_forward import Clips, FusedLayer
from stcnn.nn.stack.engine import StackOutput, output, tensors, through
from stcnn.nn.stack.native_backward import Each, LayerBackward
from stcnn.nn.stack.native_readouts import NativeReading

WORTH_COMPILING = 1e9
"""Multiplications of a pass in the direct form from which on the core is worth the seconds it is compiled in."""

Moments = tuple[Tensor, Tensor]
"""Mean and biased variance of a layer's maps before normalisation, ``(C,)`` each."""


def available() -> str | None:
    """Return why there is no native core on this machine; None if there is one, or can be made."""
    return works_here()


def unfit_for_native(layers: list[FusedLayer], clips: Clips) -> str:
    """Say why the native core cannot run these layers and clips; empty if it can. Compiles what is missing."""
    tensors = [clips.rest, *[t for layer in layers for t in layer if isinstance(t, Tensor)]]
    if clips.prefix is not None:
        tensors.append(clips.prefix)
    if not all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors):
        return "it computes in float32 on the CPU"
    if torch.is_autocast_enabled("cpu"):
        return "it does not compute in mixed precision"
    if any(k % 2 == 0 for layer in layers for k in layer.weight.shape[2:]):
        return "the width of a kernel is even"
    # One pass in most cases: where the sum is finite, so is every number.
    if not all(bool(t.sum().isfinite()) or bool(t.isfinite().all()) for t in tensors):
        return "a parameter or a movie is not finite"
    try:
        compiled(layers, clips)
    except NotCompiled as error:
        return str(error)
    return ""


def prefers_native(layers: list[FusedLayer], clips: Clips) -> bool:
    """Tell whether the native core can run these and is worth it; the first time, say in the log if it cannot."""
    products = clips.rest.numel() * sum(layer.weight.numel() for layer in layers)
    if products < WORTH_COMPILING or clips.rest.dtype != torch.float32 or clips.rest.device.type != "cpu":
        return False
    reason = unfit_for_native(layers, clips)
    if reason:
        say_once(f"compute=torch: training runs in PyTorch, several times slower than in the native core: {reason}")
    else:
        say_once(f"compute=native: hidden layers train in compiled code, for '{compiler()[0]}' is here", logging.INFO)
    return not reason


def compiled(layers: list[FusedLayer], clips: Clips) -> list[NativeLayer]:
    """Return the compiled code of each layer; raises :class:`NotCompiled`."""
    plane = (clips.rest.shape[2], clips.rest.shape[3])
    geometries = [Geometry.of(plane, layer.weight.shape) for layer in layers]
    libraries(geometries)  # side by side
    return [_layer(geometry) for geometry in geometries]


@cache
def _layer(geometry: Geometry) -> NativeLayer:
    return NativeLayer(geometry, library(geometry))


def run_native(layers: list[FusedLayer], clips: Clips, reading: Reading) -> StackOutput:
    """Run the stack in training mode with exact gradients; as :func:`stcnn.nn.stack.engine.run_fused`.

    Raises:
        NotCompiled: the compiled core cannot run these; the message says why.
    """
    run = NativeRun(layers, clips, reading)
    return output(through(run, reading.weights, *tensors(layers)), run)


@dataclass
class Span:
    """Consecutive frames of the same clips."""

    eye: Tensor
    """``(B, blocks, 1, Y, X, LANES)``."""
    weight: Tensor
    """Multiplicity of each clip, ``(B,)``."""
    frames: int


class NativeRun:
    """One forward and one backward pass, and the integrators ``v`` of all layers in between."""

    def __init__(self, layers: list[FusedLayer], clips: Clips, reading: Reading) -> None:
        reason = unfit_for_native(layers, clips)
        if reason:
            raise NotCompiled(reason)
        self.reading = reading._replace(weights=reading.weights.detach())
        self.layers = [_detached(layer) for layer in layers]
        self.native = compiled(layers, clips)
        self.lanes = self.native[0].lanes
        self.shared = 0 if clips.prefix is None else clips.prefix.shape[0]
        self.whole = self.shared - self.shared % self.lanes
        """Shared frames, and those of them that fill whole blocks and are computed once."""
        rest, n_clips = clips.rest.detach(), clips.rest.shape[1]
        if clips.prefix is not None:
            rest = torch.cat([clips.prefix[self.whole :].detach().expand(-1, n_clips, -1, -1), rest])
        weight = clips.multiplicity.detach().double()
        self.spans = [Span(self.to_blocks(rest.unsqueeze(-1)), weight, rest.shape[0])]
        if clips.prefix is not None and self.whole:
            prefix = clips.prefix[: self.whole].detach().unsqueeze(-1)
            self.spans.insert(0, Span(self.to_blocks(prefix), weight.sum().reshape(1), self.whole))
        self.values = float(sum(s.weight.sum() * s.frames for s in self.spans)) * rest[0, 0].numel()
        self.arena = Arena()
        self._adjoint_rooms: dict[torch.Size, Tensor] = {}
        self.v: list[list[Tensor]] = []
        self.moments: list[Moments] = []
        self.decay = [1 - layer.leak.double() for layer in self.layers]
        self.spectra = [
            native.spectrum((layer.leak * layer.gain).double().view(-1, 1, 1, 1) * layer.weight)
            for native, layer in zip(self.native, self.layers, strict=True)
        ]

    def to_blocks(self, maps: Tensor) -> Tensor:
        """Arrange maps ``(T, B, Y, X, C)`` in blocks ``(B, blocks, C, Y, X, LANES)``, zero behind the last frame."""
        padded = F.pad(maps, (0, 0, 0, 0, 0, 0, 0, 0, 0, -maps.shape[0] % self.lanes))
        return padded.unflatten(0, (-1, self.lanes)).permute(2, 0, 5, 3, 4, 1).contiguous()

    def scale_shift(self, i: int) -> tuple[Tensor, Tensor]:
        """Scale and shift per channel of the normalisation of layer ``i``."""
        layer, (mean, var) = self.layers[i], self.moments[i]
        if layer.gamma is None:
            return torch.ones_like(layer.beta), layer.beta
        scale = layer.gamma * torch.rsqrt(var + layer.eps)
        return scale, layer.beta - mean * scale

    def maps(self, i: int, s: int, b: int) -> Maps:
        """Integrators of layer ``i`` for clip ``b`` of span ``s``."""
        layer = self.layers[i]
        return Maps(self.v[i][s][b], self.v[i][s - 1][0] if s else None, layer.rest, layer.taps)

    def input(self, i: int, s: int, b: int) -> Input:
        """What layer ``i`` reads of clip ``b`` of span ``s``."""
        if i == 0:
            return Input(Maps(self.spans[s].eye[b], None, None, 0), None, None, 1.0)
        return Input(self.maps(i - 1, s, b), *self.scale_shift(i - 1), self.layers[i].slope)

    def forward(self) -> tuple[Tensor, ...]:
        """Run all layers; return what the readouts take from the last one, of the shared frames and of the rest."""
        with threads() as each:
            for i in range(len(self.layers)):
                self.moments.append(self.integrate(i, each))
            reading = NativeReading(self, self.reading, each)
            drives = [reading.drive(s) for s in range(len(self.spans))]
        if self.shared == self.whole:
            return tuple(drives)
        tail = self.shared - self.whole
        prefix = torch.cat([*drives[:-1], drives[-1][:tail, :1]])
        return prefix, drives[-1][tail:]

    def integrate(self, i: int, each: Each) -> Moments:
        """Run layer ``i``; return weighted mean and biased variance of ``y``."""
        layer, native = self.layers[i], self.native[i]
        total = torch.zeros(2, len(layer.leak), dtype=torch.float64)
        self.v.append([])
        for s, span in enumerate(self.spans):
            clips, blocks = span.eye.shape[:2]
            self.v[i].append(self.arena.empty(clips, blocks, len(layer.leak), *span.eye.shape[3:]))
            sums = torch.zeros(clips, *total.shape, dtype=torch.float64)

            def clip(b: int, s: int = s, span: Span = span, sums: Tensor = sums) -> None:
                wanted = None if layer.gamma is None else sums[b]
                native.forward(
                    span.frames, self.input(i, s, b), self.maps(i, s, b), self.spectra[i], self.decay[i], wanted
                )

            each(clip, range(clips))
            total += torch.einsum("b,bso->so", span.weight, sums)
        mean = total[0] / self.values
        return mean.float(), (total[1] / self.values - mean.square()).float()

    def backward(self, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
        """Return the gradients of the readouts' weights and of every tensor of every layer; uses up the integrators."""
        tail = self.shared - self.whole
        if tail:
            prefix, rest = grads
            first = rest.new_zeros(tail, *rest.shape[1:])
            first[:, 0] = prefix[self.whole :, 0]
            grads = (*[prefix[: self.whole]] * (len(self.spans) - 1), torch.cat([first, rest]))
        found: list[Tensor | None] = []
        with threads() as each:
            d_weights, adjoint = NativeReading(self, self.reading, each).adjoint(grads)
            for i in reversed(range(len(self.layers))):
                step = LayerBackward(self, i, adjoint, each)
                found = step.gradients() + found
                adjoint = step.below
                self.v.pop()
        self.arena.release()
        return [d_weights, *found]

    def adjoint_room(self, shape: torch.Size) -> Tensor:
        """Memory for ``p`` of a layer with a finite kernel; one after another they take the same."""
        if shape not in self._adjoint_rooms:
            self._adjoint_rooms[shape] = self.arena.empty(*shape)
        return self._adjoint_rooms[shape]


@contextmanager
def threads() -> Iterator[Each]:
    """Give an :data:`Each` on as many threads as torch would use."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:

        def each(call: Callable[[int], None], numbers: Iterable[int]) -> None:
            for _ in pool.map(call, numbers):
                pass

        yield each


def _detached(layer: FusedLayer) -> FusedLayer:
    return FusedLayer(*(t.detach().contiguous() if isinstance(t, Tensor) else t for t in layer))  # type: ignore[arg-type]
