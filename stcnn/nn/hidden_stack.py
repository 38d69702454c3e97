"""The hidden layers behind one narrow interface: photoreceptor maps in, what the readouts take from the last layer out.

Implementations, same numbers:

* ``torch``: ``fused`` where that is possible, else ``modular``.
* ``modular``: layer by layer through autograd; every kind of layer, double precision of thought, most memory.
* ``fused``: training as one autograd function (:mod:`stcnn.nn.stack.engine`); exponential or no kernels only.
* ``native``: the same in compiled code (:mod:`stcnn.nn.stack.native`); float32 on the CPU, where there is a compiler.
* ``triton``: the same in kernels for a GPU (:mod:`stcnn.nn.stack.triton`), where Triton is installed.
* ``auto``: ``triton`` or ``native`` where they can run and are worth it, else ``torch``.

Evaluation without gradients has forms of its own, in PyTorch and in compiled code (:mod:`stcnn.nn.inference`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

import torch
from torch import Tensor, nn

from stcnn.errors import ConfigError
from stcnn.nn.hidden import HiddenConfig, HiddenLayer
from stcnn.nn.lattice import Pair
from stcnn.nn.readout import Reading
from stcnn.nn.stack.chunked_forward import Clips, FusedLayer
from stcnn.nn.stack.engine import run_fused
from stcnn.nn.stack.native import prefers_native, run_native, unfit_for_native
from stcnn.nn.stack.triton import prefers_triton, run_triton, unfit_for_triton
from stcnn.nn.temporal import SHORT_TAPS, forgets, leak, n_taps

Compute = Literal["auto", "torch", "native", "triton", "modular", "fused"]


class HiddenStack(nn.ModuleList):
    """All hidden layers.

    Args:
        config: channels, kernel, filter, normalisation.
    """

    def __init__(self, config: HiddenConfig) -> None:
        inputs = (1, *config.channels[:-1])
        super().__init__(
            HiddenLayer(n_in, n_out, config, i)
            for i, (n_in, n_out) in enumerate(zip(inputs, config.channels, strict=True))
        )
        self.config = config
        self.compute: Compute = "auto"
        self.recompute = False
        """Whether training remembers less and computes more, for long clips (see :func:`run_fused`)."""

    def __iter__(self) -> Iterator[HiddenLayer]:
        return cast(Iterator[HiddenLayer], super().__iter__())

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

    def forward(self, clips: Clips, rate_hz: float, reading: Reading) -> list[Tensor]:
        """Run the layers.

        Args:
            clips: photoreceptor maps, with the frames that all clips share apart, and their multiplicity.
            rate_hz: frames per second.
            reading: what the readouts take from the last layer.

        Returns:
            What they find, ``(T, B, N)``: of the shared frames (B = 1, only if there are any), then of the rest.
        """
        if self.compute in ("fused", "native", "triton") or (
            self.compute in ("auto", "torch") and self.prefers_fused(clips, rate_hz, reading)
        ):
            return self._fused(clips, rate_hz, reading)
        eye = clips.rest
        if clips.prefix is not None:
            eye = torch.cat([clips.prefix.expand(-1, eye.shape[1], -1, -1), eye])
        x = eye.unsqueeze(-1)
        for layer in self:
            y, _ = layer.linear(x, rate_hz)
            x = layer.normalise(y, clips.multiplicity)
        return [reading.drive(reading.window.crop(x))]

    def prefers_fused(self, clips: Clips, rate_hz: float, reading: Reading) -> bool:
        """Tell whether the fused form is the one to take: in training, but for kernels of so few taps that they sum."""
        if not self.training or self.config.filter.kind != "exponential" or self.unfit(clips, reading):
            return False
        taps = n_taps(self.config.filter.kernel_s, 1 / rate_hz)
        return taps is None or taps > SHORT_TAPS

    def unfit(self, clips: Clips, reading: Reading) -> str:
        """Say why the fused form cannot run; empty if it can."""
        if curved := [a.name for a in (*(layer.activation for layer in self), reading.activation) if a.curved]:
            return f"the activation {curved[0]} is more than a slope"
        if not all(layer.convolution.keeps_size for layer in self):
            return "a hidden layer has a stride, a padding or an even kernel, so that maps differ in size"
        if self.config.filter.kind != "exponential":
            return f"the hidden layers have a kernel of kind '{self.config.filter.kind}'"
        if clips.rest.requires_grad:
            return "the photoreceptor maps need a gradient"
        return ""

    def _fused(self, clips: Clips, rate_hz: float, reading: Reading) -> list[Tensor]:
        reason = self.unfit(clips, reading) or ("" if self.training else "it is for training; call train() first")
        layers = [] if reason else [self._tensors(layer, rate_hz) for layer in self]
        clips = self._activated(clips)
        if self.compute == "native":
            reason = reason or unfit_for_native(layers, clips)
        if self.compute == "triton":
            reason = reason or unfit_for_triton(layers, clips)
        if reason:
            raise ConfigError(f"compute='{self.compute}' cannot run: {reason}", remedy="choose compute='auto'")
        if self.compute == "triton" or (self.compute == "auto" and prefers_triton(layers, clips)):
            output = run_triton(layers, clips, reading, self.recompute)
        elif self.compute == "native" or (
            self.compute == "auto" and not self.recompute and prefers_native(layers, clips)
        ):
            output = run_native(layers, clips, reading)
        else:
            output = run_fused(layers, clips, reading, self.recompute)
        for layer, (mean, var) in zip(self, output.moments, strict=True):
            if layer.norm is not None:
                bias = 0 if layer.bias is None else layer.bias.detach()
                layer.norm.observe(mean + bias, var, output.values)
        return [output.rest] if output.prefix is None else [output.prefix, output.rest]

    def _activated(self, clips: Clips) -> Clips:
        """Apply the activation of the first layer, which the fused form does not know."""
        first = next(iter(self)).activation
        prefix = None if clips.prefix is None else first(clips.prefix)
        return clips._replace(prefix=prefix, rest=first(clips.rest))

    def _tensors(self, layer: HiddenLayer, rate_hz: float) -> FusedLayer:
        """What the fused form needs of one layer."""
        config, tau_s, dt_s = layer.filter.config, layer.filter.tau_s, 1 / rate_hz
        assert config.kind == "exponential"
        taps = n_taps(config.kernel_s, dt_s)
        gain = layer.filter.gain(rate_hz)
        assert gain is not None
        rest = torch.exp(-taps * dt_s / tau_s) if taps and forgets(tau_s, dt_s, taps) else None
        gamma, beta, eps = None, torch.zeros_like(gain) if layer.bias is None else layer.bias, 0.0
        if layer.norm is not None:
            gamma, beta, eps = layer.norm.weight, layer.norm.bias, layer.norm.eps
            if layer.bias is not None:  # the normalisation removes it: its gradient is zero, not absent
                gain = gain + 0 * layer.bias
        slope = layer.activation.slope
        return FusedLayer(layer.weight, gain, leak(tau_s, dt_s), rest, gamma, beta, taps or 0, slope, eps)
