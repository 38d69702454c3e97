"""Puts tables of configuration keys into the pages that ask for them, from the classes themselves."""

import re
from importlib import import_module
from typing import Any

from stcnn.key_table import Key, key_table

PLACE = re.compile(r"<!-- keys of ([\w.]+)(?: below (\w+))? -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace ``<!-- keys of stcnn.config.Config below training -->``; MkDocs calls this hook with each page."""
    return PLACE.sub(lambda place: _table(*place.groups()), markdown)


def _table(name: str, below: str | None) -> str:
    module, _, owner = name.rpartition(".")
    keys = [key for key in key_table(getattr(import_module(module), owner)) if not below or _is_below(key, below)]
    rows = [f"| `{key.path}` | {key.kind} | {_code(key.value)} | {_escaped(key.meaning)} |" for key in keys]
    return "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])


def _is_below(key: Key, section: str) -> bool:
    first = key.path.split(".")[0]
    return first == section if section != "top" else "." not in key.path


def _code(value: str) -> str:
    return f"`{value}`" if value else "needed"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
