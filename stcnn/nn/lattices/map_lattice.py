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

    def behind(self, stride: Pair) -> MapLattice:
        """Return the lattice of maps whose places are ``stride`` places apart; its size says nothing."""
        down_deg, right_deg = self.spacing_deg
        return self._replace(spacing_deg=(stride[0] * down_deg, stride[1] * right_deg))

    def window_deg(self, size: Pair) -> Tensor:
        """Return azimuth and elevation of the places of a window from its middle, float64 ``(h, w, 2)``."""
        return self.kind.positions_deg(size, self.spacing_deg, (0.0, 0.0))
