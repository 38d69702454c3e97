"""Findings of physiology: curves over a parameter of a stimulus, maps over two, and numbers that sum them up.

Axes: M member of an ensemble, N cell type, V value of a parameter, W value of a second one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stcnn.metrics import half_of_mean

Values = NDArray[np.float64]
PEAK = "peak dF/F above grey"
"""Response unless a curve says otherwise: the largest dF/F less that in grey."""


@dataclass(frozen=True)
class Axis:
    """Values of a parameter that was varied.

    Args:
        name: of the parameter, its unit at the end (``side_deg``); a column of the table.
        title: what it is, in words, without the unit.
        unit: as it is printed; empty for a ratio.
        values: ``(V,)``.
        log: whether steps are factors.
    """

    name: str
    title: str
    unit: str
    values: Values
    log: bool = False

    @property
    def label(self) -> str:
        """Title with unit, for a figure."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


@dataclass(frozen=True)
class Curve:
    """Responses along one parameter.

    Args:
        series: which of several curves of one figure; empty for a single one.
        axis: what was varied.
        values: responses, ``(M, N, V)``.
        response: what of the answer is drawn, with its unit.
        stimuli: kind and arguments of each stimulus, by which a recording of the same is found.
    """

    series: str
    axis: Axis
    values: Values
    response: str = PEAK
    stimuli: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Map:
    """Responses by two parameters.

    Args:
        series: which of several maps.
        across: horizontal axis, W values.
        up: vertical axis, V values from bottom to top.
        values: responses, ``(M, N, V, W)``; NaN where there is no stimulus.
        response: what of the answer is drawn, with its unit.
        stimuli: kind and arguments of each stimulus, V times W, or none.
        signed: whether zero is the middle of the scale.
        outline: cells to be outlined, bool ``(N, V, W)``, or None.
    """

    series: str
    across: Axis
    up: Axis
    values: Values
    response: str = PEAK
    stimuli: Sequence[Sequence[Mapping[str, Any] | None]] = ()
    signed: bool = False
    outline: NDArray[np.bool_] | None = None


class Answered(Protocol):
    """Answers to a stimulus, as :class:`stcnn.experiments.physiology.subject.Answer`."""

    @property
    def time_s(self) -> Values:
        """Of each frame, zero at stimulus onset, ``(T,)``."""

    @property
    def dff(self) -> Values:
        """dF/F, ``(M, N, T)``."""


@dataclass(frozen=True)
class TraceGrid:
    """Answers to stimuli that are laid out in rows and columns.

    Args:
        title: what they are.
        rows: label of each row; the first is drawn lowest.
        columns: label of each column.
        answers: of each row and column; None where nothing was shown.
        stimuli: kind and arguments of each.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    answers: Sequence[Sequence[Answered | None]]
    stimuli: Sequence[Sequence[Mapping[str, Any] | None]]


@dataclass(frozen=True)
class Number:
    """A number that sums up a cell type.

    Args:
        name: column-like, its unit at the end (``preferred_side_deg``).
        title: in words.
        unit: as it is printed; empty for a ratio or an index.
        values: ``(M, N)``; NaN where it is not defined.
        circular: whether it is an angle, of which 0 and 360 degrees are one.
        ends: first and last value that was shown, of a preferred value, which may lie beyond them; or None.
    """

    name: str
    title: str
    unit: str
    values: Values
    circular: bool = False
    ends: tuple[float, float] | None = None

    @classmethod
    def preferred(cls, name: str, title: str, axis: Axis, values: Values) -> Number:
        """Return a preferred value on an axis."""
        shown = axis.values
        ends = (float(shown[0]), float(shown[-1])) if len(shown) else None
        return cls(name, title, axis.unit, values, ends=ends)

    @property
    def mean(self) -> Values:
        """Mean over members, ``(N,)``; of angles that of their directions, 0..360; NaN where a member has none."""
        if not self.circular:
            return np.asarray(self.values.mean(0))
        return np.asarray(np.degrees(np.angle(np.exp(1j * np.radians(self.values)).mean(0))) % 360)

    @property
    def half_width(self) -> Values:
        """Half the 95 % interval of the mean over members by Student's t, ``(N,)``; NaN for a single member."""
        if len(self.values) < 2:
            return np.full(self.values.shape[1], np.nan)
        away = self.values - self.mean
        return half_of_mean((away + 180) % 360 - 180 if self.circular else away)


@dataclass(frozen=True)
class Result:
    """Findings of one analysis.

    Args:
        analysis: its name.
        curves: along one parameter.
        maps: by two.
        numbers: that sum them up.
        traces: whole answers.
        left_out: what could not be shown, and why, in sentences.
        notes: what was chosen for each cell type, in sentences.
    """

    analysis: str
    curves: Sequence[Curve] = ()
    maps: Sequence[Map] = ()
    numbers: Sequence[Number] = ()
    traces: Sequence[TraceGrid] = ()
    left_out: Sequence[str] = field(default=())
    notes: Sequence[str] = ()


def mean_and_half_width(values: Values) -> tuple[Values, Values]:
    """Return the mean over members of ``(M, ...)`` and half its 95 % interval (Student's t; NaN for a single one)."""
    half = half_of_mean(values) if len(values) > 1 else np.full(values.shape[1:], np.nan)
    return values.mean(0), half
