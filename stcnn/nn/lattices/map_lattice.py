"""The lattice on which maps lie: its kind, its size, and how far apart its places are."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from stcnn.nn.lattices.lattice import Direction, Lattice
from stcnn.nn.windows import Pair


class MapLattice(NamedTuple):
    """Places of maps, as the columns of the eye or, behind a stride, farther apart."""

    kind: Lattice
    shape: Pair
    """Rows and columns."""
    spacing_deg: Direction
    """Distance of neighbouring places, down and across."""

    def window_deg(self, size: Pair) -> Tensor:
        """Return azimuth and elevation of the places of a window from its middle, float64 ``(h, w, 2)``."""
        return self.kind.positions_deg(size, self.spacing_deg, (0.0, 0.0))
