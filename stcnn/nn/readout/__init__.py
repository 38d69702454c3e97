"""Readouts of the cell types, one kind a file; a new kind is a file here and a line in the import below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stcnn.nn.kinds import choice
from stcnn.nn.readout import (  # noqa: F401 - each import adds its kind
    factorised,
    full,
    gaussians,
    positive,
)
from stcnn.nn.readout.kind import ReadoutKind

KINDS, _ANY = choice(ReadoutKind.ALL, "full")
"""Configurations by their ``kind``."""
if TYPE_CHECKING:
    WeightsConfig = ReadoutKind
else:
    WeightsConfig = _ANY
    """Configuration of any kind of readout; without a ``kind`` every weight is trained."""
