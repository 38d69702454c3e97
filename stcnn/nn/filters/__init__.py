"""Temporal filters, one kind a file; a new kind is a file here and a line in the import below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator, Tag

from stcnn.nn.filters import (  # noqa: F401 - each import adds its kind
    adapting,
    conductance,
    exponential,
    instant,
    power_exponential,
)
from stcnn.nn.filters.kind import FilterKind, FilterParameter

KINDS: dict[str, type[FilterKind]] = {kind.model_fields["kind"].default: kind for kind in FilterKind.ALL}
"""Configurations by their ``kind``."""
PARAMETERS: dict[str, FilterParameter] = {
    name: parameter for kind in KINDS.values() for name, parameter in kind.PARAMETERS.items()
}
"""Constants of all kinds by their names; what two kinds call alike is the same."""


def _kind(config: object) -> Any:  # noqa: ANN401 - whatever the user wrote
    found = config.get("kind", "exponential") if isinstance(config, dict) else getattr(config, "kind", None)
    return "exponential" if found is None else found


if TYPE_CHECKING:
    FilterConfig = FilterKind
else:
    FilterConfig = Annotated[
        Union[tuple(Annotated[kind, Tag(name)] for name, kind in KINDS.items())],  # noqa: UP007 - as many as there are
        Discriminator(_kind),
    ]
    """Configuration of any kind of filter; without a ``kind`` it is exponential."""
