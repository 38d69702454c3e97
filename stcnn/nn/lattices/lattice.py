"""Lattices of columns: what every kind can say of where columns lie and which of them are neighbours.

Convention: whatever the lattice, its columns stand in an array (rows, columns), so that maps are pictures and kernels
windows of it. A kind says where each of them looks, as (azimuth, elevation) in degrees, and which entries of a square
window belong to a kernel around its middle. A pair of spacings is (down, across).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.kinds import KindOfPart
from stcnn.nn.windows import Pair

Direction = tuple[float, float]
"""Azimuth and elevation, or how far one goes in them, in degrees."""


class Steps(NamedTuple):
    """Steps from a column to the next ones, the same everywhere on a regular lattice."""

    down: Direction
    """From a column to the one below it in the array."""
    right: Direction
    """From a column to the one right of it in the array."""


class Lattice(KindOfPart):
    """Arrangement of the columns of an eye.

    A kind is a subclass with a ``kind`` of its own, in a file of this room that ``__init__`` imports.
    """

    ALL: ClassVar[list[type[Lattice]]] = []
    """Every kind that has been imported."""
    AXES: ClassVar[tuple[Pair, ...]] = ((1, 0), (0, 1))
    """Lines of neighbouring columns, each as the rows and columns of one step along it."""
    BENDING: ClassVar[float] = 1.0
    """Sum of the squared second differences along all axes, of a map that bends by one along one line: the sum of
    ``cos(angle)^4`` over the axes."""
    AROUND: ClassVar[bool] = False
    """Whether positions are directions around an eye, azimuth and elevation, rather than places on a flat field."""

    @abstractmethod
    def positions_deg(self, shape: Pair, spacing_deg: Direction, centre_deg: Direction) -> Tensor:
        """Return where every column looks, float64 ``(rows, columns, 2)``.

        Args:
            shape: rows and columns of the lattice.
            spacing_deg: distance of neighbouring columns, down and across.
            centre_deg: where the middle of the lattice looks.
        """

    @abstractmethod
    def outline_deg(self, spacing_deg: Direction) -> Tensor:
        """Return the corners of what a figure draws of a column, around its place, ``(n, 2)``."""

    def steps_deg(self, spacing_deg: Direction) -> Steps | None:
        """Return what lies between neighbours in the array; None where that is not the same everywhere."""
        return None

    def own_shape(self) -> Pair | None:
        """Return rows and columns of the array, where a kind has its own; None where it takes any."""
        return None

    def own_spacing_deg(self) -> Direction | None:
        """Return the usual distance of neighbours, down and across, where a kind has its own."""
        return None

    def middle(self, shape: Pair) -> Pair:
        """Return row and column of the column in the middle."""
        return shape[0] // 2, shape[1] // 2

    def why_not(self, spacing_deg: Direction) -> str | None:
        """Return why columns cannot lie so far apart; None if they can."""
        return None

    def kernel_mask(self, size: Pair) -> Tensor | None:
        """Return which entries of a window belong to a kernel around its middle, bool ``size``; None is all."""
        return None

    def axis_lengths_deg(self, spacing_deg: Direction) -> list[float]:
        """Return the distance of neighbours along each of :attr:`AXES`.

        Raises:
            ConfigError: as :meth:`in_columns`.
        """
        down, right = self._equal_steps(spacing_deg)
        steps_deg = [[rows * down[i] + columns * right[i] for i in (0, 1)] for rows, columns in self.AXES]
        return [math.hypot(*step_deg) for step_deg in steps_deg]

    def in_columns(self, offset_deg: Tensor, spacing_deg: Direction) -> Tensor:
        """Return rows down and columns right ``(..., 2)`` of offsets given as azimuth and elevation ``(..., 2)``.

        Raises:
            ConfigError: columns are not at equal distances, so that an offset is another one elsewhere.
        """
        down, right = self._equal_steps(spacing_deg)
        azimuth_deg, elevation_deg = offset_deg.unbind(-1)
        area = down[1] * right[0] - down[0] * right[1]
        rows = (elevation_deg * right[0] - azimuth_deg * right[1]) / area
        columns = (azimuth_deg * down[1] - elevation_deg * down[0]) / area
        return torch.stack([rows, columns], -1)

    def in_degrees(self, offset_columns: Tensor, spacing_deg: Direction) -> Tensor:
        """Return azimuth and elevation ``(..., 2)`` of offsets given as rows down and columns right ``(..., 2)``.

        Raises:
            ConfigError: as :meth:`in_columns`.
        """
        down, right = self._equal_steps(spacing_deg)
        rows, columns = offset_columns.unbind(-1)
        azimuth_deg = rows * down[0] + columns * right[0]
        elevation_deg = rows * down[1] + columns * right[1]
        return torch.stack([azimuth_deg, elevation_deg], -1)

    def _equal_steps(self, spacing_deg: Direction) -> Steps:
        steps = self.steps_deg(spacing_deg)
        if steps is None:
            raise ConfigError(
                f"the columns of a lattice of kind '{self.kind}' are not at equal distances",
                expected="a lattice that looks the same from every column, where neurons sit at places of their own",
            )
        return steps


def within(mask: Tensor | None, weights: Tensor) -> Tensor:
    """Return weights that are zero outside a mask of their last axes; of numbers without such places as they are."""
    if mask is None or weights.shape[-2:] != mask.shape:
        return weights
    return weights * mask


class RegularLattice(Lattice):
    """Form of all kinds that look the same from every column: they say their :meth:`steps_deg`."""

    @abstractmethod
    def steps_deg(self, spacing_deg: Direction) -> Steps:
        """Return what lies between neighbours in the array."""

    def positions_deg(self, shape: Pair, spacing_deg: Direction, centre_deg: Direction) -> Tensor:
        """Return where every column looks."""
        rows, columns = (torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in shape)
        down, right = self.steps_deg(spacing_deg)
        axes = [rows[:, None] * down[axis] + columns * right[axis] + centre_deg[axis] for axis in (0, 1)]
        return torch.stack(axes, -1)
