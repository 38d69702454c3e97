"""No normalisation: maps stay as the layer makes them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.norms.kind import NormKind


class NoNorm(NormKind):
    """Nothing behind a layer; each has a bias."""

    kind: Literal["none"] = "none"
    """``batch`` normalises every channel over clips, frames and columns; ``divisive`` divides by the activity of
    neighbouring columns; ``none`` leaves maps as they are."""
    eps: PositiveFloat = 1e-5
    """As of ``batch``; not used."""
    momentum: PositiveFloat = Field(0.1, le=1)
    """As of ``batch``; not used."""

    def build(self, channels: int, lattice: MapLattice) -> None:
        """Make nothing."""
        return
