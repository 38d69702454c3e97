"""No core: readouts read the photoreceptors, which is a linear receptive field through the same eye and readout."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from stcnn.nn.core import Core, CoreState
from stcnn.nn.cores.kind import CoreKind
from stcnn.nn.hidden import HiddenConfig
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.windows import Pair


class Photoreceptors(Core):
    """The maps of the eye, as one channel."""

    channels = 1
    reach = (0, 0)

    def initial_state(self, clips: int, lattice: Pair, like: Tensor) -> CoreState:
        """Return nothing: nothing is remembered."""
        return {}

    def advance(self, maps: Tensor, rate_hz: float, state: CoreState) -> tuple[Tensor, CoreState]:
        """Return the maps themselves."""
        return maps.unsqueeze(-1), state


class PhotoreceptorsConfig(CoreKind):
    """Readouts behind the photoreceptors, without anything between them."""

    kind: Literal["photoreceptors"] = "photoreceptors"
    """Core between photoreceptors and readouts: ``hidden_layers``, or ``photoreceptors`` for nothing at all."""

    def build(self, hidden: HiddenConfig, lattice: MapLattice) -> Photoreceptors:
        """Make nothing."""
        return Photoreceptors()
