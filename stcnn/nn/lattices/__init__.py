"""Lattices of columns, one kind a file; a new kind is a file here and a line in the import below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stcnn.nn.kinds import choice
from stcnn.nn.lattices import (  # noqa: F401 - each import adds its kind
    hexagonal,
    measured,
    square,
)
from stcnn.nn.lattices.lattice import Lattice

KINDS, _ANY = choice(Lattice.ALL, "square")
"""Configurations by their ``kind``."""
if TYPE_CHECKING:
    LatticeConfig = Lattice
else:
    LatticeConfig = _ANY
    """Configuration of any kind of lattice; without a ``kind`` it is square."""
