"""Stimuli in rows and columns, as the table of their protocol has them; figures and animations are laid out by it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from stcnn.stimuli.protocols import Protocol, load_protocol, protocol_names

UNITS = {"_deg_s": "°/s", "_deg": "°", "_hz": " Hz", "_s": " s"}
"""Endings of names and how their units are written, the longest first."""
UPWARDS = ("height_deg", "elevation_deg")
"""Parameters that grow from the bottom row to the top one."""


@dataclass(frozen=True)
class StimulusTable:
    """Where the stimuli of a protocol stand.

    Args:
        rows: label of each row, top first, to its stimuli from left to right.
        columns: label of each column.
    """

    rows: dict[str, list[str]]
    columns: list[str]

    @property
    def stimuli(self) -> list[str]:
        """All stimuli, row by row."""
        return [stimulus for row in self.rows.values() for stimulus in row]


def stimulus_table(protocol: Protocol) -> StimulusTable | None:
    """Lay a protocol out: its last varied parameter across, the others down; None if it varies nothing."""
    axes = protocol.axes
    if axes.empty:
        return None
    *down, across = axes.columns
    columns = [_label(across, value) for value in dict.fromkeys(axes[across])]
    rows: dict[str, list[str]] = {}
    for stimulus, *values in axes.itertuples(name=None):
        label = ", ".join(_label(axis, value) for axis, value in zip(down, values[:-1], strict=True))
        rows.setdefault(label, []).append(stimulus)
    if down and down[-1] in UPWARDS:
        first, last = (axes[down[-1]].iloc[place] for place in (0, -1))
        rows = dict(reversed(rows.items())) if first < last else rows
    return StimulusTable(rows, columns)


def table_of(stimuli: Collection[str]) -> StimulusTable | None:
    """Return the table of the shipped protocol to which all of some stimuli belong by name, in rows and columns.

    Stimuli that are missing among them stay in the table. None if there is no such protocol.
    """
    for name in protocol_names():
        table = stimulus_table(load_protocol(name))
        if table is not None and len(table.rows) > 1 and set(stimuli) <= set(table.stimuli):
            return table
    return None


def _label(parameter: str, value: str | float | tuple[float, ...]) -> str:
    """Parameter and value with its unit, such as ``width 9°``; a word stands for itself."""
    if isinstance(value, str):
        return value
    text = " × ".join(f"{part:g}" for part in value) if isinstance(value, tuple) else f"{value:g}"
    ending = next((ending for ending in UNITS if parameter.endswith(ending)), "")
    return f"{parameter.removesuffix(ending).replace('_', ' ')} {text}{UNITS.get(ending, '')}"
