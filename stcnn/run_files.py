"""Files of a run folder: facts as JSON and tables as CSV, each written beside its place and then moved there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stcnn.errors import FileError
from stcnn.reading import numbers, read_csv, read_json, whole_numbers
from stcnn.writing import atomic_write

NAMES = ("model", "cell_type", "unit", "neuron", "stimulus")
"""Columns of the tables of a run that are text."""
COUNTS = ("epoch", "step", "n_recordings", "n_neurons", "n_units")
"""Columns that are whole numbers."""


@dataclass(frozen=True)
class RunFiles:
    """A folder of facts and tables.

    Args:
        path: the folder.
    """

    path: Path

    def write_json(self, name: str, facts: Mapping[str, Any]) -> None:
        """Write a JSON file."""
        with atomic_write(self.path / name) as draft:
            draft.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")

    def write_table(self, name: str, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> None:
        """Write a CSV file; numbers are written so that they read back exactly."""
        with atomic_write(self.path / name) as draft:
            pd.DataFrame(rows).to_csv(draft, index=False)

    def read_table(self, name: str, needed: Sequence[str] = ()) -> pd.DataFrame:
        """Read a CSV file of the run: names are text, all else numbers.

        Args:
            name: of the file.
            needed: columns it must have.

        Raises:
            FileError, DataError: it is not there, or no such table.
        """
        table = read_csv(self.existing(name), needed, "a table of a run")
        columns: dict[str, Any] = {}
        for column in map(str, table.columns):
            if column in NAMES:
                columns[column] = table[column].to_numpy()
            elif column in COUNTS and (table[column] != "").all():  # a type without held-out recordings has none
                columns[column] = whole_numbers(table, column)
            else:
                columns[column] = numbers(table, column, allow_missing=True)
        return pd.DataFrame(columns)

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run.

        Raises:
            FileError: it is not there, or holds no facts by name.
        """
        path = self.existing(name)
        facts = read_json(path, "facts of a run", allow_nan=True)
        if not isinstance(facts, dict):
            raise FileError(f"{path} holds a {type(facts).__name__}", expected="facts of a run by name")
        return facts

    def existing(self, name: str, remedy: str = "") -> Path:
        """Return the path of a file of the run.

        Raises:
            FileError: it is not there; ``remedy`` is what to do then.
        """
        path = self.path / name
        if not path.is_file():
            raise FileError(f"the run {self.path} has no {name}", remedy=remedy)
        return path


def by_dotted_key(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a saved configuration with their keys as the command line has them; an empty section is one.

    Args:
        values: the configuration, or a section of it.
        path: key of the section, with a full stop behind it.
    """
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from by_dotted_key(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
