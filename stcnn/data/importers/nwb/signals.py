"""Which response series of an NWB file are the calcium signal, and which is the neuropil of each.

A file may hold several signals of the same cells (raw, neuropil, deconvolved, two channels) and the same kind of
signal of different cells (planes). What a series is follows from the type of its container and from the names that
Suite2p, CaImAn, NeuroConv and the AllenSDK give; its cells are rows of a table, ``rois``. Two signals of one cell are
a choice that the user makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stcnn.data.importers.nwb.tree import (
    Node,
    attribute,
    child,
    kind_of,
    name_of,
    numbers,
    parent_of,
    place_of,
    referred,
    require_numbers,
    walk,
    what_there_is,
)
from stcnn.errors import DataError, nearest

_ROLES = (
    ("neuropil", re.compile(r"neuropil|fneu|surround", re.I)),
    ("other", re.compile(r"deconv|spike|spks|event|denoised|baseline|inferred|background", re.I)),
    ("dff", re.compile(r"dff|d_?f_?over_?f|delta_?f|df/f", re.I)),
)
_CORRECTED = re.compile(r"corrected|subtracted", re.I)
_PLACES = ("processing", "acquisition", "analysis")


@dataclass(frozen=True, eq=False)
class Signal:
    """A response series.

    Args:
        path: of the series.
        role: ``fluorescence``, ``dff``, ``neuropil`` or ``other`` (deconvolved and the like).
        table: path of the plane segmentation that holds its cells, empty where it names none.
        rows: row of that table for each of its columns, int64 ``(N,)``.
        n_samples: how many samples it has.
        by_neuron: whether its data are ``(N, T)``, against the schema.
    """

    path: str
    role: str
    table: str
    rows: NDArray[np.int64]
    n_samples: int
    by_neuron: bool

    @property
    def name(self) -> str:
        """Its own name."""
        return name_of(self.path)

    @property
    def corrected(self) -> bool:
        """Whether its name says that neuropil has been subtracted from it."""
        return bool(_CORRECTED.search("/".join(self.path.split("/")[-2:])))


def signals_in(root: Node, notes: list[str]) -> list[Signal]:
    """Every response series of a file, those below ``processing`` first.

    Raises:
        DataError: one has cells that are not in its table, or not one column for each.
    """
    found = []
    for place in _PLACES:
        for path, node in walk(root, place):
            if kind_of(node) == "RoiResponseSeries":
                found.append(_signal(root, path, node, notes))
    return found


def _signal(root: Node, path: str, node: Node, notes: list[str]) -> Signal:
    data = child(node, "data")
    require_numbers(data, f"the data of series '{path}'")
    shape = tuple(data.shape)
    if len(shape) not in (1, 2):
        raise DataError(f"series '{path}' has data of the shape {shape}", expected="(time, cells)")
    table, rows = _region(root, path, node, 1 if len(shape) == 1 else None)
    by_neuron = len(shape) == 2 and shape[0] == len(rows) and shape[1] != len(rows)  # as Suite2p once wrote them
    n_cells = 1 if len(shape) == 1 else shape[0] if by_neuron else shape[1]
    if n_cells != len(rows):
        raise DataError(
            f"series '{path}' has data of the shape {shape} and {len(rows)} cells", expected="(time, cells)"
        )
    if len(np.unique(rows)) != len(rows):
        raise DataError(f"series '{path}' has two columns for one cell", expected="a cell for each column")
    if by_neuron:
        notes.append(f"Series '{path}' is stored as (cells, time), against the schema, and read so.")
    return Signal(path, _role(root, path), table, rows, shape[1] if by_neuron else shape[0], by_neuron)


def _role(root: Node, path: str) -> str:
    """Meaning of a series: by its own name, else by its container's name, else by its container's type."""
    container = parent_of(path)
    is_dff = kind_of(root[container]) == "DfOverF"
    for name in (name_of(path), name_of(container)):
        for role, pattern in _ROLES:
            if pattern.search(name) and not (is_dff and role != "neuropil"):
                return role
    return "dff" if is_dff else "fluorescence"


def _region(root: Node, path: str, node: Node, n_cells: int | None) -> tuple[str, NDArray[np.int64]]:
    """The table of a series' cells, and a row of it for each column."""
    rois = child(node, "rois")
    if rois is None:
        if n_cells is None:
            raise DataError(f"series '{path}' does not say of which cells it is", expected="the rows 'rois'")
        return "", np.zeros(n_cells, np.int64)
    rows = numbers(rois, f"the rois of series '{path}'", kinds="iuf").ravel()
    if not np.array_equal(rows, np.rint(rows)):
        raise DataError(f"the rois of series '{path}' are no whole numbers", expected="rows of a plane segmentation")
    said = referred(root, attribute(rois, "table", None))
    table = child(root, said) if said else None
    if table is None:
        tables = [p for p, n in walk(root, "processing") if kind_of(n) == "PlaneSegmentation"]
        if len(tables) > 1:
            raise DataError(
                f"series '{path}' does not say which plane segmentation its cells are in: {', '.join(tables)}",
                expected="the attribute 'table' of its rois",
            )
        table = child(root, tables[0]) if tables else None
    if table is None:
        return "", rows.astype(np.int64)
    ids = child(table, "id")
    if ids is not None and len(rows) and not (rows.min() >= 0 and rows.max() < ids.shape[0]):
        raise DataError(
            f"series '{path}' is of the rows {int(rows.min())} to {int(rows.max())} of '{place_of(table)}'",
            expected=f"rows 0 to {ids.shape[0] - 1}, which the table has",
        )
    return place_of(table), rows.astype(np.int64)


