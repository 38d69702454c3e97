"""Temporal filters, one kind a file; a new kind is a file here and a line in the import below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stcnn.nn.filters import (  # noqa: F401 - each import adds its kind
    adapting,
    conductance,
    exponential,
    instant,
    power_exponential,
)
from stcnn.nn.filters.kind import FilterKind, FilterParameter
from stcnn.nn.kinds import choice

KINDS, _ANY = choice(FilterKind.ALL, "exponential")
"""Configurations by their ``kind``."""
PARAMETERS: dict[str, FilterParameter] = {
    name: parameter for kind in KINDS.values() for name, parameter in kind.PARAMETERS.items()
}
"""Constants of all kinds by their names; what two kinds call alike is the same."""

if TYPE_CHECKING:
    FilterConfig = FilterKind
else:
    FilterConfig = _ANY
    """Configuration of any kind of filter; without a ``kind`` it is exponential."""
