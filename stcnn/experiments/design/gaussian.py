"""What is known of unknown numbers, as a Gaussian, and what stimuli would add.

In units of the noise, a stimulus of rows ``X`` brings ``y = X w + e`` with ``e ~ N(0, I)``; before it, ``w ~ N(0, C)``,
after it ``C' = C - C X^T (I + X C X^T)^-1 X C`` (Woodbury). Several units (cell types, neurons) are independent of each
other.

Axes: S stimulus, U unit, R row, P unknown number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ROUNDING = 1e-10
"""Share of the largest singular value below which rows are nothing."""


def compressed(matrices: Sequence[Array]) -> Array:
    """Bring matrices ``(K, P)`` to as few rows as tell the same, ``(S, R, P)``: ``R^T R`` stays ``X^T X``.

    Rows of zeros fill those of stimuli that tell less.
    """
    found = []
    for matrix in matrices:
        _, strength, directions = np.linalg.svd(matrix, full_matrices=False)
        kept = strength > ROUNDING * max(strength.max(initial=0), 1e-300)
        found.append(strength[kept, None] * directions[kept])
    most = max(1, *map(len, found))
    return np.stack([np.pad(rows, ((0, most - len(rows)), (0, 0))) for rows in found])


def by_rank(rows: Array) -> list[tuple[NDArray[np.intp], Array]]:
    """Divide stimuli ``(S, U, R, P)`` into groups of like numbers of rows, without the zeros that fill the others.

    Returns:
        Places of the stimuli of a group, and their rows: few long stimuli do not make all the short ones slow.
    """
    filled = np.abs(rows).max((1, 3)) > 0
    rank = np.maximum(rows.shape[2] - np.argmax(filled[:, ::-1], axis=1), 1) * filled.any(1)
    size = np.ceil(np.log2(np.maximum(rank, 1))).astype(int)
    groups = []
    for each in np.unique(size):
        places = np.flatnonzero(size == each)
        groups.append((places, rows[places, :, : max(1, int(rank[places].max()))]))
    return groups


class Gaussian:
    """Knowledge of the unknown numbers of some units.

    Args:
        precision: what is known beforehand, ``(U, P, P)``: that of the prior and of what was recorded.
    """

    def __init__(self, precision: Array) -> None:
        self.covariance = np.linalg.inv(precision)

    @classmethod
    def prior(cls, n_units: int, n_unknown: int) -> Gaussian:
        """Knowledge before anything was recorded: independent numbers of variance one."""
        return cls(np.broadcast_to(np.eye(n_unknown), (n_units, n_unknown, n_unknown)))

    def learn(self, rows: Array) -> None:
        """Take in a stimulus, ``(U, R, P)``."""
        seen = rows @ self.covariance
        inner = np.eye(rows.shape[1]) + seen @ rows.swapaxes(1, 2)
        self.covariance = self.covariance - seen.swapaxes(1, 2) @ np.linalg.solve(inner, seen)

    def seen(self, rows: Array) -> tuple[Array, Array]:
        """Return ``X C`` and ``I + X C X^T`` of stimuli ``(S, U, R, P)``."""
        seen = rows @ self.covariance
        return seen, np.eye(rows.shape[2]) + seen @ rows.swapaxes(2, 3)