def chosen_signals(
    root: Node, found: Sequence[Signal], wanted: str | None, file: Path, notes: list[str]
) -> list[Signal]:
    """The calcium signals to take: dF/F, and fluorescence of cells without it; one for each cell.

    Args:
        root: of the file.
        found: all response series.
        wanted: name or path of a series, or of the container of some; None for all that are the calcium signal.
        file: for messages.
        notes: what was chosen is added.

    Raises:
        DataError: there is none, none of the wanted name, or two of one cell.
    """
    if wanted is not None:
        named = [s for s in found if wanted in (s.path, s.name, parent_of(s.path), name_of(parent_of(s.path)))]
        if not named:
            raise DataError(f"{file} has no series '{wanted}'", remedy=nearest(wanted, [s.path for s in found]))
        exact = [s for s in named if s.path == wanted]
        chosen = exact or [s for s in named if s.role in ("dff", "fluorescence")] or named
    else:
        chosen = [s for s in found if s.role == "dff"]
        chosen += [s for s in found if s.role == "fluorescence" and not any(_share(s, dff) for dff in chosen)]
    if not chosen:
        raise DataError(
            f"{file} has no RoiResponseSeries in DfOverF or Fluorescence; it holds "
            f"{', '.join(s.path for s in found) or what_there_is(root)}",
            expected="calcium traces in processing/ophys",
            remedy="extract traces first, for instance with Suite2p or CaImAn, or name one with the key 'series'",
        )
    _refuse_two_of_one_cell(root, chosen, file)
    left = [s.path for s in found if s not in chosen and s.role != "neuropil"]
    if left or len(chosen) > 1:
        taken = f"Signals taken: {', '.join(s.path for s in chosen)}"
        notes.append(f"{taken}; not taken: {', '.join(left)}." if left else f"{taken}.")
    return chosen


def _share(one: Signal, other: Signal) -> bool:
    """Whether two signals have a cell in common."""
    return one.table == other.table and bool(np.isin(one.rows, other.rows).any())


def presentations_of(root: Node, signal: Signal) -> Node | None:
    """The table of what was shown while a series was recorded, as our own exporter writes it."""
    return child(root, f"intervals/{signal.name}_presentations")


def _refuse_two_of_one_cell(root: Node, chosen: Sequence[Signal], file: Path) -> None:
    owner: dict[tuple[str, int], Signal] = {}
    for signal in chosen:
        if presentations_of(root, signal) is not None:
            continue  # parts of a session, which our own exporter writes one by one
        for row in signal.rows.tolist():
            other = owner.setdefault((signal.table, row), signal)
            if other is not signal:
                raise DataError(
                    f"{file} has two signals of one cell (row {row} of '{signal.table}'): {other.path} and "
                    f"{signal.path}",
                    expected="one",
                    remedy="name the one to take with the key 'series'",
                )


def neuropil_of(signal: Signal, found: Iterable[Signal], wanted: str | None, notes: list[str]) -> Signal | None:
    """The neuropil of a fluorescence signal: of the same cells, over the same time.

    Args:
        signal: the fluorescence.
        found: all response series.
        wanted: name or path of the neuropil, ``none`` for no correction, or None to find it.
        notes: what was chosen is added.

    Raises:
        DataError: there is neuropil, but none or several that could be this signal's.
    """
    candidates = [s for s in found if s.role == "neuropil" and s.path != signal.path]
    if signal.role != "fluorescence":
        if candidates and signal.role == "dff":
            notes.append("dF/F is taken as the file has it; neuropil is not subtracted from it again.")
        return None
    if wanted == "none" or (wanted is None and signal.corrected):
        why = "as neuropil: none says" if wanted == "none" else "its name says that this has been done"
        notes.append(f"No neuropil is subtracted from '{signal.path}': {why}.")
        return None
    if wanted is not None:
        candidates = [s for s in found if wanted in (s.path, s.name, parent_of(s.path), name_of(parent_of(s.path)))]
        if not candidates:
            raise DataError(f"there is no neuropil '{wanted}'", remedy=nearest(wanted, [s.path for s in found]))
    if not candidates:
        return None
    fitting = [s for s in candidates if _covers(s, signal)]
    if len(fitting) > 1:
        fitting = [s for s in fitting if s.name == signal.name] or fitting
    if len(fitting) > 1:
        fitting = [s for s in fitting if parent_of(s.path) == parent_of(signal.path)] or fitting
    if len(fitting) != 1:
        what = "several neuropils" if fitting else "neuropil of other cells or of another length"
        raise DataError(
            f"'{signal.path}' has {what}: {', '.join(s.path for s in fitting or candidates)}",
            expected="one, of the same cells",
            remedy="name it with the key 'neuropil', or set that to none",
        )
    notes.append(f"The neuropil of '{signal.path}' is '{fitting[0].path}', matched by cell.")
    return fitting[0]


def _covers(neuropil: Signal, signal: Signal) -> bool:
    """Whether a neuropil has all cells of a signal, and as many samples."""
    same = neuropil.table == signal.table and neuropil.n_samples == signal.n_samples
    return same and bool(np.isin(signal.rows, neuropil.rows).all())
