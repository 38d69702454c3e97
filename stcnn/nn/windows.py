"""Lattices of places, windows of them, and which places a convolution reads and makes.

Convention: pairs are (rows, columns). Place ``o`` of a convolution reads the places ``stride o - padding + d`` of the
map before, ``d = 0..kernel-1``; what lies outside that map is zero.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Discriminator, Field, PositiveFloat, Tag
from torch import Tensor

Pair = tuple[int, int]
Columns = Annotated[int, Field(ge=1, le=1000)]
"""A number of columns in one direction; no eye of an insect has a thousand."""


def _one_or_each(value: object) -> str:
    return "each" if isinstance(value, list | tuple) else "one"


ONE_OR_EACH = Discriminator(_one_or_each)
"""Takes one value for all, tagged ``one``, or a list with a value for each, tagged ``each``."""
Degrees = Annotated[
    Annotated[PositiveFloat, Tag("one")] | Annotated[tuple[PositiveFloat, PositiveFloat], Tag("each")], ONE_OR_EACH
]
"""A positive size, or one down and one across."""


class Window(NamedTuple):
    """Rows ``top:bottom`` and columns ``left:right`` of a lattice."""

    top: int
    bottom: int
    left: int
    right: int

    def crop(self, maps: Tensor) -> Tensor:
        """Return the window of maps ``(T, B, Y, X, C)``."""
        return maps[:, :, self.top : self.bottom, self.left : self.right]

    def within(self, lattice: Pair) -> Window:
        """Return what of it lies on a lattice."""
        rows, columns = lattice
        return Window(max(self.top, 0), min(self.bottom, rows), max(self.left, 0), min(self.right, columns))

    def moved(self, down: int, right: int) -> Window:
        """Return the window so many rows further down and columns further to the right."""
        return Window(self.top + down, self.bottom + down, self.left + right, self.right + right)

    @property
    def empty(self) -> bool:
        """Whether there is no place in it."""
        return self.top >= self.bottom or self.left >= self.right


class Convolution(NamedTuple):
    """Size and steps of a spatial convolution."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    @classmethod
    def keeping_size(cls, kernel: Pair) -> Convolution:
        """Return the one that makes maps of the size it reads; odd kernels only."""
        return cls(kernel, (1, 1), (kernel[0] // 2, kernel[1] // 2))

    @property
    def keeps_size(self) -> bool:
        """Whether maps keep their size and every place reads what is around it."""
        return self == Convolution.keeping_size(self.kernel) and all(k % 2 for k in self.kernel)

    def makes(self, lattice: Pair) -> Pair:
        """Return the size of the maps it makes of maps of size ``lattice``; not positive if there are none."""
        (ky, kx), (sy, sx), (py, px) = self
        return (lattice[0] + 2 * py - ky) // sy + 1, (lattice[1] + 2 * px - kx) // sx + 1

    def reads(self, window: Window) -> Window:
        """Return what it reads to make a window; it may reach beyond the lattice."""
        (ky, kx), (sy, sx), (py, px) = self
        top = sy * window.top - py
        left = sx * window.left - px
        return Window(top, sy * (window.bottom - 1) - py + ky, left, sx * (window.right - 1) - px + kx)

    def middle(self, lattice: Pair) -> Window:
        """Return what its middle place reads of maps of size ``lattice``: place ``n // 2`` along each axis."""
        row, column = (n // 2 for n in self.makes(lattice))
        return self.reads(Window(row, row + 1, column, column + 1))
