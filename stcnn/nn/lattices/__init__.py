"""Lattices of columns, one kind a file; a new kind is a file here and a line in the import below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator, Tag

from stcnn.nn.lattices import (  # noqa: F401 - each import adds its kind
    hexagonal,
    square,
)
from stcnn.nn.lattices.lattice import Lattice

KINDS: dict[str, type[Lattice]] = {kind.model_fields["kind"].default: kind for kind in Lattice.ALL}
"""Configurations by their ``kind``."""


def _kind(config: object) -> Any:  # noqa: ANN401 - whatever the user wrote
    found = config.get("kind", "square") if isinstance(config, dict) else getattr(config, "kind", None)
    return "square" if found is None else found


if TYPE_CHECKING:
    LatticeConfig = Lattice
else:
    LatticeConfig = Annotated[
        Union[tuple(Annotated[kind, Tag(name)] for name, kind in KINDS.items())],  # noqa: UP007 - as many as there are
        Discriminator(_kind),
    ]
    """Configuration of any kind of lattice; without a ``kind`` it is square."""
