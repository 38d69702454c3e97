"""A square lattice: rows and columns at right angles, each at a distance of its own."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from stcnn.nn.lattices.lattice import Direction, RegularLattice, Steps


class SquareLattice(RegularLattice):
    """Rows at one elevation and columns at one azimuth, as the published program has them."""

    kind: Literal["square"] = "square"
    """How columns are arranged: ``square``, ``hexagonal`` as in an insect's eye, or ``measured`` from a table."""

    def steps_deg(self, spacing_deg: Direction) -> Steps:
        """Return straight steps down and to the right."""
        down_deg, right_deg = spacing_deg
        return Steps((0.0, -down_deg), (right_deg, 0.0))

    def outline_deg(self, spacing_deg: Direction) -> Tensor:
        """Return the corners of a rectangle."""
        down_deg, right_deg = spacing_deg
        corners = torch.tensor([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)], dtype=torch.float64)
        return corners * torch.tensor([right_deg, down_deg])

    def in_columns(self, offset_deg: Tensor, spacing_deg: Direction) -> Tensor:
        """Return rows down and columns right of offsets in degrees, one division each."""
        azimuth_deg, elevation_deg = offset_deg.unbind(-1)
        down_deg, right_deg = spacing_deg
        return torch.stack([-elevation_deg / down_deg, azimuth_deg / right_deg], -1)
