"""Criteria of a design by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import ConfigError, nearest
from stcnn.experiments.design.gaussian import Array, Gaussian

Worth = Callable[[Gaussian, Array, Array], Array]


class Criterion(NamedTuple):
    """A criterion.

    Args:
        name: of it.
        worth: of stimuli.
        formula: as it stands in records.
        unit: of it.
        source: where it comes from.
    """

    name: str
    worth: Worth
    formula: str
    unit: str
    source: str


def worth_of(
    criterion: Criterion, known: Gaussian, groups: Sequence[tuple[NDArray[np.intp], Array]], predicted: Array
) -> Array:
    """Return what stimuli are worth, ``(S,)``, from groups of them (:func:`~..gaussian.by_rank`)."""
    worth = np.empty(sum(len(places) for places, _ in groups))
    for places, rows in groups:
        worth[places] = criterion.worth(known, rows, predicted)
    return worth


CRITERIA: dict[str, Criterion] = {}


def criterion(name: str, formula: str, unit: str, source: str) -> Callable[[Worth], Worth]:
    """Enter a function as a criterion; arguments as of :class:`Criterion`."""

    def entered(worth: Worth) -> Worth:
        CRITERIA[name] = Criterion(name, worth, formula, unit, source)
        return worth

    return entered


def known_criterion(name: str) -> Criterion:
    """Return a criterion by its name.

    Raises:
        ConfigError: there is none.
    """
    if name not in CRITERIA:
        raise ConfigError(f"there is no criterion '{name}' of a design", remedy=nearest(name, CRITERIA))
    return CRITERIA[name]
