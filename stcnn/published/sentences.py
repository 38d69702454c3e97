"""Sentences for what is wrong with a published ``config.json``, by the key as it stands in the file."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from stcnn.errors import nearest
from stcnn.reading import readable
from stcnn.validation import Fault

EXPECTED = "the config.json that the published program wrote"
_UNION_MEMBERS = ("literal", "tuple", "function", "constrained", "nullable")


def _key(location: tuple[int | str, ...]) -> str:
    """Return a key as it stands in the file; pydantic adds the member of a union that was tried."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        elif not part.startswith(_UNION_MEMBERS):
            name += f".{part}" if name else part
    return name


def sentence(fault: Fault, source: str) -> str:
    """Say what is wrong with a key of a file."""
    key = _key(fault.location)
    if fault.kind == "missing":
        return f"{source} has no '{key}'"
    if fault.is_unknown:
        return f"{source} has a key '{key}' that is not known here"
    if fault.kind == "value_error":
        where = f"{key}: " if key else ""
        return f"{source} cannot be opened: {where}{fault.context['error']}"
    return f"{source} has '{key}' = {readable(fault.value)}: {fault.rule}"


def remedy(fault: Fault, whole: type[BaseModel], sections: Mapping[str, type[BaseModel]]) -> str:
    """Say what to do with a key that is not known: it is held against those of its section."""
    if not fault.is_unknown:
        return ""
    *path, name = fault.location
    section = whole
    for part in path:
        section = sections.get(str(part), whole)
    close = nearest(str(name), section.model_fields)
    return close if close.startswith("did") else "delete it if it changes nothing in the network"
