"""Readouts of the cell types, one kind a file; a new kind is a file here and a line in the import below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator, Tag

from stcnn.nn.readout import (  # noqa: F401 - each import adds its kind
    factorised,
    full,
)
from stcnn.nn.readout.kind import ReadoutKind

KINDS: dict[str, type[ReadoutKind]] = {kind.model_fields["kind"].default: kind for kind in ReadoutKind.ALL}
"""Configurations by their ``kind``."""


def _kind(config: object) -> Any:  # noqa: ANN401 - whatever the user wrote
    found = config.get("kind", "full") if isinstance(config, dict) else getattr(config, "kind", None)
    return "full" if found is None else found


if TYPE_CHECKING:
    WeightsConfig = ReadoutKind
else:
    WeightsConfig = Annotated[
        Union[tuple(Annotated[kind, Tag(name)] for name, kind in KINDS.items())],  # noqa: UP007 - as many as there are
        Discriminator(_kind),
    ]
    """Configuration of any kind of readout; without a ``kind`` every weight is trained."""
