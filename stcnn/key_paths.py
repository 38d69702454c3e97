"""Paths of the keys of a configuration, as a user writes them, found in its pydantic models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel


class Place(NamedTuple):
    """Where a key stands."""

    path: str
    """Names joined by full stops; a name that the user is free to choose is ``NAME``."""
    kinds: tuple[tuple[str, str], ...] = ()
    """Choice that must be made for it to exist: path of a ``kind`` and its value."""
    owner: type[BaseModel] | None = None
    """The configuration it is a field of."""


def places(model: type[BaseModel], path: tuple[str, ...] = (), kinds: tuple[tuple[str, str], ...] = ()) -> list[Place]:
    """List every key of a configuration and of the configurations inside it."""
    found = []
    for name, field in model.model_fields.items():
        here = (*path, name)
        found.append(Place(".".join(here), kinds, model))
        members = list(members_of(field.annotation))
        for member in members:
            below, at = member, here
            while get_origin(below) in (dict, Mapping):
                below, at = get_args(below)[-1], (*at, "NAME")
            if is_model(below):
                kind = kinds_of(below) if len(members) > 1 else ()
                found += places(below, at, (*kinds, (f"{'.'.join(at)}.kind", str(kind[0]))) if kind else kinds)
    return found


def locate(model: type[BaseModel], location: Sequence[int | str]) -> tuple[str, list[str]]:
    """Return the path of a key as the user wrote it, and the names that are valid beside it.

    Pydantic puts the member of a union that was meant into the location, by its ``kind``, the name of its type or a
    tag; the user did not write it there, and writes no name below what has no keys.

    Args:
        model: the whole configuration.
        location: where pydantic found a fault.
    """
    path: list[str] = []
    here: list[Any] = [model]
    beside: list[str] = []
    for part in location:
        meant = [kind for kind in here if len(here) > 1 and part in (*kinds_of(kind), getattr(kind, "__name__", None))]
        if meant:
            here = meant
            continue
        if isinstance(part, str) and not any(is_model(kind) or get_origin(kind) in (dict, Mapping) for kind in here):
            continue
        path.append(str(part))
        models = [kind for kind in here if is_model(kind)]
        beside = [name for kind in models for name in kind.model_fields]
        values = [kind.model_fields[part].annotation for kind in models if part in kind.model_fields]
        values += [get_args(kind)[-1] for kind in here if get_origin(kind) in (dict, Mapping, tuple, list)]
        here = [member for value in values for member in members_of(value)]
    return ".".join(path), beside


def numbers(values: object, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number in plain values with its path; a number in a list has the path of the list."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            yield from numbers(value, f"{path}.{name}" if path else str(name))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from numbers(value, path)
    elif isinstance(values, int | float) and not isinstance(values, bool):
        yield path, values


def is_model(kind: object) -> bool:
    """Whether something is a configuration of its own."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def kinds_of(member: Any) -> tuple[object, ...]:  # noqa: ANN401 - whatever a union may have as a member
    """Return the values of ``kind`` that pick this member of a union."""
    has_kind = is_model(member) and "kind" in member.model_fields
    return get_args(member.model_fields["kind"].annotation) if has_kind else ()


def members_of(annotation: object) -> Iterator[Any]:
    """Yield the members of a union, or the annotation itself."""
    if get_origin(annotation) is Annotated:
        yield from members_of(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from members_of(member)
    else:
        yield annotation
