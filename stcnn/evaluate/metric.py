"""The seam of the scores: a name, the scale of its interval, and how it is made of the responses of a group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stcnn.evaluate.sums import Drawn
from stcnn.metrics.intervals import Scale
from stcnn.metrics.moments import Values

Score = Callable[[Drawn], Values]
"""The score of each draw, ``(D,)``; NaN where it is not defined."""


@dataclass(frozen=True)
class Metric:
    """A column of every table of scores, with ``_low`` and ``_high``; docs/scores.md says what each means.

    Args:
        name: of the column, with its unit.
        scale: on which its interval is made, see :mod:`stcnn.metrics.intervals`.
        score: makes it.
    """

    name: str
    scale: Scale
    score: Score


METRICS: dict[str, Metric] = {}
"""Scores by their names, in the order of the columns; :mod:`stcnn.evaluate.scores` imports all of them."""


def metric(name: str, scale: Scale) -> Callable[[Score], Score]:
    """Make a function a score of every table; arguments as of :class:`Metric`."""

    def register(score: Score) -> Score:
        METRICS[name] = Metric(name, scale, score)
        return score

    return register
