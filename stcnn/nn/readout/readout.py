"""Readout of one cell type: spatial weights of any kind, the constants of a filter, a bias."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from stcnn.nn.filters.temporal_filter import TemporalFilter
from stcnn.nn.lattices.lattice import within
from stcnn.nn.readout.config import ReadoutConfig
from stcnn.nn.readout.kind import Field


class Readout(nn.Module):
    """Readout of one cell type: its spatial weights, constants of the filter and bias, all trained.

    Parameters of the weights are called as their kind calls them. A filter with excitation and inhibition has those of
    both drives, the second ones called ``inhibition`` beside ``weight``, ``inhibition_place`` beside ``place``.

    Args:
        field: what it reads.
        config: what all cell types share.
        n_neurons: number of neurons.
    """

    def __init__(self, field: Field, config: ReadoutConfig, n_neurons: int) -> None:
        super().__init__()
        self.field = field
        self.kind = config.weights
        self.register_buffer("mask", field.mask, persistent=False)
        self.mask: Tensor | None
        self._names: list[dict[str, str]] = []
        """Name of each parameter of the weights of each drive, as the kind calls it, and as it is called here."""
        for named in DRIVES[: config.filter.INPUTS]:
            drawn = self.kind.draw(field, config.weight_init)
            self._names.append({name: named(name) for name in drawn})
            for name, values in drawn.items():
                self.register_parameter(named(name), nn.Parameter(within(field.mask, values)))
        self.filter = TemporalFilter(config.filter, 1)
        low, high = config.bias_init
        self.bias = nn.Parameter(low + (high - low) * torch.rand(1))
        if config.place == "learned":
            self.displacement_deg = nn.Parameter(torch.zeros(n_neurons, 2))
            """Azimuth and elevation of the learned place of every neuron from the recorded one."""

    @property
    def weights(self) -> list[Tensor]:
        """The weights ``(C, h, w)`` of each drive, zero outside the window's mask."""
        found = []
        for names in self._names:
            parameters = {name: getattr(self, ours) for name, ours in names.items()}
            found.append(within(self.mask, self.kind.weights(parameters, self.field)))
        return found


def _inhibition(name: str) -> str:
    return "inhibition" if name == "weight" else f"inhibition_{name}"


DRIVES: tuple[Callable[[str], str], ...] = (str, _inhibition)
"""How a parameter of the weights is called, of each drive."""
