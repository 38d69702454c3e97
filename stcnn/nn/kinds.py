"""Kinds of a part of the network: configurations that their ``kind`` tells apart, noted as they are imported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, TypeVar, Union

from pydantic import Discriminator, Tag

from stcnn.validation import Config


class KindOfPart(Config):
    """Base of the kinds of one part, whose own base has an ``ALL`` of its own and no value for ``kind``.

    A subclass with a value for ``kind`` is a kind; one without is a form that several share.
    """

    kind: str
    ALL: ClassVar[list[Any]]
    """Every kind of the part that has been imported."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Note a kind."""
        if not cls.model_fields["kind"].is_required():
            cls.ALL.append(cls)


Kind = TypeVar("Kind", bound=KindOfPart)


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
