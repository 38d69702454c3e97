"""Types in the words of somebody who does not program."""

from __future__ import annotations

import typing
from types import NoneType, UnionType
from typing import Annotated

from pydantic import BaseModel

WORDS: dict[object, str] = {
    float: "number",
    int: "whole number",
    str: "text",
    bool: "true or false",
    list: "list",
    dict: "mapping",
}


def type_in_words(annotation: object) -> str:
    """Return what may stand for an annotated value: ``number``, ``whole number or text``, ``best or last``."""
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return type_in_words(members[0])
    if origin in (typing.Union, UnionType):
        return " or ".join(dict.fromkeys(type_in_words(member) for member in members if member is not NoneType))
    if origin is typing.Literal:
        return " or ".join(map(str, members))
    if origin is tuple:
        return "list" if members and members[-1] is Ellipsis else f"{len(members)} numbers"
    kind = origin or annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "{" + ", ".join(kind.model_fields) + "}"
    return WORDS.get(kind, str(getattr(kind, "__name__", kind)).lower())
