"""When stimuli were shown, by an NWB file: a table of intervals, an IndexSeries, or the movies' own starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.importers.nwb.index import Sequence, add_sequences
from stcnn.data.importers.nwb.keys import NwbConfig
from stcnn.data.importers.nwb.movies import MOVIE_TYPES, movie_paths
from stcnn.data.importers.nwb.series import note_of, times_of
from stcnn.data.importers.nwb.tree import Node, child, kind_of, name_of, numbers, referred, texts, walk
from stcnn.errors import DataError, nearest

STIMULUS_COLUMNS = ("stimulus", "stimulus_name", "stimulus_id", "stimulus_type", "condition")
ONSET_COLUMNS = ("onset_time", "stimulus_onset_time", "stimulus_start_time", "start_time")
_IN_THE_WAY = ("invalid_times",)


class Shown(NamedTuple):
    """Presentations as a file tells them.

    Args:
        onsets: ``stimulus``, ``onset_s``, and maybe ``trial``, ``start_s``, ``stop_s``.
        sequences: those of the stimuli that are sequences of pictures, by name.
    """

    onsets: pd.DataFrame
    sequences: Mapping[str, Sequence]


def shown_in(root: Node, config: NwbConfig, notes: list[str]) -> Shown:
    """The presentations of a file.

    Raises:
        DataError: it does not say when stimuli were shown, or in several tables; the message names what is there.
    """
    tables = [path for path, node in walk(root, "intervals") if kind_of(node) == "TimeIntervals"]
    if config.intervals is not None:
        named = [p for p in tables if config.intervals in (p, name_of(p))]
        if not named:
            there = [name_of(path) for path in tables]
            raise DataError(
                f"{config.path} has no table of intervals '{config.intervals}'", remedy=nearest(config.intervals, there)
            )
        return Shown(interval_table(root, named[0], config, notes), {})
    fitting = [path for path in tables if _has_stimulus(root[path], config)]
    if "intervals/trials" in tables and (config.stimulus_column or "intervals/trials" in fitting):
        return Shown(interval_table(root, "intervals/trials", config, notes), {})
    if len(fitting) > 1:
        raise DataError(
            f"{config.path} names stimuli in several tables, {' and '.join(map(name_of, fitting))}",
            expected="one",
            remedy="name it with the key 'intervals'",
        )
    if fitting:
        notes.append(f"Presentations are those of the table '{fitting[0]}'.")
        return Shown(interval_table(root, fitting[0], config, notes), {})
    shown = _presented(root, config, notes)
    if shown.onsets.empty:
        listed = ", ".join(f"{name_of(p)} ({', '.join(sorted(root[p].keys()))})" for p in tables)
        raise DataError(
            f"{config.path} does not say when stimuli were shown"
            + (f"; its tables of intervals are {listed}" if listed else ""),
            expected="a table intervals/trials that names the stimulus, an IndexSeries or presented movies",
            remedy="name table and column with the keys 'intervals' and 'stimulus_column', or give a CSV of onsets",
        )
    return shown


def _has_stimulus(node: Node, config: NwbConfig) -> bool:
    names = [config.stimulus_column] if config.stimulus_column else STIMULUS_COLUMNS
    return name_of(str(getattr(node, "name", ""))) not in _IN_THE_WAY and any(name in node for name in names)


def interval_table(root: Node, path: str, config: NwbConfig, notes: list[str]) -> pd.DataFrame:
    """The presentations of a table of intervals, in the order of their onsets.

    Raises:
        DataError: a column is missing, or of another kind, or two presentations begin at one time.
    """
    node = root[path]
    where = f"{config.path}, {path}"
    wanted = (config.stimulus_column,) if config.stimulus_column else STIMULUS_COLUMNS
    stimulus = next((name for name in wanted if name in node), None)
    onset = next((name for name in ONSET_COLUMNS if name in node), None)
    if stimulus is None or onset is None:
        missing = " or ".join(map(str, wanted if stimulus is None else ONSET_COLUMNS))
        columns = ", ".join(sorted(node.keys()))
        raise DataError(f"{where} has no column {missing}, it has {columns}", remedy="set stimulus_column")
    onsets = pd.DataFrame({"stimulus": _names(root, node, stimulus, where), "onset_s": _numbers(node, onset, where)})
    if "trial" in node:
        onsets["trial"] = _numbers(node, "trial", where).astype(int)
    if onset != "start_time" and "start_time" in node and "stop_time" in node:
        onsets["start_s"], onsets["stop_s"] = (_numbers(node, name, where) for name in ("start_time", "stop_time"))
    named = (onsets.stimulus != "") & np.isfinite(onsets.onset_s)
    if not named.all():
        notes.append(f"{int((~named).sum())} of {len(onsets)} rows of '{path}' name no stimulus or no time: left out.")
    onsets = onsets[named].sort_values("onset_s", kind="stable")
    if (same := onsets.onset_s.duplicated(keep=False)).any():
        both = onsets[same].head(2)
        raise DataError(
            f"{where} shows '{both.stimulus.iloc[0]}' and '{both.stimulus.iloc[1]}' at one time, "
            f"{both.onset_s.iloc[0]:.6g} s",
            expected="a row for each presentation",
            remedy="give a CSV of onsets with one row for each",
        )
    return onsets


def _names(root: Node, node: Node, column: str, where: str) -> list[str]:
    """A column of names; numbers of an enumeration become what they stand for."""
    values = child(node, column)
    if f"{column}_index" in node or kind_of(values) == "DynamicTableRegion":
        raise DataError(
            f"'{column}' of {where} is a list in each row", expected="one name", remedy="name another stimulus_column"
        )
    elements = referred(root, values.attrs.get("elements"))
    if elements is None:
        return texts(values, f"'{column}' of {where}")
    known = texts(child(root, elements), f"the elements of '{column}' of {where}")
    return [known[number] for number in numbers(values, f"'{column}' of {where}", ndim=1, kinds="iu").tolist()]


def _numbers(node: Node, column: str, where: str) -> NDArray[np.float64]:
    return numbers(child(node, column), f"'{column}' of {where}", ndim=1).astype(np.float64)


def _presented(root: Node, config: NwbConfig, notes: list[str]) -> Shown:
    """Sequences of the IndexSeries, and presented movies at their own starts."""
    rows: list[tuple[str, float]] = []
    sequences: list[Sequence] = []
    other: dict[str, None] = {}
    taken = {name for name, path in movie_paths(root).items() if path.startswith("stimulus/presentation")}
    for path, node in walk(root, "stimulus/presentation"):
        kind = kind_of(node)
        if kind == "IndexSeries":
            add_sequences(root, path, config, sequences, taken, notes)
        elif kind in MOVIE_TYPES:
            note = note_of(node)
            rows.append((str(note.get("name", name_of(path))), _start_s(node) + float(note.get("onset_s", 0))))
        elif kind:
            other.setdefault(f"{name_of(path)} ({kind})")
    rows += [(sequence.name, onset_s) for sequence in sequences for onset_s in sequence.onsets_s]
    if other:
        notes.append(f"Presented, but no movies, and left out: {', '.join(other)}.")
    onsets = pd.DataFrame(rows, columns=["stimulus", "onset_s"]).sort_values("onset_s", ignore_index=True)
    return Shown(onsets, {sequence.name: sequence for sequence in sequences})


def _start_s(node: Node) -> float:
    """When the first frame of a movie appeared."""
    stamps = child(node, "timestamps")
    return float(times_of(node, 1 if stamps is None else stamps.shape[0])[0])


def per_neuron(node: Node, names: tuple[str, ...], n_neurons: int) -> dict[str, NDArray]:
    """Columns of our own exporter that hold a value per presentation and neuron, ``(presentations, neurons)``.

    Raises:
        DataError: one has another shape.
    """
    found = {}
    for name in names:
        if name in node:
            values = numbers(child(node, name), f"'{name}' of presentations", ndim=2)
            if values.shape[1] != n_neurons:
                raise DataError(
                    f"'{name}' of presentations has the shape {values.shape}", expected=f"{n_neurons} neurons"
                )
            found[name] = values.astype(int if name.endswith("_px") else float)
    return found
