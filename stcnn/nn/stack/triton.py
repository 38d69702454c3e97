"""Training of the hidden stack on a GPU: the numbers of :mod:`stcnn.nn.stack.chunked`.

No GPU has measured it yet; the tests run its kernels in Triton's interpreter.

Convolutions are those of cuDNN (channels last; float32 without TF32, or the type of autocast). Between two of them lie
two kernels forward and two backward, each of which reads every value once and writes it once:

    activate              v of layer i-1                  -> x = leaky(scale y + shift), in the type of the convolution
    (convolution)         x                               -> u
    integrate             u                               -> v, and the sums behind mean and variance

    integrate_backward    dL/dx of layer i+1, v           -> dL/du: rectifier, normalisation and integrator at once
    (two convolutions)    dL/du, x                        -> dL/dx, dL/dW
    sum_adjoint           dL/dx, v of layer i-1           -> the two sums that the adjoint of its normalisation needs

All frames of all clips go through each at once: their memory is that of the GPU, and a launch costs more than a cache
miss. Nothing here waits for the GPU but the count of values behind the moments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from stcnn.nn.kernels.triton import launch
from stcnn.nn.kernels.triton.launch import AdjointBoundary, AdjointTerms, Maps, Normalisation
from stcnn.nn.ops.correlate import correlate, correlate_adjoint
from stcnn.nn.stack.algorithm import affine, moments_of, normalisation_adjoint
from stcnn.nn.stack.chunked import run_and_read
from stcnn.nn.stack.chunked_backward import Adjoint, LastAdjoint, LayerBackward
from stcnn.nn.stack.chunked_forward import ChunkedForward
from stcnn.nn.stack.engine import Engine
from stcnn.nn.stack.problem import Clips, LayerTensors, Moments, Problem, StackOutput
from stcnn.nn.windows import Window

LARGEST_MAP = 2**31 - 1
"""Values of one layer's maps that cuDNN takes in one call."""


class TritonEngine(Engine):
    """Kernels for a GPU, where Triton is installed."""

    name = "triton"

    def why_unavailable(self) -> str | None:
        """Return why there is no GPU for the kernels, or nothing that compiles them; their interpreter is for tests."""
        return launch.why_unavailable() if torch.cuda.is_available() else "PyTorch finds no GPU"

    def why_not(self, problem: Problem) -> str | None:
        """Return why the kernels cannot run this."""
        eye = problem.clips.maps
        if reason := launch.why_unavailable():
            return reason
        if problem.clips.before is not None:
            return "a piece of a movie starts from the state of the piece before, which the kernels do not"
        if not eye.is_cuda and not launch.interpreted():
            return f"the maps are on the {eye.device.type}, and the kernels are compiled for a GPU"
        if eye.dtype not in (torch.float32, torch.float64):
            return f"the maps are {eye.dtype}: only convolutions may be shorter than float32, through autocast"
        values = eye.numel() * max(len(layer.leak) for layer in problem.layers)
        if values > LARGEST_MAP:
            return f"a layer has {values:.2g} values, more than {LARGEST_MAP:.2g}: take fewer clips per step"
        return None

    def is_worth_it(self, problem: Problem) -> bool:
        """Tell whether the maps are on a GPU."""
        return problem.clips.maps.is_cuda

    def why_chosen(self, problem: Problem) -> str:
        """Return what the log says where it is taken."""
        return f"hidden layers train in Triton's kernels, for the maps are on {problem.clips.maps.device}"

    def run(self, problem: Problem) -> StackOutput:
        """Run the stack with exact gradients."""
        return run_and_read(TritonRun(problem.layers, problem.clips, problem.reading.window), problem)


