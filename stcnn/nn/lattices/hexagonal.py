"""A flat hexagonal lattice, as the ommatidia of an insect's eye make it: each column has six neighbours.

The array holds axial coordinates: a step down the array is a step down the visual field, a step to the right in the
array goes to the right and half a column down,

    azimuth = sqrt(3)/2 d (column),    elevation = -d (row + column/2),

so that lines of neighbours run vertically, as they do in Drosophila (Zhao et al. 2025, doi 10.1038/s41586-025-09276-5,
who call that axis v). The number of steps between two columns, rows r and columns c apart in the array, is
``max(|r|, |c|, |r + c|)``; a kernel is the hexagon of all columns within half its width, cut out of a square window.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.lattices.lattice import Direction, RegularLattice, Steps
from stcnn.nn.windows import Pair


class HexagonalLattice(RegularLattice):
    """Columns with six neighbours, all at the distance ``column_spacing_deg``, two of them above and below."""

    kind: Literal["hexagonal"] = "hexagonal"
    AXES: ClassVar[tuple[Pair, ...]] = ((1, 0), (0, 1), (1, -1))
    BENDING: ClassVar[float] = 9 / 8

    def why_not(self, spacing_deg: Direction) -> str | None:
        """Return why columns cannot lie so far apart; None if they can."""
        if spacing_deg[0] == spacing_deg[1]:
            return None
        return f"neighbours on a hexagonal lattice have one distance, and column_spacing_deg is {spacing_deg}"

    def steps_deg(self, spacing_deg: Direction) -> Steps:
        """Return the step straight down, and the one to the right and half a column down."""
        apart_deg = spacing_deg[0]
        return Steps((0.0, -apart_deg), (apart_deg * math.sqrt(3) / 2, -apart_deg / 2))

    def outline_deg(self, spacing_deg: Direction) -> Tensor:
        """Return the corners of a hexagon with flat sides above and below."""
        radius_deg = spacing_deg[0] / math.sqrt(3)
        angle = torch.arange(6, dtype=torch.float64) * math.pi / 3
        return radius_deg * torch.stack([angle.cos(), angle.sin()], -1)

    def kernel_mask(self, size: Pair) -> Tensor:
        """Return the hexagon in a window.

        Raises:
            ConfigError: the window has no middle column, or is not as wide as high.
        """
        height, width = size
        if height != width or height % 2 == 0:
            raise ConfigError(
                f"a window of {size} columns holds no hexagon around its middle",
                expected="windows and kernels of one odd width on a hexagonal lattice",
            )
        radius = height // 2
        row, column = torch.meshgrid(*[torch.arange(-radius, radius + 1)] * 2, indexing="ij")
        return (row + column).abs() <= radius
