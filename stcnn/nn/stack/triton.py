"""Training of the hidden stack on a GPU: the numbers of :mod:`stcnn.nn.stack.engine`, whose formulas stand there.

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

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from stcnn.nn.kernels.triton import launch as triton_rows
from stcnn.nn.kernels.triton.launch import AdjointTerms, Behind, Maps, Normalisation, interpreted, missing
from stcnn.nn.lattice import Window
from stcnn.nn.notice import say_once
from stcnn.nn.ops.correlate import correlate, correlate_adjoint
from stcnn.nn.readout import Reading
from stcnn.nn.stack.chunked_backward import LastAdjoint, LayerBackward
from stcnn.nn.stack.chunked_forward import Clips, FusedLayer, Run
from stcnn.nn.stack.engine import StackOutput, train

LARGEST_MAP = 2**31 - 1
"""Values of one layer's maps that cuDNN takes in one call."""


def unfit_for_triton(layers: list[FusedLayer], clips: Clips) -> str:
    """Say why the kernels cannot run these layers and clips; empty if they can."""
    reason, eye = missing(), clips.rest
    if reason:
        return reason
    if not eye.is_cuda and not interpreted():
        return f"the maps are on the {eye.device.type}, and the kernels are compiled for a GPU"
    if eye.dtype not in (torch.float32, torch.float64):
        return f"the maps are {eye.dtype}: only convolutions may be shorter than float32, through autocast"
    values = eye.numel() * max(len(layer.leak) for layer in layers)
    if values > LARGEST_MAP:
        return f"a layer has {values:.2g} values, more than {LARGEST_MAP:.2g}: take fewer clips per step"
    return ""


def prefers_triton(layers: list[FusedLayer], clips: Clips) -> bool:
    """Tell whether the kernels are the ones to take: for maps on a GPU, if they can; logs the choice, once."""
    if not clips.rest.is_cuda:
        return False
    reason = unfit_for_triton(layers, clips)
    if reason:
        say_once(f"compute=torch: training runs in PyTorch, several times slower than in Triton's kernels: {reason}")
    else:
        say_once(
            f"compute=triton: hidden layers train in Triton's kernels, for the maps are on {clips.rest.device}",
            logging.INFO,
        )
    return not reason


def run_triton(layers: list[FusedLayer], clips: Clips, reading: Reading, recompute: bool = False) -> StackOutput:
    """Run the stack in training mode with exact gradients; as :func:`stcnn.nn.stack.engine.run_fused`.

    ``recompute`` makes the inputs of the convolutions again in the backward pass instead of keeping them.
    """
    return train(TritonRun(layers, clips, reading.window, recompute), layers, reading)


