"""Normalisations of hidden layers, one kind a file; a new kind is a file here and a line in the import below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stcnn.nn.kinds import choice
from stcnn.nn.norms import (  # noqa: F401 - each import adds its kind
    batch,
    divisive,
    none,
)
from stcnn.nn.norms.kind import NormKind

KINDS, _ANY = choice(NormKind.ALL, "batch")
"""Configurations by their ``kind``."""
if TYPE_CHECKING:
    NormConfig = NormKind
else:
    NormConfig = _ANY
    """Configuration of any kind of normalisation; without a ``kind`` it is that of batches."""