class TritonRun(ChunkedForward):
    """One forward and one backward pass, whole spans of frames at a time."""

    def __init__(self, layers: Sequence[LayerTensors], clips: Clips, window: Window) -> None:
        super().__init__(layers, clips, window)
        self.layers = [
            LayerTensors(*(t.contiguous() if isinstance(t, Tensor) else t for t in layer))  # type: ignore[arg-type]
            for layer in self.layers
        ]
        self.inputs: dict[tuple[int, int], Tensor] = {}
        """Rectified inputs by layer and span."""

    def maps(self, i: int, s: int) -> Maps:
        """Return the integrators of layer ``i`` in span ``s``."""
        layer = self.layers[i]
        v = self.memory.v[i][s]
        earlier = self.memory.v[i][s - 1] if s else None
        clips = self.spans[s].clips
        start = v.new_zeros(v.shape[1] // clips) if earlier is None else earlier[-1]
        return Maps(v, clips, len(layer.leak), layer.leak, start, earlier, layer.tail_weight, layer.taps)

    def normalisation(self, i: int) -> Normalisation:
        """Return how layer ``i`` is read by the layer above, or by the readouts, which rectify for themselves."""
        slope = self.layers[i + 1].slope if i + 1 < len(self.layers) else 1.0
        scale, shift = affine(self.layers[i], self.moments[i])
        return Normalisation(scale, shift, self.moments[i][0], slope)

    def layer_input(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Return the rectified input of layer ``i`` in the type of the convolution, for all frames of span ``s``."""
        if i == 0:
            return super().layer_input(0, s, start, stop).to(self.conv_dtype)
        if (i, s) not in self.inputs:
            self.inputs[i, s] = launch.activate(self.maps(i - 1, s), self.normalisation(i - 1), self.conv_dtype)
        return self.pictures(self.inputs[i, s], s)

    def forward(self) -> tuple[Tensor, ...]:
        """Run all layers; return the normalised window of the last one for each span."""
        with exact_convolutions():
            return super().forward()

    def integrate(self, i: int) -> Moments:
        """Convolve and integrate layer ``i`` over all frames; return weighted mean and variance of ``y``."""
        layer = self.layers[i]
        normalised = layer.gamma is not None
        total = self.spans[0].eye.new_zeros(2, len(layer.leak), dtype=torch.float64)
        for s, span in enumerate(self.spans):
            self.memory.allocate(i, s)
            u = rows(correlate(self.layer_input(i, s, 0, span.frames), self.kernel(i)), span.frames)
            sums = launch.integrate(u, self.maps(i, s), normalised)
            if normalised:
                total += torch.stack([self.channel_sum(q, s, span.weight) for q in sums])
        return moments_of(layer, total, self.values)

    def last_window(self, s: int) -> Tensor:
        """Return maps ``y`` of the last layer on the window, ``(T, B, h, w, C)``."""
        last = len(self.layers) - 1
        zero = torch.zeros_like(self.layers[last].leak)
        plain = Normalisation(zero + 1, zero, zero, 1.0)
        y = launch.activate(self.maps(last, s), plain, zero.dtype, (self.window, self.lattice[1]))
        height = self.window.bottom - self.window.top
        width = self.window.right - self.window.left
        return y.view(len(y), self.spans[s].clips, height, width, -1)

    def backward(self, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
        """Return the gradient of every tensor of every layer, in order; uses up the integrators."""
        found: list[Tensor | None] = []
        adjoint: Adjoint = LastAdjoint(self, grads)
        adjoint.rows = [grad.flatten(1).contiguous() for grad in grads]
        with exact_convolutions():
            for i in reversed(range(len(self.layers))):
                step = TritonBackward(self, i, adjoint)
                found = step.gradients() + found
                adjoint = step.below
                self.memory.drop(i)
        return found


class TritonBackward(LayerBackward):
    """The adjoint of layer ``i``.

    ``rows`` of an adjoint hold here the gradient *behind* the rectifier that reads a layer, of the last one that of its
    normalised window.
    """

    def __init__(self, run: TritonRun, i: int, adjoint: Adjoint) -> None:
        self.gpu = run
        self.run = run
        self.i = i
        self.adjoint = adjoint
        self.layer = run.layers[i]
        self.kernel = run.kernel(i)
        self.below = Adjoint(run, max(i - 1, 0))
        self.below.rows = [self.below.sum] * len(run.spans)
        self.h = [self.below.sum] * len(run.spans)
        self.d_kernel = torch.zeros_like(self.layer.weight)
        self.d_leak = torch.zeros_like(adjoint.sum)
        self.d_tail_weight = torch.zeros_like(adjoint.sum)
        self.sums = adjoint.sums

    def span_backward(self, s: int, following: Tensor) -> Tensor:
        """Go back through span ``s`` from the row ``h`` behind its end; return the row at its start."""
        run = self.gpu
        i = self.i
        window = (run.window, run.lattice[1]) if i == len(run.layers) - 1 else None
        result = launch.integrate_backward(
            self.adjoint.rows[s],
            run.maps(i, s),
            AdjointBoundary(following, self.later(s)),
            (run.normalisation(i), self.terms(s)),
            run.conv_dtype,
            window,
        )
        self.h[s] = result.h
        self.d_leak += run.channel_sum(result.sums[0], s)
        if self.layer.tail_weight is not None:
            self.d_tail_weight -= run.channel_sum(result.sums[1], s)
        x = run.layer_input(i, s, 0, run.spans[s].frames)
        run.inputs.pop((i, s), None)
        dx, d_kernel = correlate_adjoint(run.pictures(result.du, s), x, self.kernel, wants_input=i > 0)
        self.d_kernel += d_kernel
        if dx is not None:
            self.collect_below(s, rows(dx, run.spans[s].frames))
        return following

    def collect_below(self, s: int, dx: Tensor) -> None:
        """Hand the gradient of the input to the layer below, with its sums."""
        run = self.gpu
        below = self.i - 1
        sums = launch.sum_adjoint(dx, run.maps(below, s), run.normalisation(below))
        self.below.rows[s] = dx
        self.below.sum += run.channel_sum(sums[0], s)
        self.below.dot += run.channel_sum(sums[1], s)

    def later(self, s: int) -> Tensor | None:
        """Return rows ``h`` of the K frames behind span ``s``, summed over the clips that all go on from it."""
        if self.layer.tail_weight is None or s + 1 == len(self.run.spans):
            return None
        behind = self.h[s + 1][: self.layer.taps]
        return behind.view(len(behind), self.run.spans[s + 1].clips, -1).sum(1)

    def terms(self, s: int) -> AdjointTerms:
        """Return ``slope`` and ``constant`` of the adjoint of the normalisation, for each clip and channel."""
        layer = self.layer
        weight = self.run.spans[s].weight
        if layer.gamma is None:
            zeros = layer.leak.new_zeros(len(weight), len(layer.leak))
            return AdjointTerms(zeros, zeros)
        adjoint = normalisation_adjoint(layer, self.run.moments[self.i], self.sums, self.run.values)
        by_clip = weight.double()[:, None]
        return AdjointTerms((by_clip * adjoint.slope).to(layer.leak), (by_clip * adjoint.constant).to(layer.leak))


def rows(pictures: Tensor, frames: int) -> Tensor:
    """View channels-last pictures ``(T B, C, Y, X)`` as rows ``(T, B Y X C)``."""
    return pictures.permute(0, 2, 3, 1).reshape(frames, -1)


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Let cuDNN convolve float32 in float32: TF32, its default, has three digits."""
    flags = torch.backends.cudnn
    with flags.flags(
        enabled=flags.enabled, benchmark=flags.benchmark, deterministic=flags.deterministic, allow_tf32=False
    ):
        yield
