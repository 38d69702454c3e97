"""Hidden layers: those of ``model.hidden``, with engines and evaluators of their own."""

from __future__ import annotations

from typing import Literal

from stcnn.nn.cores.kind import CoreKind
from stcnn.nn.hidden import HiddenConfig
from stcnn.nn.hidden_stack import HiddenStack
from stcnn.nn.lattices.map_lattice import MapLattice


class HiddenLayers(CoreKind):
    """The stack of hidden layers that ``model.hidden`` describes."""

    kind: Literal["hidden_layers"] = "hidden_layers"
    """Core between photoreceptors and readouts: ``hidden_layers``, or ``photoreceptors`` for nothing at all."""

    def build(self, hidden: HiddenConfig, lattice: MapLattice) -> HiddenStack:
        """Make the layers."""
        return HiddenStack(hidden, lattice)
