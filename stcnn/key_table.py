"""The keys of a configuration with type, value and meaning, from the fields themselves: for help, pages and schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stcnn.docstrings import argument_meanings, in_one_line
from stcnn.key_paths import Place, places
from stcnn.type_words import type_in_words


class Key(NamedTuple):
    """A key as a user writes it."""

    path: str
    kind: str
    """Values that may stand there, in words."""
    value: str
    """Value unless it is given; empty where it must be."""
    meaning: str


def key_table(model: type[BaseModel], values: Mapping[str, Any] | None = None) -> list[Key]:
    """Return the keys that a configuration can have, in their order.

    Args:
        model: the configuration.
        values: plain values that were composed for it: of every union only the chosen kind is listed then, and what
            they say is a key's value; None lists all kinds with the defaults of the fields.
    """
    found = places(model)
    sections = {place.path.rpartition(".")[0] for place in found}
    plain = {path for path in sections if values and not isinstance(_at(values, path), Mapping | None)}
    leaves = [place for place in found if place.path not in sections - plain and _is_chosen(place, values)]
    shown = [place for place in leaves if not any(place.path.startswith(f"{path}.") for path in plain)]
    table = {place.path: _key(place, values) for place in shown}
    kinds = {path: " or ".join(_kinds(found, path)) for path in table if path.endswith(".kind")}
    return [key._replace(kind=kinds.get(path) or key.kind) for path, key in table.items()]


def _kinds(found: Iterable[Place], path: str) -> list[str]:
    """Every ``kind`` that a union has at a path."""
    owners = [place.owner for place in found if place.path == path and place.owner]
    words = [type_in_words(owner.model_fields["kind"].annotation) for owner in owners]
    return list(dict.fromkeys(words))


def _is_chosen(place: Place, values: Mapping[str, Any] | None) -> bool:
    if values is None:
        return True
    return all(_at(values, path) == kind or "NAME" in path for path, kind in place.kinds)


def _key(place: Place, values: Mapping[str, Any] | None) -> Key:
    assert place.owner is not None
    name = place.path.rpartition(".")[2]
    field = place.owner.model_fields[name]
    given = _at(values or {}, place.path)
    value = _default(field) if given is None else _written(given)
    return Key(place.path, type_in_words(field.annotation), value, meaning_of(place.owner, name))


def meaning_of(owner: type[BaseModel], name: str) -> str:
    """Return what is said of a field below it, or in the ``Args`` of its class or of one it is derived from."""
    said = owner.model_fields[name].description
    if said:
        return in_one_line(said)
    by_class = [argument_meanings(base.__dict__.get("__doc__")) for base in owner.__mro__]
    return next((meanings[name] for meanings in by_class if name in meanings), "")


def _at(values: Mapping[str, Any], path: str) -> object:
    here: Any = values
    for part in path.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return here


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    default = field.get_default(call_default_factory=True, validated_data={})
    return "" if default is PydanticUndefined else _written(default)


def _written(value: object) -> str:
    """A value as YAML has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, BaseModel):
        return _written(value.model_dump(mode="json", exclude_defaults=True))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Iterable):
        return "[" + ", ".join(map(_written, value)) + "]"
    return str(value)
