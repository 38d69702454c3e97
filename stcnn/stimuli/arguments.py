"""The arguments of a kind of stimulus with type, default and meaning, read from its function."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pydantic import BaseModel

from stcnn.docstrings import argument_meanings
from stcnn.stimuli.scene import checked_arguments, kinds
from stcnn.type_words import type_in_words


class Argument(NamedTuple):
    """An argument of a stimulus."""

    name: str
    kind: str
    """Type, as a user would say it: number, text, list."""
    default: str
    """As it is written; empty where it must be given."""
    meaning: str


def arguments_of(kind: str) -> list[Argument]:
    """Return the arguments of a kind of stimulus in their order.

    Raises:
        KeyError: there is no such kind.
    """
    meanings = _meanings(kind)
    return [
        Argument(name, type_in_words(field.annotation), _default(field), meanings.get(name, ""))
        for name, field in checked_arguments(kind).model_fields.items()
    ]


def _meanings(kind: str) -> dict[str, str]:
    """Text of the docstring on each argument; of those it does not name, what the function it refers to says."""
    text = kinds()[kind].__doc__ or ""
    others = [name for name in re.findall(r":func:`~?([\w.]+)`", text) if name in kinds() and name != kind]
    found = {name: meaning for other in others for name, meaning in _meanings(other).items()}
    return found | argument_meanings(text)


def _default(field: Any) -> str:  # noqa: ANN401 - pydantic's FieldInfo is not in its public names
    if field.is_required():
        return ""
    if isinstance(field.default, BaseModel):
        return "{}" if not field.default.model_dump(exclude_defaults=True) else str(field.default)
    return "none" if field.default is None else str(field.default)
