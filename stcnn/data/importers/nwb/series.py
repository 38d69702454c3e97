"""Time series of NWB files: their clock, and values as the schema has them, ``data * conversion + offset``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.data.importers.nwb.tree import Node, child, factor, numbers, place_of, require_numbers, text
from stcnn.data.importers.sample_times import require_length, sample_times
from stcnn.errors import DataError, RateError
from stcnn.reading import require_room

COLUMNS_BYTES = 16 * 2**20
"""Columns of a series that are read together, in the type they are stored in."""
BLOCKS = 4
"""So many blocks of columns stay in memory: neurons are asked for in the order of their names, 1, 10, 100, 101."""


def times_of(series: Node, n_samples: int) -> NDArray[np.float64]:
    """Time stamps of a series, ``(T,)``.

    Raises:
        DataError: it has neither time stamps nor a start and a rate, or not one for each sample, or too many samples.
        RateError: they are not finite, or do not ascend.
    """
    where = f"series '{place_of(series)}'"
    require_length(n_samples, where)
    stamps = child(series, "timestamps")
    if stamps is not None:
        found = numbers(stamps, f"timestamps of {where}", ndim=1).astype(np.float64)
        if len(found) != n_samples:
            raise DataError(f"{where} has {n_samples} samples and {len(found)} timestamps", expected="as many of both")
        require_clock(found, where)
        return found
    start = child(series, "starting_time")
    if start is not None and (rate_hz := factor(start, "rate", 0)) > 0:
        start_s = float(numbers(start, f"starting_time of {where}").ravel()[0])
        if not np.isfinite(start_s):
            raise RateError(f"{where} starts at {start_s} s", expected="a time")
        return sample_times(start_s, n_samples, rate_hz, where)
    raise DataError(f"{where} has no timestamps and no rate", expected="one of the two")


def require_clock(times_s: NDArray[np.float64], where: str) -> None:
    """Refuse times that are not finite or do not ascend.

    Raises:
        RateError: there is one.
    """
    if not np.isfinite(times_s).all():
        raise RateError(f"{where} has no time for sample {int((~np.isfinite(times_s)).argmax())}")
    steps = np.diff(times_s)
    if len(steps) and steps.min() <= 0:
        sample = int((steps <= 0).argmax())
        raise RateError(
            f"{where} has a clock that {'runs back' if steps[sample] < 0 else 'stands'} after sample {sample} "
            f"({times_s[sample]:.6g} s, then {times_s[sample + 1]:.6g} s)",
            expected="ascending time stamps",
        )


def scaling_of(series: Node, column: int | None = None) -> tuple[float, float]:
    """Factor of a series' values, and what is added then, to bring them to their unit.

    Args:
        series: with ``conversion`` and ``offset`` beside its data, and ``channel_conversion`` where channels differ.
        column: the channel.

    Raises:
        DataError: one is no finite number.
    """
    data = child(series, "data")
    conversion = factor(data, "conversion", 1.0)
    offset = factor(data, "offset", 0.0)
    each = child(series, "channel_conversion")
    if each is not None and column is not None:
        values = numbers(each, f"channel_conversion of series '{place_of(series)}'", ndim=1)
        if column >= len(values):
            raise DataError(
                f"series '{place_of(series)}' has channel_conversion for {len(values)} channels, not for {column}",
                expected="one for each column of its data",
            )
        if not np.isfinite(values[column]):
            raise DataError(
                f"channel_conversion of series '{place_of(series)}' is {values[column]} for channel {column}",
                expected="a number",
            )
        conversion *= float(values[column])
    return conversion, offset


class Columns:
    """Columns of one series that were read together, as they are stored; the last few blocks of them stay in memory.

    A row of an array ``(T, channels)`` lies in one piece of the file: to read one column is to pass over all of it.
    """

    def __init__(self) -> None:
        self.blocks: dict[int, NDArray] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: what was read is not handed to other processes."""
        return {"blocks": {}}

    def column(self, data: Node, column: int) -> NDArray:
        """One column, ``(T,)``, read with those around it, as far as :data:`COLUMNS_BYTES` go."""
        width = max(1, COLUMNS_BYTES // max(1, data.shape[0] * data.dtype.itemsize))
        block = column // width
        if block not in self.blocks and len(self.blocks) >= BLOCKS:
            self.blocks.pop(next(iter(self.blocks)))
        values = self.blocks.pop(block) if block in self.blocks else None
        if values is None:
            values = np.asarray(data[:, block * width : (block + 1) * width])
        self.blocks[block] = values  # the last to be dropped
        return values[:, column - block * width]


def column_of(series: Node, column: int, by_neuron: bool, read: Columns | None = None) -> NDArray[np.float64]:
    """Values of one channel in their unit, ``(T,)``.

    Args:
        series: with data ``(T,)``, ``(T, channels)``, or ``(channels, T)`` if ``by_neuron``.
        column: the channel.
        by_neuron: whether channels come first.
        read: what was read of this series before.
    """
    data = child(series, "data")
    where = f"series '{place_of(series)}'"
    require_numbers(data, where)
    n_samples = data.shape[-1] if by_neuron else data.shape[0]
    require_room(8 * n_samples, where)
    if len(data.shape) == 1:
        values = data[:]
    else:
        values = data[column] if by_neuron else (read or Columns()).column(data, column)
    conversion, offset = scaling_of(series, column)
    return np.asarray(values, np.float64) * conversion + offset


def note_of(series: Node) -> dict[str, Any]:
    """Facts that our own exporter wrote of a series beyond the schema; empty for anybody else's."""
    comments = text(series, "comments")
    if not comments.startswith("{"):
        return {}
    try:
        note = json.loads(comments)
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) and ("rate_hz" in note or "exposure_s" in note) else {}
