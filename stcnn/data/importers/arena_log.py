"""Logs of LED arenas: which frame was shown when, and what the controller was told, on the clock of the rig.

``.mat`` of G4 (what ``G4_TDMS_folder2struct`` of JaneliaSciComp/G4_Display_Tools makes of a folder of TDMS files): a
struct ``Log`` with ``Frames.Time`` in microseconds and ``Frames.Position`` from 0, and ``Commands`` with ``Time``,
``Name`` and ``Data``. A presentation goes from ``Start-Display`` to ``Stop-Display`` or the next start, with the
pattern of the last ``Set Pattern ID`` (bytes in hexadecimal, the low one first, between slashes).

A folder of the TDMS files of a G4 rig, from which those tools make it (:mod:`stcnn.data.importers.arena_tdms`).

A CSV file with ``time_s`` (seconds) and ``x``, perhaps ``y``: frames from 0, each of which holds until the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.importers.arena_tdms import is_tdms_folder, read_tdms_folder
from stcnn.data.importers.names import refuse_misspelt
from stcnn.errors import DataError, FileError, RateError
from stcnn.reading import numbers, read_csv, read_mat, whole_numbers

WHAT = "the log of an arena (.mat of G4, a folder of its TDMS files, or CSV)"
MICROSECONDS = 1e-6
START, STOP, SET_PATTERN, SET_FUNCTION = "start-display", "stop-display", "set pattern id", "set pattern function id"
COMBINED = "set control mode, pattern id"
EVEN = 0.9
"""Share of steps near the median from which on a log has a row for every tick, so that a longer step is a gap ..."""
STAYS = 0.1
"""... if this share of its rows repeats the position before."""
GAP_TICKS = 5


class Positions(NamedTuple):
    """Frames that were shown, each from its time until the next; times in seconds of the rig."""

    time_s: NDArray[np.float64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]

    @property
    def gap_s(self) -> float:
        """Step from which on rows are missing: infinite where the log has a row for a change alone."""
        steps = np.diff(self.time_s)
        if len(steps) < 2:
            return float("inf")
        usual = float(np.median(steps))
        is_even = np.mean(np.abs(steps - usual) < 0.5 * usual) > EVEN
        stays = np.mean((np.diff(self.x) == 0) & (np.diff(self.y) == 0)) > STAYS
        return GAP_TICKS * usual if is_even and stays else float("inf")


class ArenaLog(NamedTuple):
    """What a log holds."""

    positions: Positions | None
    trials: pd.DataFrame | None
    """``pattern`` and ``function`` (numbers, as text), ``onset_s`` and ``stop_s``; None where it names none."""


def read_arena_log(path: Path) -> ArenaLog:
    """Read a log.

    Raises:
        FileError, DataError: it is missing or damaged, or no log.
        RateError: its clock does not ascend.
    """
    if is_tdms_folder(path):
        return _of_struct(path, read_tdms_folder(path))
    if path.suffix.lower() == ".tdms":
        raise FileError(f"{path} is one file of a log", expected=WHAT, remedy="give the folder of all its TDMS files")
    return _of_mat(path) if path.suffix.lower() == ".mat" else ArenaLog(_of_csv(path), None)


def _of_csv(path: Path) -> Positions:
    table = read_csv(path, ("time_s", "x"), WHAT)
    refuse_misspelt(table, ("time_s", "x", "y"))
    y = whole_numbers(table, "y") if "y" in table else np.zeros(len(table), np.int64)
    found = Positions(numbers(table, "time_s"), whole_numbers(table, "x"), y)
    _require_ascending(found.time_s, f"{path}: the time in row", table.index.tolist())
    return found


def _of_mat(path: Path) -> ArenaLog:
    log = read_mat(path, ["Log"], WHAT).get("Log")
    if not isinstance(log, Mapping):
        raise FileError(f"{path} has no struct 'Log'", expected=WHAT)
    return _of_struct(path, log)


def _of_struct(path: Path, log: Mapping[str, Any]) -> ArenaLog:
    frames = log.get("Frames")
    found = None
    if isinstance(frames, Mapping) and np.size(frames.get("Time", ())):
        time_s = _row(path, frames, "Time") * MICROSECONDS
        position = _row(path, frames, "Position")
        if len(position) != len(time_s) or (position != np.round(position)).any():
            raise DataError(
                f"{path} has {len(time_s)} times and {len(position)} positions of frames",
                expected="a whole number for each time",
            )
        _require_ascending(time_s, f"{path}: the time of frame", range(len(time_s)))
        found = Positions(time_s, position.astype(np.int64), np.zeros(len(position), np.int64))
    commands = log.get("Commands")
    return ArenaLog(found, _trials(path, commands) if isinstance(commands, Mapping) else None)


def _row(path: Path, struct: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    values = np.asarray(struct.get(name))
    if values.dtype.kind not in "fiu" or max(values.shape, default=0) != values.size:
        raise DataError(f"{path} has Frames.{name} of type {values.dtype} and shape {values.shape}", expected="a row")
    return values.ravel().astype(np.float64)


def _require_ascending(time_s: NDArray[np.float64], where: str, rows: Sequence[int]) -> None:
    wrong = np.flatnonzero(~(np.diff(time_s) > 0))
    if len(wrong):
        at = int(wrong[0])
        raise RateError(
            f"{where} {rows[at + 1]} is {time_s[at + 1]:.6f} s after {time_s[at]:.6f} s before it",
            expected="a clock that ascends",
            remedy="cut the log where its clock was reset",
        )


def _trials(path: Path, commands: Mapping[str, Any]) -> pd.DataFrame | None:
    """Return the presentations that commands tell of; None where there is no start."""
    names = [str(name).strip().lower() for name in _listed(commands.get("Name"))]
    data = [_text(one) for one in _listed(commands.get("Data"))]
    time_s = np.asarray(commands.get("Time", ()), float).ravel() * MICROSECONDS
    if not len(names) == len(data) == len(time_s):
        raise DataError(
            f"{path} has {len(time_s)} times, {len(names)} names and {len(data)} data of commands",
            expected="one of each for every command",
        )
    if any(name.startswith(COMBINED) for name in names):
        raise DataError(
            f"{path} starts patterns by a combined command, whose data differ from version to version of the rig",
            expected="'Set Pattern ID' and 'Start-Display'",
            remedy="list the presentations in a CSV (key trials)",
        )
    rows = _started(path, list(zip(time_s.tolist(), names, data, strict=True)))
    if not rows:
        return None
    if np.isnan(rows[-1][3]):
        raise DataError(
            f"{path} does not say when its last presentation, at {rows[-1][2]:.3f} s, ended",
            remedy="list the presentations in a CSV (key trials)",
        )
    table = pd.DataFrame(rows, columns=["pattern", "function", "onset_s", "stop_s"])
    table.index = pd.RangeIndex(1, len(table) + 1)
    return table


def _started(path: Path, commands: Sequence[tuple[float, str, str]]) -> list[list[Any]]:
    """Return pattern, function, start and end of every presentation; NaN for an end that no command tells."""
    pattern = function = ""
    rows: list[list[Any]] = []
    for when_s, name, said in commands:
        if name in (START, STOP) and rows and np.isnan(rows[-1][3]):
            rows[-1][3] = when_s
        if name == SET_PATTERN:
            pattern = _number(path, said, "Set Pattern ID")
            function = ""
        elif name == SET_FUNCTION:
            function = _number(path, said, "Set Pattern Function ID")
        elif name == START:
            if not pattern:
                raise DataError(f"{path} starts the display at {when_s:.3f} s before a pattern was set", expected=WHAT)
            rows.append([pattern, function, when_s, np.nan])
    return rows


def _listed(values: object) -> list[Any]:
    """Return the elements of a cell array; one that holds a single text is read as text."""
    return values if isinstance(values, list) else [] if values is None else [values]


def _text(value: object) -> str:
    if isinstance(value, list):
        return _text(value[0]) if value else ""
    return value if isinstance(value, str) else ""


def _number(path: Path, said: str, command: str) -> str:
    """Return the number in the data of a command: bytes in hexadecimal, the low one first."""
    try:
        parts = [int(part, 16) for part in said.split("/") if part.strip()]
        return str(sum(part << 8 * place for place, part in enumerate(parts[:2]))) if parts else str(int(said, 16))
    except ValueError as error:
        raise DataError(
            f"{path} has the data '{said}' of the command {command}",
            expected="bytes in hexadecimal between slashes",
            remedy="list the presentations in a CSV (key trials)",
        ) from error
