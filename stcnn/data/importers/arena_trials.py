"""Presentations on an LED arena: their patterns, and the positions that were shown, by log, function or table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from stcnn.data.importers.arena_keys import ArenaConfig
from stcnn.data.importers.arena_log import ArenaLog, Positions
from stcnn.data.importers.names import names_of, refuse_misspelt
from stcnn.data.importers.shown_alike import Shown, changes_of
from stcnn.errors import DataError
from stcnn.reading import numbers, read_csv, require_folder, whole_numbers

WHAT = "a CSV of presentations on an arena"
NUMBERS = ("onset_s", "stop_s", "duration_s", "positions_hz", "frames_hz")
COLUMNS = (*NUMBERS, "stimulus", "pattern", "function", "function_y", "x", "y", "trial")
PATTERN_ENDINGS = (".pat", ".mat")
FUNCTION_ENDINGS = (".pfn", ".mat", ".csv")
FUNCTIONS = {"function": "positions", "function_y": "positions_y"}
"""Columns that name position functions, and the arguments of ``arena_pattern`` that take them."""
MOVES = ("positions_hz", "frames_hz", "x", "y")
"""Columns that an ``arena_pattern`` takes as they are."""


class Presentation(NamedTuple):
    """One presentation, on the clock of the log."""

    where: str
    """File and row, for messages."""
    stimulus: str
    pattern: Path
    onset_s: float
    shown: Shown | None
    """Positions as logged; None where they follow from the others."""
    moves: Mapping[str, Any]
    """Arguments of ``arena_pattern`` in place of logged positions."""
    trial: int | None


def presentations_of(config: ArenaConfig, log: ArenaLog, table: pd.DataFrame) -> tuple[list[Presentation], list[str]]:
    """Return the presentations in the order of time, and sentences about those that were left out.

    Args:
        config: the keys.
        log: the log.
        table: the presentations, of :func:`read_trials` or of the log.

    Raises:
        DataError: a presentation names no pattern or several, has no end, or the log has no positions for it.
    """
    listed = str(table.attrs.get("file", config.path))
    patterns = _Files(config.patterns, PATTERN_ENDINGS, "pattern")
    functions = None if config.functions is None else _Files(config.functions, FUNCTION_ENDINGS, "position function")
    found: list[Presentation] = []
    unknown: list[str] = []
    for row, values in zip(table.index.tolist(), table.to_dict("records"), strict=True):
        where = f"{listed}, row {row}" if "file" in table.attrs else f"{listed}, presentation {row}"
        given = {str(key): value for key, value in values.items() if not _is_empty(value)}
        pattern = patterns.named(str(given.get("pattern", "")), where)
        paths = _functions(functions, given, where)
        name = str(given.get("stimulus", "")) or "+".join(file.stem for file in (pattern, *paths.values()))
        if name in config.leave_out:
            continue
        shown, reason = _logged(log.positions, given, where)
        if reason:
            unknown.append(f"{name} at {given['onset_s']:.3f} s ({reason})")
            continue
        moves = {} if shown is not None else _moves(given, paths, where)
        trial = int(given["trial"]) if "trial" in given else None
        found.append(Presentation(where, name, pattern, float(given["onset_s"]), shown, moves, trial))
    notes = []
    if unknown:
        notes.append(
            f"{config.path}: {len(unknown)} of {len(table)} presentations were left out, because the log lacks "
            f"positions in them: {', '.join(unknown[:6])}{' ...' if len(unknown) > 6 else ''}."
        )
    if not found:
        raise DataError(
            f"{listed} has no presentation to take" + (f"; {notes[0]}" if notes else ""), expected="at least one"
        )
    return sorted(found, key=lambda one: one.onset_s), notes


def read_trials(path: Path) -> pd.DataFrame:
    """Read a table of presentations; a cell that is empty is NaN or the empty text.

    Raises:
        FileError, DataError: it is missing, or a cell holds no time, number or name.
    """
    text = read_csv(path, ("onset_s", "pattern"), WHAT)
    refuse_misspelt(text, COLUMNS)
    table = pd.DataFrame({"pattern": names_of(text, "pattern")}, index=text.index)
    for name in NUMBERS:
        if name in text:
            table[name] = numbers(text, name, allow_missing=name != "onset_s")
    for name in ("x", "y", "trial"):
        if name in text:
            table[name] = whole_numbers(text, name)
    for name in ("stimulus", *FUNCTIONS):
        if name in text:
            table[name] = text[name].astype(str)
    twice = table.onset_s.duplicated()
    if twice.any():
        row = table.index[int(twice.to_numpy().argmax())]
        raise DataError(f"{path} lists two presentations at {table.onset_s[row]:g} s, the second in row {row}")
    table.attrs["file"] = str(path)
    return table


def _is_empty(value: object) -> bool:
    return value == "" or (isinstance(value, float) and np.isnan(value))


def _duration_s(given: Mapping[str, Any], where: str) -> float | None:
    if "stop_s" in given and "duration_s" in given:
        raise DataError(f"{where} has a stop_s and a duration_s", expected="one of the two")
    found = given["stop_s"] - given["onset_s"] if "stop_s" in given else given.get("duration_s")
    if found is not None and not found > 0:
        raise DataError(f"{where} ends {-found:g} s before it begins", expected="an end after its onset")
    return found


def _logged(positions: Positions | None, given: Mapping[str, Any], where: str) -> tuple[Shown | None, str]:
    """Return what the log says was shown, or why it does not; neither where there is no log of positions."""
    if positions is None:
        return None, ""
    duration_s = _duration_s(given, where)
    if duration_s is None:
        raise DataError(f"{where} does not say when it ended", remedy="give the column stop_s or duration_s")
    onset_s = given["onset_s"]
    time_s = positions.time_s
    first, last = np.searchsorted(time_s, [onset_s, onset_s + duration_s])
    gap_s = positions.gap_s
    if np.isfinite(gap_s):
        inside = np.r_[onset_s, time_s[first:last], onset_s + duration_s]
        longest = int(np.diff(inside).argmax())
        if inside[longest + 1] - inside[longest] > gap_s:
            lacks = f"none for {inside[longest + 1] - inside[longest]:.3g} s from {inside[longest]:.3f} s on"
            return None, lacks
    else:
        first = max(first - 1 if first == len(time_s) or time_s[first] > onset_s + 1e-9 else first, 0)
    if first >= last or time_s[first] > onset_s + duration_s:
        return None, "none"
    chosen = slice(first, last)
    return changes_of(time_s[chosen] - onset_s, positions.x[chosen], positions.y[chosen], duration_s), ""


def _functions(files: _Files | None, given: Mapping[str, Any], where: str) -> dict[str, Path]:
    """Return the position functions of a presentation, by the argument that takes them."""
    if files is None:
        return {}
    return {FUNCTIONS[name]: files.named(str(given[name]), where) for name in FUNCTIONS if given.get(name)}


def _moves(given: Mapping[str, Any], functions: Mapping[str, Path], where: str) -> dict[str, Any]:
    """Return how a pattern moved where that was not logged."""
    moves = {name: given[name] for name in MOVES if name in given}
    unknown = [str(given[name]) for name, argument in FUNCTIONS.items() if name in given and argument not in functions]
    if unknown:
        raise DataError(
            f"{where} names the function {unknown[0]}, and nothing says where it is",
            remedy="give the folder of functions (key functions)",
        )
    moves |= {argument: str(path) for argument, path in functions.items()}
    duration_s = _duration_s(given, where)
    return moves if duration_s is None else moves | {"duration_s": duration_s}


class _Files:
    """Files of a folder by their names, with or without ending, or by the number in them."""

    def __init__(self, folder: Path, endings: Sequence[str], what: str) -> None:
        require_folder(folder, f"the folder of {what}s")
        self.folder = folder
        self.what = what
        self.files = sorted(file for file in folder.iterdir() if file.suffix.lower() in endings)

    def named(self, name: str, where: str) -> Path:
        """Return the file of a name.

        Raises:
            DataError: there is none, or there are several.
        """
        exact = [file for file in self.files if file.name == name] or [f for f in self.files if f.stem == name]
        numbered = [file for file in self.files if _number_in(file.stem) == int(name)] if name.isdecimal() else []
        found = exact or numbered
        kinds = {file.suffix.lower() for file in found}
        if len(found) > 1 and len(kinds) == len(found) and ".mat" in kinds:  # what G4's tools write beside it
            found = [file for file in found if file.suffix.lower() != ".mat"]
        if len(found) == 1:
            return found[0]
        listed = ", ".join(file.name for file in found or self.files[:8])
        raise DataError(
            f"{where} names the {self.what} {name}, of which {self.folder} has {len(found) or 'none'}"
            + (f" ({listed})" if listed else ""),
            expected="the name of one file in it, or its number",
        )


def _number_in(stem: str) -> int:
    """Return the number of ``pat0003``, ``fun0003``, ``0003_bar_G4``, ``003_bar`` or ``position_function_003_x``."""
    found = re.match(r"(?:pat|fun|position_function_|pattern_)?_?(\d+)(?:\D|$)", stem, flags=re.IGNORECASE)
    return int(found[1]) if found else -1
