"""Stimulus onsets on the imaging clock, from the log of an acquisition board.

The board records two voltages on one clock: a photodiode over a patch of the screen, which is lit when a stimulus is
shown, and a pulse at the start of every imaging frame. Onsets are the moments at which the patch lights up after it was
dark for a while, counted in imaging frames, and so carry neither the offset nor the drift between the two clocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.importers.names import names_of
from stcnn.errors import DataError
from stcnn.reading import numbers, read_csv, read_parquet

Array = NDArray[np.floating[Any]]

LOW = 0.4
HIGH = 0.6
"""Share of the signal's range below which it is low, and above which it is high; between them it stays what it was."""
LEAST_STEADY = 0.5
"""Share of the median frame interval by which an interval may deviate: more is a pulse missing, or one too many."""


@dataclass(frozen=True)
class LogConfig:
    """Names of the columns of a log, and how its signals are read.

    Args:
        time: column of the time in seconds.
        photodiode: column of the photodiode, in any unit; bright is high.
        frames: column of the pulses of imaging frames, in any unit; each begins with a rise.
        n_planes: imaging frames that make a volume; its clock is that of the first plane.
        dark_s: how long the patch is dark at least before it lights up for an onset; shorter gaps are flicker.
    """

    time: str = "time_s"
    photodiode: str = "photodiode_v"
    frames: str = "frame_v"
    n_planes: int = 1
    dark_s: float = 0.2


@dataclass(frozen=True)
class Onsets:
    """When stimuli were shown.

    Args:
        table: ``stimulus``, ``onset_s`` from the first imaging frame on, and ``trial`` where the order names trials.
        imaging_rate_hz: volumes per second, measured on the clock of the log.
        n_frames: volumes in the log.
    """

    table: pd.DataFrame
    imaging_rate_hz: float
    n_frames: int


def read_log(log: Path, order: Path, config: LogConfig | None = None) -> Onsets:
    """Find the onset of every presentation in a log.

    Args:
        log: CSV or Parquet with a row per sample: time, photodiode, pulses of the imaging frames.
        order: CSV with a row per presentation, in the order in which they were shown: ``stimulus``, optionally
            ``trial``.
        config: names of the columns, and how signals are read.

    Raises:
        FileError, DataError: a file cannot be read or lacks a column; time does not run forward; a signal has no two
            levels; the pulses are not steady; the photodiode lights up more or less often than stimuli were shown, or
            while nothing was imaged.
    """
    config = config or LogConfig()
    read = read_parquet if log.suffix.lower() == ".parquet" else read_csv
    table = read(log, (config.time, config.photodiode, config.frames), "the log of an acquisition board")
    time_s = numbers(table, config.time)
    if (backwards := np.flatnonzero(np.diff(time_s) <= 0)).size:
        row = table.index[backwards[0] + 1]
        raise DataError(f"{log} has a time in row {row} that does not come after the one before", expected="seconds")
    frames_s = rises(time_s, numbers(table, config.frames), f"{log}, column '{config.frames}'")[:: config.n_planes]
    _require_steady(frames_s, log)
    onsets_s = rises(
        time_s, numbers(table, config.photodiode), f"{log}, column '{config.photodiode}'", low_s=config.dark_s
    )
    shown = read_csv(order, ("stimulus",), "a CSV of presentations in their order")
    _require_as_many(onsets_s, len(shown), log, order)
    _require_imaged(onsets_s, frames_s, log)
    rate_hz = (len(frames_s) - 1) / (frames_s[-1] - frames_s[0])
    position = np.interp(onsets_s, frames_s, np.arange(len(frames_s)))
    found = pd.DataFrame({"stimulus": names_of(shown, "stimulus"), "onset_s": np.round(position / rate_hz, 6)})
    if "trial" in shown:
        found["trial"] = shown["trial"].to_numpy()
    return Onsets(found, rate_hz, len(frames_s))


