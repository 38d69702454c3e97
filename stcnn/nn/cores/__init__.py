"""Cores of networks, one kind a file; a new kind is a file here and a line in the import below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stcnn.nn.cores import (  # noqa: F401 - each import adds its kind
    hidden_layers,
    photoreceptors,
)
from stcnn.nn.cores.kind import CoreKind
from stcnn.nn.kinds import choice

KINDS, _ANY = choice(CoreKind.ALL, "hidden_layers")
"""Configurations by their ``kind``."""
if TYPE_CHECKING:
    CoreConfig = CoreKind
else:
    CoreConfig = _ANY
    """Configuration of any kind of core; without a ``kind`` hidden layers."""
