"""Text of docstrings without their markup, for people who read help and pages."""

from __future__ import annotations

import inspect
import re


def plain(docstring: str | None) -> str:
    """Return a docstring without its markup."""
    return re.sub(r":\w+:`~?([^`]+)`|``", lambda match: match[1] or "", inspect.cleandoc(docstring or ""))


def in_one_line(text: str) -> str:
    """Return a text without its markup and line ends."""
    return plain(re.sub(r"\s+", " ", text)).strip()


def argument_meanings(docstring: str | None) -> dict[str, str]:
    """Return what the ``Args`` of a docstring say of each argument, in one line each."""
    block = re.search(r"^Args:\n((?:[ ]{4}.*\n?)+)", inspect.cleandoc(docstring or ""), re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", block[1] if block else "", re.MULTILINE)
    return {name: in_one_line(meaning) for name, meaning in entries}
