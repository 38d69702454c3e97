"""Columns that describe each recording of a table: names as text, numbers as numbers, one value per recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stcnn.cell_type_names import cell_type_name
from stcnn.data.importers.names import MAY_BE_EMPTY, NAMED, names_in, require_name
from stcnn.data.importers.positions import require_angles
from stcnn.data.importers.table_files import Found
from stcnn.data.importers.tables_config import KEYS, MEASURED, TablesConfig
from stcnn.errors import DataError, nearest
from stcnn.reading import numbers, whole_numbers


@dataclass(frozen=True)
class Described:
    """A value per recording; the names are those of :class:`stcnn.data.recordings.Recording`."""

    cell_type: list[str]
    neuron: list[str]
    stimulus: list[str]
    animal: list[str]
    session: list[str]
    indicator: list[str]
    trial: list[int]
    shift_px: list[tuple[int, int]]
    position_deg: list[tuple[float, float]]
    notes: tuple[str, ...] = ()


def describe(found: Found, config: TablesConfig) -> Described:
    """Type what describes the recordings; neurons of one name in two sessions of an animal are told apart.

    Raises:
        DataError: a name is empty, a number none, a key not given or given twice, or unknown.
    """
    for key in config.constants:
        if key not in KEYS:
            raise DataError(f"constants has the key '{key}'", remedy=nearest(key, KEYS))
        if config.columns.get(key, key) in found.columns:
            raise DataError(
                f"the {key} stands in the column '{config.columns.get(key, key)}' of {config.path} and in constants",
                expected="one of them",
            )
    names = {key: _names(found, key, config) for key in NAMED}
    names["cell_type"] = [cell_type_name(name) for name in names["cell_type"]]
    notes: tuple[str, ...] = ()
    if not config.across_sessions:
        names["neuron"], notes = _sessions_apart(names, config)
    azi_px, ele_px, azimuth_deg, elevation_deg = (_measured(found, key, config) for key in MEASURED)
    for key, shifts in zip(MEASURED, (azi_px, ele_px), strict=False):
        _require_whole(found, key, shifts, config)
    for key, angles in (("azimuth_deg", azimuth_deg), ("elevation_deg", elevation_deg)):
        require_angles(angles, key, found.rows, f"{config.path}, {found.row}")
    shift_px = [(round(azi), round(ele)) for azi, ele in zip(azi_px, ele_px, strict=True)]
    keys = list(
        zip(*(names[k] for k in ("cell_type", "neuron", "animal", "session", "stimulus")), shift_px, strict=True)
    )
    return Described(
        **names,
        trial=_trials(found, keys, config),
        shift_px=shift_px,
        position_deg=list(zip(azimuth_deg, elevation_deg, strict=True)),
        notes=notes,
    )


def _names(found: Found, key: str, config: TablesConfig) -> list[str]:
    """The names of a key: from the file, the constants, or empty where that is allowed."""
    column = config.columns.get(key, key)
    if column in found.columns:
        where = f"{config.path}: the {key.replace('_', ' ')} in {found.row}"
        return names_in(found.columns[column], where, found.rows, allow_empty=key in MAY_BE_EMPTY)
    if key in config.constants:
        return [require_name(config.constants[key], f"the {key.replace('_', ' ')} in constants")] * len(found.rows)
    if key in MAY_BE_EMPTY:
        return [""] * len(found.rows)
    raise DataError(
        f"{config.path} does not say the {key} of its traces",
        remedy=f"name its column in columns, or give it in constants; {nearest(column, found.columns)}",
    )


def _column(found: Found, key: str, config: TablesConfig) -> pd.DataFrame | None:
    """The values of a key as a table of one column, whose index says where they stand; None if nothing gives them."""
    column = config.columns.get(key, key)
    if column in found.columns:
        values: Sequence[Any] = found.columns[column]
    elif key in config.constants:
        values = [config.constants[key]] * len(found.rows)
    else:
        return None
    table = pd.DataFrame({column: values}, index=pd.Index(found.rows))
    table.attrs["file"] = str(config.path)
    return table


def _measured(found: Found, key: str, config: TablesConfig) -> list[float]:
    """Numbers of a key: shifts are 0 where nothing gives them, positions NaN."""
    table = _column(found, key, config)
    if table is None:
        return [0.0 if key.endswith("_px") else float("nan")] * len(found.rows)
    return numbers(table, str(table.columns[0]), allow_missing=key.endswith("_deg")).tolist()


def _require_whole(found: Found, key: str, values: Sequence[float], config: TablesConfig) -> None:
    """Refuse a part of a pixel.

    Raises:
        DataError: there is one; the message gives its row.
    """
    array = np.array(values)
    parts = np.flatnonzero(array != np.rint(array))
    if len(parts):
        raise DataError(
            f"{config.path}, {found.row} {found.rows[parts[0]]} has {key} of {array[parts[0]]:g}",
            expected="whole pixels",
        )


def _trials(found: Found, keys: Sequence[tuple[Any, ...]], config: TablesConfig) -> list[int]:
    """Numbers of the trials: of the file, else the recordings of a neuron and stimulus counted in their order."""
    table = _column(found, "trial", config)
    if table is not None:
        trials = whole_numbers(table, str(table.columns[0]))
        wrong = np.flatnonzero((trials < 0) | (trials >= 2**31))
        if len(wrong):
            raise DataError(
                f"{config.path} has the trial {trials[wrong[0]]} in {found.row} {found.rows[wrong[0]]}",
                expected="numbers from 0 on",
            )
        return trials.tolist()
    count: dict[tuple[Any, ...], int] = {}
    counted = []
    for key in keys:
        counted.append(count.get(key, 0))
        count[key] = counted[-1] + 1
    return counted


def _sessions_apart(names: dict[str, list[str]], config: TablesConfig) -> tuple[list[str], tuple[str, ...]]:
    """The neurons, with the session before the name of each that stands in several sessions of one animal."""
    sessions: dict[tuple[str, str, str], dict[str, None]] = {}
    neurons = list(zip(names["cell_type"], names["neuron"], names["animal"], strict=True))
    for neuron, session in zip(neurons, names["session"], strict=True):
        sessions.setdefault(neuron, {})[session] = None
    shared = {neuron for neuron, found in sessions.items() if len(found) > 1}
    if not shared:
        return names["neuron"], ()
    told = [
        f"{session}/{neuron[1]}" if neuron in shared else neuron[1]
        for neuron, session in zip(neurons, names["session"], strict=True)
    ]
    return told, (
        f"{config.path}: {len(shared)} neurons have names that stand in several sessions of one animal; each is taken "
        "as another cell in each session (key across_sessions).",
    )