def rises(time_s: Array, signal: Array, what: str, low_s: float = 0.0) -> Array:
    """Times at which a signal of two levels rises, by a straight line through half of its range.

    Args:
        time_s: time of each sample, ``(S,)``.
        signal: its samples, ``(S,)``.
        what: what to call it.
        low_s: how long it was low at least before a rise that counts; the beginning of the log counts as low.

    Raises:
        DataError: the signal never changes, or is mostly between its two levels.
    """
    lowest, highest = np.percentile(signal, [0.1, 99.9])
    if lowest == highest:  # pulses so short and rare that percentiles miss them
        lowest = signal.min()
        highest = signal.max()
    if lowest == highest:
        raise DataError(f"{what} is {lowest:g} throughout", expected="a signal with two levels")
    level = (signal - lowest) / (highest - lowest)
    between = np.mean((level > LOW) & (level < HIGH))
    if between > (most := (HIGH - LOW) / 2):
        raise DataError(
            f"{what} is between its two levels in {between:.0%} of its samples", expected=f"{most:.0%} at most"
        )
    state = np.where(level >= HIGH, 1.0, np.where(level <= LOW, 0.0, np.nan))
    high = pd.Series(state).ffill().fillna(0.0).to_numpy() > 0
    up = np.flatnonzero(~high[:-1] & high[1:]) + 1
    down = np.flatnonzero(high[:-1] & ~high[1:]) + 1
    before = np.searchsorted(down, up) - 1
    low_since_s = np.where(before >= 0, time_s[down[before]] if down.size else 0.0, -np.inf)
    up = up[time_s[up] - low_since_s >= low_s]
    return np.array([_half(time_s, level, int(end)) for end in up])


def _half(time_s: Array, level: Array, end: int) -> float:
    """Time at which the level crosses one half on its way to the sample ``end``."""
    start = end - 1
    while start > 0 and level[start] > 0.5:
        start -= 1
    if level[start] >= 0.5:
        return float(time_s[start])
    return float(np.interp(0.5, level[start : start + 2], time_s[start : start + 2]))


def _require_steady(frames_s: Array, log: Path) -> None:
    if len(frames_s) < 2:
        raise DataError(f"{log} has {len(frames_s)} pulses of imaging frames", expected="one for each frame")
    steps_s = np.diff(frames_s)
    usual_s = float(np.median(steps_s))
    uneven = np.flatnonzero(np.abs(steps_s - usual_s) > LEAST_STEADY * usual_s)
    if uneven.size:
        first = uneven[0]
        raise DataError(
            f"{log} has {uneven.size} uneven intervals between imaging frames, the first of {steps_s[first]:.4g} s "
            f"after frame {first} at {frames_s[first]:.3f} s",
            expected=f"{usual_s:.4g} s throughout",
            remedy="pulses are missing or doubled there: cut the log to one imaging run, or mend the frame column",
        )


def _require_as_many(onsets_s: Array, n_shown: int, log: Path, order: Path) -> None:
    if len(onsets_s) == n_shown:
        return
    gaps_s = np.diff(onsets_s)
    gaps = f", {gaps_s.min():.3g} to {gaps_s.max():.3g} s apart" if gaps_s.size else ""
    raise DataError(
        f"the photodiode in {log} lights up {len(onsets_s)} times{gaps}",
        expected=f"{n_shown}, the presentations in {order}",
        remedy="flicker within a stimulus needs a longer dark_s, stimuli close together a shorter one; or the log was "
        "started late or stopped early",
    )


def _require_imaged(onsets_s: Array, frames_s: Array, log: Path) -> None:
    outside = (onsets_s < frames_s[0]) | (onsets_s > frames_s[-1])
    if outside.any():
        raise DataError(
            f"{log}: {outside.sum()} of {len(onsets_s)} onsets are outside the imaging, the first at "
            f"{onsets_s[outside.argmax()]:.3f} s",
            expected=f"{frames_s[0]:.3f} to {frames_s[-1]:.3f} s",
            remedy="cut the log, and the order, to the imaging run",
        )
