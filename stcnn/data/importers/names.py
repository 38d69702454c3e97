"""Names of cells, animals, sessions and stimuli: text from the file to the store, never numbers, never mended.

``01`` is not ``1``, ``NA`` and ``nan`` are names. An empty name, one that begins or ends with a space, and one with a
control character are refused with the row; two names that look alike to the last dot but are different text (Unicode
normal forms) are refused; two that differ in case, spaces or the way a number is written are kept apart and said.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from stcnn.errors import DataError

NAMED = ("cell_type", "neuron", "animal", "session", "stimulus", "indicator")
"""Columns of a data set that hold names."""
MAY_BE_EMPTY = ("animal", "session", "indicator")
JOINERS = "\u200c\u200d"
"""Characters without width that change how others are written, in Persian or Hindi for instance."""


def require_name(name: str, where: str) -> str:
    """The name, where it can be told from others.

    Args:
        name: the name as the file has it.
        where: what the name is and where it stands, as in ``neurons.csv, line 3: the neuron``.

    Raises:
        DataError: it is empty, begins or ends with a space, or has a character that cannot be seen or written.
    """
    if not name.strip():
        raise DataError(f"{where} has no name", expected="a name", remedy="name it, or leave the row out")
    if name != name.strip():
        raise DataError(
            f"{where} '{name}' begins or ends with a space", expected="a name as it is meant", remedy="take it away"
        )
    hidden = ("Cc", "Cf", "Cs", "Zl", "Zp")
    odd = next((c for c in name if unicodedata.category(c) in hidden and c not in JOINERS), None)
    if odd is not None:
        raise DataError(
            f"{where} {name!r} holds the character U+{ord(odd):04X}",
            expected="a name of visible characters",
            remedy="take it out",
        )
    return name


def names_of(table: pd.DataFrame, column: str, *, allow_empty: bool = False) -> list[str]:
    """A column of names, as text.

    Args:
        table: of :func:`stcnn.reading.read_csv` or :func:`stcnn.reading.read_parquet`.
        column: its name.
        allow_empty: take a column that is empty in every row, as one that is not known.

    Raises:
        DataError: one is empty or no name; the message gives its row.
    """
    values = table[column].tolist()
    where = f"{table.attrs.get('file', 'the table')}: the {column} in row"
    return names_in(values, where, table.index.tolist(), allow_empty=allow_empty)


def names_in(values: Sequence[object], where: str, rows: Sequence[int], *, allow_empty: bool = False) -> list[str]:
    """Names of the rows of a file, as text.

    Args:
        values: text or whole numbers.
        where: the file and what the column holds, as in ``neurons.csv: the neuron in row``.
        rows: the number of each row.
        allow_empty: take them if all are empty.

    Raises:
        DataError: one is empty or no name; the message gives its row.
    """
    judged: dict[tuple[type, object], str] = {}
    found = []
    for value, row in zip(values, rows, strict=True):
        key = (type(value), value)
        if key not in judged:
            judged[key] = _text(value, f"{where} {row}")
        found.append(judged[key])
    if allow_empty and not any(found):
        return found
    for name in dict.fromkeys(found):
        require_name(name, f"{where} {rows[found.index(name)]}")
    return found


def _text(value: object, where: str) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, bool | np.bool_):
        raise DataError(f"{where} is the truth value {value}", expected="text or a whole number")
    if isinstance(value, str | int | np.integer):
        return str(value)
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float | np.floating):
        raise DataError(
            f"{where} is the number {value!r}",
            expected="text or a whole number",
            remedy="write names as text; whole numbers become such where a row of the column was empty",
        )
    raise DataError(f"{where} is {str(value)[:40]!r}", expected="text", remedy="write names as text")


def look_alikes(names: Iterable[str], what: str) -> Iterator[str]:
    """Sentences about different names that a reader takes for one.

    Args:
        names: all names of one kind.
        what: the kind in the plural, as in ``animals``.

    Raises:
        DataError: two are written with the same characters, composed in two ways.
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(_looks(name), []).append(name)
    for alike in groups.values():
        by_form: dict[str, str] = {}
        for name in alike:
            other = by_form.setdefault(unicodedata.normalize("NFC", name), name)
            if other != name:
                raise DataError(
                    f"the {what} '{other}' and '{name}' look the same but are written in two Unicode forms",
                    expected="one form (NFC)",
                    remedy="write both alike if they are one, or differently if they are two",
                )
        if len(alike) > 1:
            listed = ", ".join(f"'{name}'" for name in alike)
            yield f"The {what} {listed} are taken as {len(alike)} different ones."


def _looks(name: str) -> str:
    """Rest of a name without case, spaces, compatibility forms, and the way in which a number is written."""
    plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    try:
        return repr(float(plain)) if plain[:1].isdigit() and plain.isascii() else plain
    except ValueError:
        return plain


def refuse_misspelt(table: pd.DataFrame, known: Sequence[str]) -> None:
    """Refuse a column whose name is nearly one that has a meaning and is missing; others are the lab's own.

    Raises:
        DataError: there is one; the message names it.
    """
    missing = [name for name in known if name not in table]
    for name in map(str, table.columns):
        close = difflib.get_close_matches(name.strip().lower(), missing, n=1, cutoff=0.8) if name not in known else []
        if close:
            raise DataError(
                f"{table.attrs.get('file', 'the table')} has the column '{name}'", remedy=f"did you mean '{close[0]}'?"
            )
