"""Turns the roles of docstrings (``:func:`name` ``) into links of the API reference, plain code where none leads on."""

from __future__ import annotations

import re
from typing import Any

from griffe import AliasResolutionError, Extension, NameResolutionError, Object

ROLE = re.compile(r":(?:func|meth|class|mod|data|attr|exc|obj):`(~?)([\w.]+)`")
PACKAGE = "stcnn"


class Roles(Extension):
    """Rewrite the docstring of every object when it is read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Replace each role by a link to what it names, seen from the object's module."""
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(lambda role: _link(obj, *role.groups()), obj.docstring.value)


def _link(obj: Object, short: str, name: str) -> str:
    shown = name.rpartition(".")[2] if short else name
    return f'<autoref optional identifier="{_target(obj, name)}"><code>{shown}</code></autoref>'


def _target(obj: Object, name: str) -> str:
    if name.startswith(f"{PACKAGE}.") or name == PACKAGE:
        return name
    first, _, rest = name.partition(".")
    try:
        found = obj.resolve(first)
    except (NameResolutionError, AliasResolutionError):
        return name
    return f"{found}.{rest}" if rest else found
