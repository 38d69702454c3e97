"""The neurons of an imaging session: which rows of the traces, what they are called, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stcnn.cell_type_names import cell_type_name
from stcnn.data.importers.names import names_in, names_of, refuse_misspelt
from stcnn.data.importers.positions import require_angles
from stcnn.data.importers.session_keys import SessionConfig
from stcnn.errors import DataError
from stcnn.reading import numbers as numbers_of
from stcnn.reading import read_csv, whole_numbers

COLUMNS = ("roi", "plane", "neuron", "cell_type", "azimuth_deg", "elevation_deg")
WHAT = "a CSV of neurons"


@dataclass(frozen=True)
class Roi:
    """A neuron of a session: its number in the file, and what is known of it."""

    number: int
    neuron: str
    cell_type: str
    position_deg: tuple[float, float] = (float("nan"), float("nan"))
    shift_px: tuple[int, int] | None = None

    def shift(self, deg_per_px: float) -> tuple[int, int]:
        """Shift of the picture that brings the receptive field to the middle: as given, else from its position."""
        if self.shift_px is not None:
            return self.shift_px
        azimuth, elevation = (0 if np.isnan(p) else round(p / deg_per_px) for p in self.position_deg)
        return azimuth, elevation


def chosen_rois(
    config: SessionConfig, numbers: Sequence[int], place: str = "", plane: int | str | None = None
) -> list[Roi]:
    """The neurons to take, out of those in the file.

    Args:
        config: names the table of neurons, if there is one.
        numbers: the regions of interest that may be taken.
        place: plane and channel within the file, empty where it has but one; a part of the neurons' names.
        plane: number or name of the plane in which they are, where the table's column ``plane`` tells planes apart.

    Raises:
        DataError: the table names a neuron that is not there, names one twice or two alike, or one has no cell type.
    """
    prefix = "".join(f"{part}/" for part in (config.session, config.field, place) if part)
    if config.neurons is not None:
        return _listed(config, config.neurons, numbers, prefix, plane)
    if not config.cell_type and len(numbers):
        raise DataError(
            f"neuron {numbers[0]} of {config.path} has no cell type",
            remedy="set cell_type, or give the column cell_type in the CSV of neurons",
        )
    return [Roi(int(n), f"{prefix}{n}", cell_type_name(config.cell_type)) for n in numbers]


def planes_listed(config: SessionConfig) -> list[int] | None:
    """Numbers of the planes in the table of neurons, in order; None without that table or without that column."""
    if config.neurons is None:
        return None
    table = read_csv(config.neurons, ("roi",), WHAT)
    return sorted(set(_planes(table))) if "plane" in table else None


def _planes(table: pd.DataFrame) -> list[int]:
    """The plane of each row, written as ``plane1`` or ``1``."""
    numbered = table.assign(plane=table["plane"].astype(str).str.strip().str.removeprefix("plane"))
    numbered.attrs = table.attrs
    return whole_numbers(numbered, "plane").tolist()


def named_planes(path: Path) -> set[str]:
    """Values of a table of neurons in its column ``plane``; nothing without that column."""
    table = read_csv(path, ("roi",), WHAT)
    return set(table["plane"].astype(str)) if "plane" in table else set()


def require_planes(path: Path, known: Sequence[str]) -> None:
    """Refuse a table of neurons that does not say in which of several planes each of them lies.

    Raises:
        DataError: it has no column ``plane``, or names one that is not known.
    """
    table = read_csv(path, ("roi",), WHAT)
    if "plane" not in table:
        raise DataError(
            f"{path} does not say in which of {', '.join(known)} its neurons are",
            expected="a column 'plane' with these names",
            remedy="add it, or name one signal with the key 'series', and the others as further 'sessions'",
        )
    for row, name in zip(table.index.tolist(), table["plane"].astype(str), strict=True):
        if name not in known:
            raise DataError(f"{path} names the plane '{name}' in row {row}", expected=f"one of {', '.join(known)}")


def _listed(
    config: SessionConfig, path: Path, numbers: Sequence[int], prefix: str, plane: int | str | None
) -> list[Roi]:
    """The neurons of the table that lie in this plane."""
    table = read_csv(path, ("roi",), WHAT)
    refuse_misspelt(table, COLUMNS)
    if plane is not None and "plane" in table:
        file = table.attrs
        planes = table["plane"].astype(str).to_numpy() if isinstance(plane, str) else np.array(_planes(table))
        table = table[planes == plane]
        table.attrs = file
    rois = whole_numbers(table, "roi").tolist()
    rows = table.index.tolist()
    known = set(map(int, numbers))
    for row, number in zip(rows, rois, strict=True):
        if number not in known:
            raise DataError(
                f"{path} names roi {number} in row {row}, which {config.path} does not have",
                expected=f"one of {len(known)} neurons, {min(known)} to {max(known)}" if known else "a neuron of it",
            )
    names = names_of(table, "neuron") if "neuron" in table else [f"{prefix}{number}" for number in rois]
    types = _types(config, table)
    _require_once([str(number) for number in rois], rows, f"{path} names roi")
    _require_once([f"{name} ({t})" for name, t in zip(names, types, strict=True)], rows, f"{path} names the neuron")
    azimuths, elevations = (_degrees(table, column) for column in ("azimuth_deg", "elevation_deg"))
    return [
        Roi(number, name, cell_type, (azimuth, elevation))
        for number, name, cell_type, azimuth, elevation in zip(rois, names, types, azimuths, elevations, strict=True)
    ]


def _types(config: SessionConfig, table: pd.DataFrame) -> list[str]:
    """The cell type of each row: of the table, else that of the configuration where a cell is empty."""
    given = table["cell_type"].tolist() if "cell_type" in table else [""] * len(table)
    types = [str(name) or config.cell_type for name in given]
    if "" in types:
        raise DataError(
            f"the neuron in row {table.index[types.index('')]} of {config.neurons} has no cell type",
            remedy="set cell_type, or give the column cell_type in the CSV of neurons",
        )
    return [
        cell_type_name(name)
        for name in names_in(types, f"{config.neurons}: the cell type in row", table.index.tolist())
    ]


def _degrees(table: pd.DataFrame, column: str) -> list[float]:
    if column not in table:
        return [np.nan] * len(table)
    found = numbers_of(table, column, allow_missing=True).tolist()
    require_angles(found, column, table.index.tolist(), f"{table.attrs.get('file', WHAT)}, row")
    return found


def _require_once(names: Sequence[str], rows: Sequence[int], what: str) -> None:
    first: dict[str, int] = {}
    for name, row in zip(names, rows, strict=True):
        if (before := first.setdefault(name, row)) != row:
            raise DataError(
                f"{what} {name} in the rows {before} and {row}",
                expected="a row for each neuron, and a name of its own for each",
                remedy="take one of the rows out, or rename one of the neurons",
            )