class TritonRun(Run):
    """One forward and one backward pass, whole spans of frames at a time."""

    def __init__(self, layers: list[FusedLayer], clips: Clips, window: Window, recompute: bool = False) -> None:
        super().__init__(layers, clips, window)
        self.layers = [
            FusedLayer(*(t.contiguous() if isinstance(t, Tensor) else t for t in layer))  # type: ignore[arg-type]
            for layer in self.layers
        ]
        self.keeps_inputs = not recompute
        self.inputs: dict[tuple[int, int], Tensor] = {}
        """Rectified inputs by layer and span, if they are kept."""

    def maps(self, i: int, s: int) -> Maps:
        """Integrators of layer ``i`` in span ``s``."""
        layer, v, earlier = self.layers[i], self.memory.v[i][s], self.memory.v[i][s - 1] if s else None
        clips, channels = self.spans[s].clips, len(layer.leak)
        start = v.new_zeros(v.shape[1] // clips) if earlier is None else earlier[-1]
        return Maps(v, clips, channels, layer.leak, start, earlier, layer.rest, layer.taps)

    def normalisation(self, i: int) -> Normalisation:
        """How layer ``i`` is read by the layer above, or by the readouts, which rectify for themselves."""
        slope = self.layers[i + 1].slope if i + 1 < len(self.layers) else 1.0
        return Normalisation(**self.normaliser(i), slope=slope)

    def layer_input(self, i: int, s: int, start: int, stop: int) -> Tensor:
        """Rectified input of layer ``i`` in the type of the convolution, pictures of all frames of span ``s``."""
        if i == 0:
            return super().layer_input(0, s, start, stop).to(self.conv_dtype)
        kept = self.inputs.get((i, s))
        if kept is None:
            kept = triton_rows.activate(self.maps(i - 1, s), self.normalisation(i - 1), self.conv_dtype)
            if self.keeps_inputs:
                self.inputs[i, s] = kept
        return self.pictures(kept, s)

    def forward(self) -> tuple[Tensor, ...]:
        """Run all layers; return the normalised window of the last one for each span."""
        with exact_convolutions():
            return super().forward()

    def integrate(self, i: int) -> tuple[Tensor, Tensor]:
        """Convolve and integrate layer ``i`` over all frames; return weighted mean and variance of ``y``."""
        layer = self.layers[i]
        normalised = layer.gamma is not None
        total = self.spans[0].eye.new_zeros(2, len(layer.leak), dtype=torch.float64)
        for s, span in enumerate(self.spans):
            self.memory.make_room(i, s)
            u = rows(correlate(self.layer_input(i, s, 0, span.frames), self.kernel(i)), span.frames)
            sums = triton_rows.integrate(u, self.maps(i, s), normalised)
            if normalised:
                total += torch.stack([self.channel_sum(q, s, span.weight) for q in sums])
        mean = total[0] / self.values
        return mean.to(layer.leak), (total[1] / self.values - mean.square()).to(layer.leak)

    def last_window(self, s: int) -> Tensor:
        """Maps ``y`` of the last layer on the window, ``(T, B, h, w, C)``."""
        last, (top, bottom, left, right) = len(self.layers) - 1, self.window
        zero = torch.zeros_like(self.layers[last].leak)
        plain = Normalisation(zero + 1, zero, zero, 1.0)
        y = triton_rows.activate(self.maps(last, s), plain, zero.dtype, (self.window, self.plane[1]))
        return y.view(len(y), self.spans[s].clips, bottom - top, right - left, -1)

    def backward(self, grads: tuple[Tensor, ...]) -> list[Tensor | None]:
        """Return the gradient of every tensor of every layer, in order; uses up the integrators."""
        found: list[Tensor | None] = []
        last = LastAdjoint(self, grads)
        adjoint = Adjoint([grad.flatten(1).contiguous() for grad in grads], last.sum, last.dot)
        with exact_convolutions():
            for i in reversed(range(len(self.layers))):
                step = TritonBackward(self, i, adjoint)
                found = step.gradients() + found
                adjoint = step.handed_down
                self.memory.forget(i)
        return found


class Adjoint(NamedTuple):
    """Gradient behind the rectifier that reads a layer (for the last one: of its normalised window), and two sums."""

    d: list[Tensor]
    """Rows by span."""
    sum: Tensor
    """``sum dz``, ``(C,)`` in float64."""
    dot: Tensor
    """``sum dz (y - mean)``."""


class TritonBackward(LayerBackward):
    """The adjoint of layer ``i``, from ``adjoint`` of its output to what is :attr:`handed_down`."""

    def __init__(self, run: TritonRun, i: int, adjoint: Adjoint) -> None:
        self.gpu, self.output = run, adjoint
        self.run, self.i, self.layer, self.kernel = run, i, run.layers[i], run.kernel(i)
        self.adjoint = adjoint  # type: ignore[assignment]  # of it, the parent reads the two sums
        zeros = torch.zeros_like(run.layers[max(i - 1, 0)].leak, dtype=torch.float64)
        self.handed_down = Adjoint([zeros] * len(run.spans), zeros, zeros.clone())
        self.h = [zeros] * len(run.spans)
        self.d_kernel = torch.zeros_like(self.layer.weight)
        self.d_leak, self.d_rest = torch.zeros_like(adjoint.sum), torch.zeros_like(adjoint.sum)

    def span_backward(self, s: int, following: Tensor) -> Tensor:
        """Go back through span ``s`` from the row ``h`` behind its end; return the row at its start."""
        run, i = self.gpu, self.i
        window = (run.window, run.plane[1]) if i == len(run.layers) - 1 else None
        result = triton_rows.integrate_backward(
            self.output.d[s], run.maps(i, s), Behind(following, self.later(s)),
            (run.normalisation(i), self.terms(s)), run.conv_dtype, window,
        )  # fmt: skip
        self.h[s] = result.h
        self.d_leak += run.channel_sum(result.sums[0], s)
        if self.layer.rest is not None:
            self.d_rest -= run.channel_sum(result.sums[1], s)
        x = run.layer_input(i, s, 0, run.spans[s].frames)
        run.inputs.pop((i, s), None)
        dx, d_kernel = correlate_adjoint(run.pictures(result.du, s), x, self.kernel, wants_input=i > 0)
        self.d_kernel += d_kernel
        if dx is not None:
            self.collect_below(s, rows(dx, run.spans[s].frames))
        return following

    def collect_below(self, s: int, dx: Tensor) -> None:
        """Hand the gradient of the input to the layer below, with its sums."""
        run, below = self.gpu, self.i - 1
        sums = triton_rows.sum_adjoint(dx, run.maps(below, s), run.normalisation(below))
        self.handed_down.d[s] = dx
        self.handed_down.sum.add_(run.channel_sum(sums[0], s))
        self.handed_down.dot.add_(run.channel_sum(sums[1], s))

    def later(self, s: int) -> Tensor | None:
        """Rows ``h`` of the K frames behind span ``s``, summed over the clips that all go on from it."""
        if self.layer.rest is None or s + 1 == len(self.run.spans):
            return None
        behind = self.h[s + 1][: self.layer.taps]
        return behind.view(len(behind), self.run.spans[s + 1].clips, -1).sum(1)

    def terms(self, s: int) -> AdjointTerms:
        """``-m/n gamma i^2 S2`` and ``-m/n gamma i S1`` of each clip and channel."""
        layer, weight = self.layer, self.run.spans[s].weight
        if layer.gamma is None:
            zeros = layer.leak.new_zeros(len(weight), len(layer.leak))
            return AdjointTerms(zeros, zeros)
        inverse = (self.run.moments[self.i][1].double() + layer.eps).rsqrt()
        share = -weight.double()[:, None] / self.run.values * layer.gamma * inverse
        slopes, constants = share * inverse.square() * self.output.dot, share * self.output.sum
        return AdjointTerms(slopes.to(layer.leak), constants.to(layer.leak))


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
