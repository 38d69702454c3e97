"""Problem that every engine is given, and its output: the hidden layers of one training step as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from stcnn.nn.filters.kind import FilterState
from stcnn.nn.readout.reading import PlacedReading, Reading

Moments = tuple[Tensor, Tensor]
"""Mean and biased variance of a layer's maps before normalisation, ``(C,)`` each."""


class LayerTensors(NamedTuple):
    """One layer as tensors; everything per output channel but the weight ``(O, C, k, k)``."""

    weight: Tensor
    gain: Tensor
    leak: Tensor
    """``1 - exp(-dt/tau)``."""
    tail_weight: Tensor | None
    """``exp(-K dt/tau)``; None where it changes no digit."""
    gamma: Tensor | None
    """None: no normalisation, and ``beta`` is the bias."""
    beta: Tensor
    taps: int
    slope: float
    """Of the rectifier in front; 1 is none."""
    eps: float

    def detached(self) -> LayerTensors:
        """Return the same numbers without their gradients."""
        return LayerTensors(*(t.detach() if isinstance(t, Tensor) else t for t in self))  # type: ignore[arg-type]


class Clips(NamedTuple):
    """Photoreceptor maps of a batch: what all clips start with, and what follows."""

    prefix: Tensor | None
    """``(T0, 1, Y, X)``."""
    maps: Tensor
    """``(T1, B, Y, X)``."""
    multiplicity: Tensor
    """``(B,)``."""
    before: Any = None
    """States of the hidden layers after the frames before these, in a piece of a movie that is no first one: for each
    layer a FilterState of ``(B, Y, X, C)``, or whatever a core of one's own returned. There is no prefix then, and no
    gradient flows into them. None: clips start here."""
    goes_on: bool = False
    """Whether the states after the last frame are wanted, for the piece that comes next."""


class Problem(NamedTuple):
    """One training step of the hidden stack."""

    layers: Sequence[LayerTensors]
    clips: Clips
    reading: Reading | PlacedReading
    """Weighted sums that the readouts take from the last layer."""

    @property
    def products(self) -> int:
        """Multiplications of a forward pass in the direct form, without the shared frames."""
        return self.clips.maps.numel() * sum(layer.weight.numel() for layer in self.layers)


class StackOutput(NamedTuple):
    """Drives read of the last layer, by readouts ``(T, B, N)`` or by neurons ``(T, P)``; statistics of all layers."""

    prefix: Tensor | None
    drive: Tensor
    moments: list[Moments]
    """Weighted mean and biased variance of each layer's maps before normalisation."""
    values: float
    """Number of values per channel behind the moments."""
    after: Sequence[FilterState] | None = None
    """States of all layers after the last frame, where the problem asks for them."""


def all_tensors(layers: Sequence[LayerTensors]) -> list[Tensor | None]:
    """Return all tensors of the layers, in order: weight, gain, leak, tail weight, gamma and beta of each."""
    return [tensor for layer in layers for tensor in layer[:6]]
