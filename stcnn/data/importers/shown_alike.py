"""Presentations in which the same positions were shown, as repeats of one movie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LARGEST_LAG_S = 0.1
"""How much later, or earlier, than in the first the positions of a repeat may move after its start."""
LARGEST_END_S = 0.1
"""By how much the durations of repeats may differ."""


class Shown(NamedTuple):
    """Positions of a presentation, changes alone, from its onset."""

    time_s: NDArray[np.float64]
    """The first is 0."""
    position: NDArray[np.int64]
    """Frames along x and y ``(changes, 2)``."""
    duration_s: float


def changes_of(time_s: NDArray[np.float64], x: NDArray[np.int64], y: NDArray[np.int64], duration_s: float) -> Shown:
    """Return positions without those that stay.

    Args:
        time_s: from the onset, ascending; what is before 0 counts as then.
        x: frames along x.
        y: frames along y.
        duration_s: how long the presentation lasted.
    """
    position = np.stack([x, y], axis=1)
    kept = np.r_[True, (np.diff(position, axis=0) != 0).any(axis=1)]
    times = time_s[kept].copy()
    times[0] = 0.0
    return Shown(times, position[kept], duration_s)


def lag_s(first: Shown, other: Shown, alike_s: float) -> float | None:
    """Return by how much the positions of a repeat come later than those of the first; None where they are others."""
    end_s = min(first.duration_s, other.duration_s)
    n = min(len(first.time_s), len(other.time_s))
    if abs(first.duration_s - other.duration_s) > LARGEST_END_S or (first.position[:n] != other.position[:n]).any():
        return None
    if any(len(one.time_s) > n and one.time_s[n] < end_s - LARGEST_LAG_S for one in (first, other)):
        return None
    if n == 1:
        return 0.0
    later_s = other.time_s[1:n] - first.time_s[1:n]
    lag = float(np.median(later_s))
    return lag if abs(lag) <= LARGEST_LAG_S and np.abs(later_s - lag).max() <= alike_s + 1e-9 else None


class Group(NamedTuple):
    """Repeats of one movie."""

    members: tuple[int, ...]
    """Their places in the list of presentations."""
    lags_s: tuple[float, ...]
    """By how much each is later than the first."""
    shown: Shown
    """Positions of the first, for as long as the shortest lasts."""


def groups_of(shown: Sequence[Shown], alike_s: float) -> list[Group]:
    """Return presentations in groups of repeats, by their first.

    Args:
        shown: their positions, in the order of time.
        alike_s: by how much the times of changes may differ after the lag.
    """
    found: list[tuple[list[int], list[float]]] = []
    for place, one in enumerate(shown):
        for members, lags in found:
            lag = lag_s(shown[members[0]], one, alike_s)
            if lag is not None:
                members.append(place)
                lags.append(lag)
                break
        else:
            found.append(([place], [0.0]))
    return [
        Group(
            tuple(members),
            tuple(lags),
            shown[members[0]]._replace(duration_s=min(shown[place].duration_s for place in members)),
        )
        for members, lags in found
    ]
