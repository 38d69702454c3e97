"""Training of the hidden stack in compiled code: the same numbers as :mod:`stcnn.nn.stack.chunked`, in less time.

The formulas of the whole stack stand in :mod:`stcnn.nn.stack.algorithm`, those of one layer in ``csrc``; here layers
and clips are put together, and what concerns all clips (normalisation, sums of gradients) is computed in torch. Clips
run side by side, on at most ``torch.get_num_threads()`` threads; sums over clips are taken in their order, so that a
result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.kernels.native import compile
from stcnn.nn.kernels.native.compile import Geometry, NotCompiled, compiler, libraries, library
from stcnn.nn.kernels.native.layer import NativeLayer
from stcnn.nn.kernels.native.threads import ParallelFor, parallel_for
from stcnn.nn.readout.reading import PlacedReading, Reading
from stcnn.nn.stack.algorithm import moments_of
from stcnn.nn.stack.engine import Engine, as_function, stack_output
from stcnn.nn.stack.native_backward import LayerBackward
from stcnn.nn.stack.native_places import NativePlaces
from stcnn.nn.stack.native_readouts import NativeReadouts
from stcnn.nn.stack.native_saved import Saved
from stcnn.nn.stack.problem import Clips, LayerTensors, Moments, Problem, StackOutput, all_tensors

WORTH_COMPILING = 1e9
"""Multiplications of a pass in the direct form from which on the core is worth the seconds it is compiled in."""


class NativeEngine(Engine):
    """Compiled code, for float32 on the CPU, where there is a compiler."""

    name = "native"

    def why_unavailable(self) -> str | None:
        """Return why nothing can be compiled here."""
        return compile.why_unavailable()

    def why_not(self, problem: Problem) -> str | None:
        """Return why compiled code cannot run this; compiles what is missing."""
        clips = problem.clips
        tensors = [clips.maps, *(t for layer in problem.layers for t in layer if isinstance(t, Tensor))]
        if clips.prefix is not None:
            tensors.append(clips.prefix)
        if not all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors):
            return "it computes in float32 on the CPU"
        if torch.is_autocast_enabled("cpu"):
            return "it does not compute in mixed precision"
        if any(k % 2 == 0 for layer in problem.layers for k in layer.weight.shape[2:]):
            return "the width of a kernel is even"
        # One pass in most cases: where the sum is finite, so is every number.
        if not all(bool(t.sum().isfinite()) or bool(t.isfinite().all()) for t in tensors):
            return "a parameter or a movie is not finite"
        try:
            compiled_layers(problem.layers, clips)
        except NotCompiled as error:
            return str(error)
        return None

    def is_worth_it(self, problem: Problem) -> bool:
        """Tell whether there is enough to compute, of a kind that compiled code is for."""
        maps = problem.clips.maps
        return problem.products >= WORTH_COMPILING and maps.dtype == torch.float32 and maps.device.type == "cpu"

    def why_chosen(self, problem: Problem) -> str:
        """Return what the log says where it is taken."""
        return f"hidden layers train in compiled code, for '{compiler()[0]}' is here"

    def run(self, problem: Problem) -> StackOutput:
        """Run the stack with exact gradients."""
        run = NativeRun(problem.layers, problem.clips, problem.reading)
        drives = as_function(run, problem.reading.weights, *all_tensors(problem.layers))
        return stack_output(drives, run, problem.clips)


def compiled_layers(layers: Sequence[LayerTensors], clips: Clips) -> list[NativeLayer]:
    """Return the compiled code of each layer; raises :class:`NotCompiled`."""
    lattice = (clips.maps.shape[2], clips.maps.shape[3])
    geometries = [Geometry.of(lattice, layer.weight.shape) for layer in layers]
    libraries(geometries)  # side by side
    return [_compiled(geometry) for geometry in geometries]


@cache
def _compiled(geometry: Geometry) -> NativeLayer:
    return NativeLayer(geometry, library(geometry))


class NativeRun:
    """One forward and one backward pass.

    Raises:
        NotCompiled: the compiled core cannot run these; the message says why.
    """

    def __init__(self, layers: Sequence[LayerTensors], clips: Clips, reading: Reading | PlacedReading) -> None:
        self.trained = any(t is not None and t.requires_grad for t in all_tensors(layers))
        """Whether the layers need gradients, or only the readouts behind them."""
        self.reading = reading._replace(weights=reading.weights.detach())
        self.saved = Saved(layers, compiled_layers(layers, clips), clips)

    @property
    def moments(self) -> list[Moments]:
        """Weighted mean and biased variance of each layer's maps before normalisation."""
        return self.saved.moments

    @property
    def values(self) -> float:
        """Number of values per channel behind the moments."""
        return self.saved.values

    def forward(self) -> tuple[Tensor, ...]:
        """Run all layers; return what the readouts take from the last one, of the shared frames and of the rest."""
        saved = self.saved
        with parallel_for() as each:
            for i in range(len(saved.layers)):
                saved.moments.append(self.integrate(i, each))
            readouts = self._readouts(each)
            drives = [readouts.drive(s) for s in range(len(saved.spans))]
        tail = saved.n_shared - saved.n_whole
        if not tail:
            return tuple(drives)
        first = drives[-1][:tail] if self.placed else drives[-1][:tail, :1]
        return torch.cat([*drives[:-1], first]), drives[-1][tail:]

    def last_integrators(self) -> list[Tensor]:
        """Return a copy of the integrators of all layers after the last frame, ``(B, Y, X, C)``."""
        lane = (self.saved.spans[-1].frames - 1) % self.saved.lanes
        return [v[-1][:, -1, ..., lane].permute(0, 2, 3, 1).contiguous() for v in self.saved.v]

    @property
    def placed(self) -> bool:
        """Whether neurons read where they sit, and not all at one place."""
        return isinstance(self.reading, PlacedReading)

    def _readouts(self, each: ParallelFor) -> NativeReadouts | NativePlaces:
        if isinstance(self.reading, PlacedReading):
            return NativePlaces(self.saved, self.reading, each)
        return NativeReadouts(self.saved, self.reading, each)

    def integrate(self, i: int, each: ParallelFor) -> Moments:
        """Run layer ``i``; return weighted mean and biased variance of ``y``."""
        saved = self.saved
        layer = saved.layers[i]
        native = saved.native[i]
        total = torch.zeros(2, len(layer.leak), dtype=torch.float64)
        saved.v.append([])
        for s, span in enumerate(saved.spans):
            clips, blocks = span.eye.shape[:2]
            saved.v[i].append(saved.workspace.empty(clips, blocks, len(layer.leak), *span.eye.shape[3:]))
            sums = torch.zeros(clips, *total.shape, dtype=torch.float64)

            def clip(b: int, s: int = s, frames: int = span.frames, sums: Tensor = sums) -> None:
                wanted = None if layer.gamma is None else sums[b]
                read = saved.input(i, s, b)
                native.forward(frames, read, saved.maps(i, s, b), saved.spectra[i], saved.decay[i], wanted)

            each(clip, range(clips))
            total += torch.einsum("b,bso->so", span.weight, sums)
        return moments_of(layer, total, saved.values)

    def backward(self, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
        """Return the gradients of the readouts' weights and of every tensor of every layer; uses up the integrators."""
        saved = self.saved
        found: list[Tensor | None] = []
        with parallel_for() as each:
            readouts = self._readouts(each)
            d_weights, adjoint = readouts.adjoint(self._by_span(grads))
            for i in reversed(range(len(saved.layers) if self.trained else 0)):
                step = LayerBackward(saved, i, adjoint, each)
                found = step.gradients() + found
                adjoint = step.below
                saved.v.pop()
        saved.v.clear()
        saved.workspace.release()
        return [d_weights, *(found or [None] * len(all_tensors(saved.layers)))]

    def _by_span(self, grads: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return gradients by span; shared frames of no whole block were computed with every clip."""
        whole = self.saved.n_whole
        tail = self.saved.n_shared - whole
        if not tail:
            return grads
        prefix, own = grads
        first = prefix[whole:]
        if not self.placed:  # they count once, with the first clip; readers each look at one clip anyway
            first = F.pad(first, (0, 0, 0, own.shape[1] - 1))
        n_whole_spans = len(self.saved.spans) - 1
        return (*[prefix[:whole]] * n_whole_spans, torch.cat([first, own]))
