"""The hidden layers behind one narrow interface: photoreceptor maps in, what the readouts take from the last layer out.

In training an engine computes them (:mod:`stcnn.nn.stack`) where the layers have the form that engines are made for;
here stands the reference: layer by layer through autograd, every kind of layer, in any precision, with most memory.

Evaluation without gradients has forms of its own, in PyTorch and in compiled code (:mod:`stcnn.nn.inference`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, cast

import torch
from torch import Tensor, nn

from stcnn.errors import ConfigError
from stcnn.nn.filters.exponential import SHORT_TAPS, ExponentialConfig, leak, truncation_matters
from stcnn.nn.filters.kind import FilterState, n_taps
from stcnn.nn.hidden import HiddenConfig, HiddenLayer
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.norms.batch import WeightedBatchNorm
from stcnn.nn.readout.reading import PlacedReading, Reading
from stcnn.nn.stack import choose
from stcnn.nn.stack.native import WORTH_COMPILING
from stcnn.nn.stack.problem import Clips, LayerTensors, Problem
from stcnn.nn.windows import Pair

Compute = Literal["auto", "reference", "torch", "native", "triton"]
"""Name of what computes a network, in training and in evaluation:

* ``reference``: PyTorch, layer by layer; every kind of layer.
* ``torch``: PyTorch in forms made for speed, where the layers allow it, else the reference.
* ``native``: compiled code for the CPU; refused where it cannot run.
* ``triton``: kernels for a GPU, in training; refused where they cannot run. Evaluation is then PyTorch's.
* ``auto``: the fastest that can run and is worth it.
"""


class HiddenStack(nn.ModuleList):
    """All hidden layers.

    Args:
        config: channels, kernel, filter, normalisation.
        lattice: on which the maps of the eye lie.
    """

    def __init__(self, config: HiddenConfig, lattice: MapLattice) -> None:
        inputs = (1, *config.channels[:-1])
        layers = []
        for i, (n_in, n_out) in enumerate(zip(inputs, config.channels, strict=True)):
            lattice = lattice.behind(config.convolution(i).stride)
            layers.append(HiddenLayer(n_in, n_out, config, i, lattice))
        super().__init__(layers)
        self.config = config
        self.channels = config.channels[-1]
        """Channels of the last maps."""
        self.compute: Compute = "auto"
        self.frozen = False
        """Whether the layers stay as they are in training: no gradients, and normalised by the running statistics."""

    def freeze(self) -> None:
        """Train no layer any more; all implementations compute the same function as in evaluation."""
        self.frozen = True
        self.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> HiddenStack:
        """Choose between training and evaluation; frozen layers normalise as in evaluation in both."""
        super().train(mode)
        for layer in self:
            if layer.norm is not None and self.frozen:
                layer.norm.eval()
        return self

    def __iter__(self) -> Iterator[HiddenLayer]:
        return cast(Iterator[HiddenLayer], super().__iter__())

    @property
    def stride(self) -> Pair:
        """Columns of the eye from one place of the last maps to the next, down and across."""
        strides = [layer.convolution.stride for layer in self]
        return math.prod(down for down, _ in strides), math.prod(right for _, right in strides)

    def lattices(self, lattice: Pair) -> list[Pair]:
        """Return the size of the maps of the eye, ``lattice``, and of every layer.

        Raises:
            ConfigError: a layer makes no place of what it reads.
        """
        sizes = [lattice]
        for i, layer in enumerate(self):
            made = layer.convolution.makes(sizes[-1])
            if min(made) < 1:
                raise ConfigError(
                    f"hidden layer {i} with a kernel of {layer.convolution.kernel} columns makes no place of a map of "
                    f"{sizes[-1]}",
                    expected="maps of at least one place",
                    remedy="choose a smaller kernel_columns or stride, or more padding",
                )
            sizes.append(made)
        return sizes

    def forward(self, clips: Clips, rate_hz: float, reading: Reading | PlacedReading) -> list[Tensor]:
        """Run the layers.

        Args:
            clips: photoreceptor maps, with the frames that all clips share apart, and their multiplicity.
            rate_hz: frames per second.
            reading: what the readouts take from the last layer.

        Returns:
            What they find, ``(T, B, N)``: of the shared frames (B = 1, only if there are any), then of the rest; of a
            :class:`~stcnn.nn.readout.reading.PlacedReading` each is ``(T, P)``.
        """
        return self.go_on(clips, rate_hz, reading)[0]

    def go_on(
        self, clips: Clips, rate_hz: float, reading: Reading | PlacedReading
    ) -> tuple[list[Tensor], list[FilterState]]:
        """Run the layers from ``clips.before`` on, as :meth:`forward`; return the states after the last frame too.

        The states are empty unless ``clips.goes_on``; no gradient flows into them.
        """
        if self._takes_engine(clips, rate_hz, reading):
            return self._run_engine(clips, rate_hz, reading)
        eye = clips.maps
        if clips.prefix is not None:
            eye = torch.cat([clips.prefix.expand(-1, eye.shape[1], -1, -1), eye])
        x = eye.unsqueeze(-1)
        states = []
        for i, layer in enumerate(self):
            y, state = layer.linear(x, rate_hz, None if clips.before is None else clips.before[i])
            x = layer.normalise(y, clips.multiplicity)
            states.append(state.detached())
        return [reading.drive(reading.window.crop(x))], states if clips.goes_on else []

    def why_no_engine(self, clips: Clips, reading: Reading | PlacedReading) -> str | None:
        """Return why only the reference can compute this; None if engines can."""
        if not self.training and isinstance(reading, Reading):
            return "it is for training; call train() first"
        curved = [a.name for a in (*(layer.activation for layer in self), reading.activation) if a.curved]
        if curved:
            return f"the activation {curved[0]} is more than a slope"
        if any(layer.learns_slope for layer in self):
            return "the slope of a rectifier is learned"
        if not all(layer.norm is None or isinstance(layer.norm, WeightedBatchNorm) for layer in self):
            return f"the hidden layers have a normalisation of kind '{self.config.norm.kind}'"
        if not all(layer.convolution.keeps_size for layer in self):
            return "a hidden layer has a stride, a padding or an even kernel, so that maps differ in size"
        if not isinstance(self.config.filter, ExponentialConfig):
            return f"the hidden layers have a kernel of kind '{self.config.filter.kind}'"
        if clips.goes_on and self.config.filter.kernel_s is not None:
            return "kernels that end need more of the piece of a movie before than its last frame"
        if clips.maps.requires_grad:
            return "the photoreceptor maps need a gradient"
        return None

    def engine(self, clips: Clips, rate_hz: float, reading: Reading | PlacedReading) -> str:
        """Return the name of the engine that trains with such clips; their values do not matter."""
        if not self._takes_engine(clips, rate_hz, reading):
            return "reference"
        return choose(self._problem(clips, rate_hz, reading), self.compute).name

    def is_worth_compiling(self, n_values: int) -> bool:
        """Tell whether compiled code is for layers that read so many values of photoreceptor maps."""
        products = n_values * sum(layer.weight.numel() for layer in self)
        return self.compute == "native" or (self.compute == "auto" and products >= WORTH_COMPILING)

    def _takes_engine(self, clips: Clips, rate_hz: float, reading: Reading | PlacedReading) -> bool:
        if self.compute == "reference":
            return False
        reason = self.why_no_engine(clips, reading)
        if reason and self.compute in ("native", "triton"):
            raise ConfigError(f"compute='{self.compute}' cannot run: {reason}", remedy="choose compute='auto'")
        if reason:
            return False
        assert isinstance(self.config.filter, ExponentialConfig)
        taps = n_taps(self.config.filter.kernel_s, 1 / rate_hz)
        return self.compute != "auto" or taps is None or taps > SHORT_TAPS  # kernels of few taps are summed

    def _run_engine(
        self, clips: Clips, rate_hz: float, reading: Reading | PlacedReading
    ) -> tuple[list[Tensor], list[FilterState]]:
        problem = self._problem(clips, rate_hz, reading)
        output = choose(problem, self.compute).run(problem)
        for layer, (mean, var) in zip(self, output.moments, strict=True):
            if isinstance(layer.norm, WeightedBatchNorm) and layer.norm.training:
                bias = 0 if layer.bias is None else layer.bias.detach()
                layer.norm.observe(mean + bias, var, output.values)
        drives = [output.drive] if output.prefix is None else [output.prefix, output.drive]
        return drives, list(output.after or [])

    def _problem(self, clips: Clips, rate_hz: float, reading: Reading | PlacedReading) -> Problem:
        return Problem([self._tensors(layer, rate_hz) for layer in self], self._activated(clips), reading)

    def _activated(self, clips: Clips) -> Clips:
        """Apply the activation of the first layer, which engines do not know."""
        first = next(iter(self)).activation
        prefix = None if clips.prefix is None else first(clips.prefix)
        return clips._replace(prefix=prefix, maps=first(clips.maps))

    def _tensors(self, layer: HiddenLayer, rate_hz: float) -> LayerTensors:
        """Return what engines need of one layer."""
        config = layer.filter.config
        assert isinstance(config, ExponentialConfig)
        tau_s = layer.filter.tau_s
        dt_s = 1 / rate_hz
        taps = n_taps(config.kernel_s, dt_s)
        gain = layer.filter.gain(rate_hz)
        assert gain is not None
        tail_weight = torch.exp(-taps * dt_s / tau_s) if taps and truncation_matters(tau_s, dt_s, taps) else None
        gamma = None
        beta = torch.zeros_like(gain) if layer.bias is None else layer.bias
        eps = 0.0
        norm = layer.norm
        assert norm is None or isinstance(norm, WeightedBatchNorm)  # others were refused
        if norm is not None and not norm.training:  # a scale and a shift, part of the gain and the bias
            scale, shift = norm.affine()
            gain = gain * scale
            beta = beta * scale + shift
        elif norm is not None:
            gamma = norm.weight
            beta = norm.bias
            eps = norm.eps
            if layer.bias is not None:  # the normalisation removes it: its gradient is zero, not absent
                gain = gain + 0 * layer.bias
        slope = layer.activation.slope
        return LayerTensors(layer.kernel, gain, leak(tau_s, dt_s), tail_weight, gamma, beta, taps or 0, slope, eps)
