"""Choice among kinds of a part of the network: configurations that their ``kind`` tells apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar, Union

from pydantic import BaseModel, Discriminator, Tag

Kind = TypeVar("Kind", bound=BaseModel)


def choice(kinds: Iterable[type[Kind]], default: str) -> tuple[dict[str, type[Kind]], Any]:
    """Return configurations by their ``kind``, and the type of a field that takes any of them.

    Args:
        kinds: the configurations.
        default: the kind of a configuration that does not say it.
    """
    by_name = {kind.model_fields["kind"].default: kind for kind in kinds}

    def named(config: object) -> Any:  # noqa: ANN401 - whatever the user wrote
        found = config.get("kind") if isinstance(config, dict) else getattr(config, "kind", None)
        return default if found is None else found

    tagged = tuple(Annotated[kind, Tag(name)] for name, kind in by_name.items())
    return by_name, Annotated[Union[tagged], Discriminator(named)]  # noqa: UP007 - as many as there are
