"""Kinds of normalisation behind a hidden layer: what each can do, in training, evaluation and streams alike.

A normalisation reads the maps of one frame at a time, ``(T, B, Y, X, C)``, so that it remembers nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from stcnn.nn.kinds import KindOfPart
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.windows import Pair


class Norm(nn.Module):
    """Normalisation of the maps of one hidden layer."""

    reach: Pair = (0, 0)
    """Rows and columns around a place on which its answer there depends."""

    @abstractmethod
    def forward(self, y: Tensor, multiplicity: Tensor | None = None, observe: bool = True) -> Tensor:
        """Normalise maps.

        Args:
            y: ``(T, B, Y, X, C)``; what lies outside them is zero.
            multiplicity: how often each clip counts in statistics over clips, ``(B,)``; None is once.
            observe: whether, in training, running statistics move towards those of ``y``.
        """

    def affine(self) -> tuple[Tensor, Tensor] | None:
        """Return scale and shift ``(C,)`` that it amounts to in evaluation; None where it depends on the maps."""
        return None


class NormKind(KindOfPart):
    """Configuration of a normalisation.

    A kind is a subclass with a ``kind`` of its own, in a file of this room that ``__init__`` imports.
    """

    STANDARDISES: ClassVar[bool] = False
    """Whether channels leave it with a mean and a variance that scale and bias in front of it do not change."""
    ALL: ClassVar[list[type[NormKind]]] = []
    """Every kind that has been imported."""

    @abstractmethod
    def build(self, channels: int, lattice: MapLattice) -> Norm | None:
        """Make the normalisation of one layer, with initial parameters; None for nothing at all.

        Args:
            channels: of its maps.
            lattice: on which they lie; its size says nothing.
        """
