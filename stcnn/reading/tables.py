"""Tables: cells as they are written, columns typed by who reads them.

``read_csv`` guesses nothing: ``01``, ``NA``, ``None`` and ``1.50`` stay the text they are. The index of a table is the
row of the file, as a spreadsheet counts it (the names of the columns stand in row 1), so that a sentence can name it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from stcnn.errors import DataError, FileError, nearest
from stcnn.reading.faults import COPY_AGAIN, readable, reading, require_file, require_room
from stcnn.reading.text import decoded

CELL_BYTES = 16 * 2**20
"""Longest row of a CSV file."""
_ONE_BY_ONE = pyarrow.csv.ReadOptions(use_threads=False, block_size=CELL_BYTES)  # only so are rows numbered
MEMORY_PER_BYTE = 6
"""Memory that the table of a CSV file takes for each byte of the file, at most, while it is read."""
MISSING = ("", "na", "nan", "n/a", "null", "none")
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)


def read_csv(path: str | Path, needed: Sequence[str] = (), what: str = "a table (CSV)") -> pd.DataFrame:
    """Read a CSV file, every cell as text.

    Args:
        path: of the file: UTF-8, commas between the cells, the names of the columns in its first row.
        needed: columns it must have.
        what: what is expected there.

    Returns:
        A column of text per column; the index is the row in the file. Rows that are empty at the end are left out.

    Raises:
        FileError: there is no such file, it is no such table, a row has more or fewer cells than there are columns,
            or two columns have one name.
        DataError: a needed column is missing, or a row in the middle is empty.
    """
    size = require_file(path, what)
    require_room(MEMORY_PER_BYTE * size, f"{path}", what)
    with reading(path, what):
        content = Path(path).read_bytes()
    if b"\0" in content:
        raise FileError(f"{path} holds bytes that are no text", expected=what, remedy="save it as CSV, in UTF-8")
    decoded(content, path, what)
    names = _header(content, path, what)
    blank: list[int] = []
    faulty: list[str] = []
    handler = _note_row(blank, faulty)
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=handler)
    text = dict.fromkeys(names, pa.string())
    convert = pyarrow.csv.ConvertOptions(column_types=text, strings_can_be_null=False, quoted_strings_can_be_null=False)
    with reading(path, what):
        table = pyarrow.csv.read_csv(pa.BufferReader(content), _ONE_BY_ONE, parse, convert).to_pandas()
    if faulty:
        remedy = 'put text that holds a comma between quotation marks (")'
        raise FileError(f"{path} has {faulty[0]}", expected=f"{len(names)}, one for each column", remedy=remedy)
    rows = np.setdiff1d(np.arange(2, 2 + len(table) + len(blank)), blank)
    table.index = pd.Index(rows, name="row")
    table = _without_empty_end(table, path)
    table.attrs["file"] = str(path)
    _require_columns(table, needed, path)
    return table


def _header(content: bytes, path: str | Path, what: str) -> list[str]:
    """Names of the columns."""
    if not content.strip(b"\xef\xbb\xbf\r\n\t "):
        raise FileError(f"{path} is empty", expected=what)
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
    with reading(path, what), pyarrow.csv.open_csv(pa.BufferReader(content), _ONE_BY_ONE, parse) as stream:
        names = [str(name) for name in stream.schema.names]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        found = f"{path} has {names.count(twice[0])} columns named '{readable(twice[0])}'"
        raise FileError(found, expected="a name of its own for each column")
    if len(names) == 1 and (mark := next((mark for mark in (";", "\t") if mark in names[0]), None)):
        found = f"{path} has {readable(repr(mark))} between its columns"
        raise FileError(found, expected="commas", remedy="save it as CSV with commas")
    return names


def _note_row(blank: list[int], faulty: list[str]) -> Callable[[Any], str]:
    """Note the numbers of blank rows, and what is wrong with others; nothing may be raised in there."""

    def note(row: Any) -> str:  # noqa: ANN401 - pyarrow.csv.InvalidRow
        if row.text.strip():
            cells = f"{row.actual_columns} cell" + ("" if row.actual_columns == 1 else "s")
            faulty.append(f"{cells} in row {row.number} ('{readable(row.text, 40)}')")
        else:
            blank.append(row.number)
        return "skip"

    return note


def _without_empty_end(table: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    empty = np.logical_and.reduce([(table[name] == "").to_numpy() for name in table]) if len(table) else np.array([])
    filled = np.flatnonzero(~empty.astype(bool))
    if len(filled) == 0:
        raise DataError(f"{path} has no rows", expected="a row for each entry under the names of the columns")
    table = table.iloc[: filled[-1] + 1]
    empty = empty[: filled[-1] + 1]
    if empty.any():
        raise DataError(
            f"{path} has nothing in row {table.index[int(empty.argmax())]}", remedy="remove the row or fill it"
        )
    return table


def read_parquet(path: str | Path, needed: Sequence[str] = (), what: str = "a table (Parquet)") -> pd.DataFrame:
    """Read a Parquet file of flat columns; arguments and errors as :func:`read_csv`.

    Returns:
        A column per column, with its type; the index counts the rows from 1.
    """
    require_file(path, what)
    with reading(path, what, COPY_AGAIN), pyarrow.parquet.ParquetFile(path) as file:
        facts = file.metadata
        groups = [facts.row_group(i) for i in range(facts.num_row_groups)]
        n_bytes = sum(max(group.total_byte_size, 8 * group.num_rows * group.num_columns) for group in groups)
        require_room(n_bytes, str(path), what)
        names = file.schema_arrow.names
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise FileError(f"{path} has two columns named '{readable(twice)}'", expected="a name of its own for each")
        nested = [field.name for field in file.schema_arrow if pa.types.is_nested(field.type)]
        if nested:
            raise FileError(f"{path} has lists in its column '{readable(nested[0])}'", expected="a value in each cell")
        held = file.read()
        held.validate(full=True)
        columns = {name: held.column(name) for name in names}
        plain = {n: c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for n, c in columns.items()}
        table = pa.table(plain).to_pandas()
    if not len(table):
        raise DataError(f"{path} has no rows", expected="a row for each entry")
    table.index = pd.RangeIndex(1, len(table) + 1, name="row")
    table.attrs["file"] = str(path)
    _require_columns(table, needed, path)
    return table


def _require_columns(table: pd.DataFrame, needed: Sequence[str], path: str | Path) -> None:
    for name in needed:
        if name not in table:
            raise DataError(f"{path} has no column '{name}'", remedy=nearest(name, map(str, table.columns)))


def numbers(table: pd.DataFrame, column: str, *, allow_missing: bool = False) -> NDArray[np.float64]:
    """A column as finite numbers, ``(rows,)``.

    Args:
        table: of :func:`read_csv` or :func:`read_parquet`.
        column: its name.
        allow_missing: whether an empty cell, or one such as ``NaN``, stands for a number that is not known (NaN).

    Raises:
        DataError: a cell is no number; the row and what stands there are named.
    """
    values = table[column]
    if values.dtype.kind in "iufb":
        found = values.to_numpy(np.float64)
        bad = np.isinf(found) | (False if allow_missing else np.isnan(found))
        _require_none(bad, table, column, "a finite number")
        return found
    text = values.fillna("").astype(str)
    missing = text.str.strip().str.lower().isin(MISSING).to_numpy()
    good = text.str.fullmatch(_NUMBER).to_numpy(bool)
    _require_none(~(good | (missing & allow_missing)), table, column, "a number")
    found = np.full(len(text), np.nan)
    found[good] = text[good].str.strip().to_numpy(object).astype(np.float64)
    _require_none(np.isinf(found), table, column, "a finite number")
    return found


def whole_numbers(table: pd.DataFrame, column: str) -> NDArray[np.int64]:
    """A column as whole numbers, ``(rows,)``; ``3.0`` is 3.

    Raises:
        DataError: a cell is no whole number; the row and what stands there are named.
    """
    found = numbers(table, column)
    _require_none((found != np.rint(found)) | (np.abs(found) > 2**53), table, column, "a whole number")
    return found.astype(np.int64)


def texts(table: pd.DataFrame, column: str, *, allow_empty: bool = False) -> NDArray[np.object_]:
    """A column as text, ``(rows,)``; whole numbers of a Parquet file are written out.

    Raises:
        DataError: a cell is empty, or holds neither text nor a whole number.
    """
    values = table[column]
    if values.dtype.kind == "f":
        values = pd.Series([f"{v:.0f}" if v == np.rint(v) else "" for v in values], values.index)
    found = values.fillna("").astype(str).to_numpy(object)
    if not allow_empty:
        _require_none(np.array([not text.strip() for text in found], bool), table, column, "a name")
    return found


def _require_none(bad: NDArray[np.bool_], table: pd.DataFrame, column: str, expected: str) -> None:
    if not bad.any():
        return
    place = int(bad.argmax())
    shown = readable(str(table[column].iloc[place]), 40)
    more = f" (and in {int(bad.sum()) - 1} more rows)" if bad.sum() > 1 else ""
    remedy = "write decimals with a point, not a comma" if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", shown) else ""
    raise DataError(
        f"{table.attrs.get('file', 'the table')} has '{shown}' in row {table.index[place]}, column '{column}'{more}",
        expected=expected,
        remedy=remedy or "correct the cell or leave out the row",
    )
