"""The cells of an NWB file: rows of its plane segmentations, with what tables and the configuration say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stcnn.cell_type_names import cell_type_name
from stcnn.data.importers.nwb.signals import Signal
from stcnn.data.importers.nwb.tree import Node, child, name_of, numbers, text, text_at, texts
from stcnn.data.importers.sessions import Roi, SessionConfig, chosen_rois, named_planes, require_planes

_POSITION = ("azimuth_deg", "elevation_deg")
_SHIFT = ("azi_shift_px", "ele_shift_px")
_ACCEPTED = ("iscell", "is_cell", "Accepted", "accepted")
"""Columns that say whether a region is a cell: Suite2p's, and those of NeuroConv."""


def cells_of(root: Node, signals: Sequence[Signal], config: SessionConfig, notes: list[str]) -> list[list[Roi]]:
    """The cells to take of each signal; their numbers are places among the signal's columns.

    Args:
        root: of the file.
        signals: the signals to take.
        config: with the table of neurons, if there is one.
        notes: what was left out is added.

    Raises:
        DataError: a table names a cell that is not there or may be one of several, or a cell has no type.
    """
    tables = list(dict.fromkeys(signal.table for signal in signals))
    names = [name_of(table) for table in tables]
    different = {table: name if names.count(name) == 1 else table for table, name in zip(tables, names, strict=True)}
    planes = set() if config.neurons is None else named_planes(config.neurons)
    if config.neurons is not None and len(tables) > 1:
        require_planes(config.neurons, list(different.values()))
    found = {}
    for table in tables:
        rows = np.unique(np.concatenate([s.rows for s in signals if s.table == table]))
        place = different[table] if len(tables) > 1 else ""
        if config.neurons is not None:
            listed = place or (different[table] if different[table] in planes else None)
            found[table] = chosen_rois(config, rows.tolist(), place, listed)
            continue
        named = _named_in(child(root, table) if table else None, rows)
        found[table] = _accepted(root, table, rows, config, place, notes) if named is None else named
    return [_placed(found[signal.table], signal) for signal in signals]


def _placed(rois: Sequence[Roi], signal: Signal) -> list[Roi]:
    """The cells that a signal has, by their places in it."""
    place = {row: number for number, row in enumerate(signal.rows.tolist())}
    return [replace(roi, number=place[roi.number]) for roi in rois if roi.number in place]


def _accepted(
    root: Node, table: str, rows: NDArray[np.int64], config: SessionConfig, place: str, notes: list[str]
) -> list[Roi]:
    """Cells named after their rows, and after their segmentation where there are several."""
    node = child(root, table) if table else None
    column = next((name for name in _ACCEPTED if node is not None and name in node), None)
    if column is not None:
        said = numbers(child(node, column), f"'{column}' of '{table}'")
        good = (said if said.ndim == 1 else said[:, 0])[rows] > 0
        if not good.all():
            notes.append(
                f"{int((~good).sum())} of {len(rows)} regions of '{table}' are left out: no cells ('{column}')."
            )
        rows = rows[good]
    ids = child(node, "id") if node is not None else None
    if ids is not None and ids.dtype.kind in "iu" and not np.array_equal(np.asarray(ids[:])[rows], rows):
        notes.append(f"Cells are named after their rows in '{table}', not after its column 'id', which differs.")
    return chosen_rois(config, rows.tolist(), place)


def _named_in(table: Node | None, rows: NDArray[np.int64]) -> list[Roi] | None:
    """Cells with a type in the table itself, as our own exporter writes them; None where it has no such column."""
    if table is None or "cell_type" not in table:
        return None
    where = "the plane segmentation"
    types = texts(child(table, "cell_type"), f"'cell_type' of {where}")
    names = (
        texts(child(table, "neuron"), f"'neuron' of {where}")
        if "neuron" in table
        else list(map(str, range(len(types))))
    )
    nan = np.full(len(types), np.nan)
    position = [_column(table, name, nan) for name in _POSITION]
    has_shift = all(name in table for name in _SHIFT)
    shift = [_column(table, name, nan) for name in _SHIFT]
    return [
        Roi(
            row,
            names[row],
            cell_type_name(types[row]),
            (float(position[0][row]), float(position[1][row])),
            (int(shift[0][row]), int(shift[1][row])) if has_shift else None,
        )
        for row in rows.tolist()
    ]


def _column(table: Node, name: str, absent: NDArray[np.float64]) -> NDArray:
    return numbers(child(table, name), f"'{name}' of the plane segmentation", ndim=1) if name in table else absent


def identity_of(root: Node, config: SessionConfig, note: Mapping[str, object]) -> dict[str, str]:
    """Animal, session and indicator, as text: of the configuration, else of our own exporter, else of the file."""
    said = {
        "animal": text_at(root, "general/subject/subject_id"),
        "session": text_at(root, "general/session_id") or text_at(root, "identifier"),
    }
    return {key: getattr(config, key) or str(note.get(key, value)) for key, value in said.items()}


def plane_and_channel(root: Node, signal: Signal) -> tuple[str, str]:
    """Names of the plane segmentation of a signal's cells and of the only optical channel of their imaging plane.

    Empty where not known, or where there are several channels.
    """
    if not signal.table:
        return "", ""
    plane = child(root, f"{signal.table}/imaging_plane")
    parts = plane.keys() if plane is not None and hasattr(plane, "keys") else ()
    channels = [name for name in parts if text(child(plane, name), "neurodata_type") == "OpticalChannel"]
    return name_of(signal.table), channels[0] if len(channels) == 1 else ""


def indicator_of(root: Node, signal: Signal) -> str:
    """Name of the calcium indicator that the imaging plane of a signal's cells names; empty where not known."""
    found = text_at(root, f"{signal.table}/imaging_plane/indicator") if signal.table else ""
    return "" if found.lower() in ("unknown", "n.a.", "na", "none") else found
