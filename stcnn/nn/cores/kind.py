"""Kinds of cores: configurations that make what stands between the photoreceptors and the readouts."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from stcnn.nn.core import Core
from stcnn.nn.hidden import HiddenConfig
from stcnn.nn.hidden_stack import HiddenStack
from stcnn.nn.kinds import KindOfPart
from stcnn.nn.lattices.map_lattice import MapLattice


class CoreKind(KindOfPart):
    """Configuration of a core.

    A kind is a subclass with a ``kind`` of its own, in a file of this room that ``__init__`` imports.
    """

    ALL: ClassVar[list[type[CoreKind]]] = []
    """Every kind that has been imported."""

    @abstractmethod
    def build(self, hidden: HiddenConfig, lattice: MapLattice) -> HiddenStack | Core:
        """Make the core, with initial parameters.

        Args:
            hidden: ``model.hidden`` of the recipe.
            lattice: on which the maps of the eye lie.
        """
