"""The hidden layers behind one narrow interface: photoreceptor maps in, the readouts' window of the last layer out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from torch import Tensor, nn

from stcnn.nn.layers import HiddenConfig, HiddenLayer
from stcnn.nn.readout import Window


class HiddenStack(nn.ModuleList):
    """All hidden layers.

    Args:
        config: channels, kernel, filter, normalisation.
    """

    def __init__(self, config: HiddenConfig) -> None:
        inputs = (1, *config.channels[:-1])
        slopes = (1.0, *[config.slope] * (len(inputs) - 1))
        super().__init__(
            HiddenLayer(n_in, n_out, config, slope)
            for n_in, n_out, slope in zip(inputs, config.channels, slopes, strict=True)
        )

    def __iter__(self) -> Iterator[HiddenLayer]:
        return cast(Iterator[HiddenLayer], super().__iter__())

    def forward(self, eye: Tensor, rate_hz: float, window: Window, multiplicity: Tensor | None = None) -> Tensor:
        """Run the layers.

        Args:
            eye: photoreceptor maps ``(T, B, Y, X)``.
            rate_hz: frames per second.
            window: part of the last layer's maps that is wanted.
            multiplicity: weight ``(B,)`` of each clip in the normalisation statistics; None is one each.

        Returns:
            Normalised maps ``(T, B, h, w, C)`` of the last layer on ``window``.
        """
        x = eye.unsqueeze(-1)
        for layer in self:
            y, _ = layer.linear(x, rate_hz)
            x = layer.normalise(y, multiplicity)
        return window.crop(x)
