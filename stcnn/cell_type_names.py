"""Names of cell types, which match whatever the case they are written in: LC11 and lc11 are one type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def cell_type_name(name: str) -> str:
    """The name under which a cell type is kept everywhere: lower case."""
    return name.lower()


def by_cell_type(given: Mapping[str, T]) -> dict[str, T]:
    """Values given for each cell type, under the names that are kept.

    Raises:
        ValueError: one cell type stands there twice, in two cases.
    """
    require_different(given)
    return {cell_type_name(name): value for name, value in given.items()}


def require_different(names: Iterable[str]) -> None:
    """Refuse names of cell types of which two differ in case alone.

    Raises:
        ValueError: there are two.
    """
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(cell_type_name(name), name)
        if other != name:
            raise ValueError(f"'{other}' and '{name}' are one cell type: case makes no difference")
