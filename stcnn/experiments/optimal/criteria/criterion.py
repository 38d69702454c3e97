"""Criteria by name, and goals: a criterion and the cell types it is about.

Axes: B stimulus, N cell type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from stcnn.errors import ConfigError, nearest
from stcnn.experiments.asked_models import AskedModels
from stcnn.experiments.optimal.answers import Answers


class Sought(NamedTuple):
    """What a criterion is asked about.

    Args:
        cell_type: place of the cell type among those of the answers.
        against: place of the other cell type; the same where there is none.
        scale: the strongest rise of each cell type among the stimuli that a search starts with, dF/F, ``(N,)``.
    """

    cell_type: int
    against: int
    scale: Tensor


Judge = Callable[[Answers, Sought], Tensor]


class Criterion(NamedTuple):
    """A criterion.

    Args:
        name: of it.
        judge: the function.
        formula: as it stands in records and figures.
        unit: of its values.
        source: where it comes from.
        against: whether it is about two cell types.
        least_models: how many models it needs.
    """

    name: str
    judge: Judge
    formula: str
    unit: str
    source: str
    against: bool
    least_models: int

    def in_words(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:.3g}" if self.unit == "1" else f"{value:.3g} {self.unit}"


CRITERIA: dict[str, Criterion] = {}


def criterion(
    name: str, formula: str, source: str, *, unit: str, against: bool = False, least_models: int = 1
) -> Callable[[Judge], Judge]:
    """Enter a function as a criterion; arguments as of :class:`Criterion`."""

    def entered(judge: Judge) -> Judge:
        CRITERIA[name] = Criterion(name, judge, formula, unit, source, against, least_models)
        return judge

    return entered


class Goal(NamedTuple):
    """A stimulus that is looked for.

    Args:
        criterion: by which.
        cell_type: for which cell type.
        against: the other cell type; None where the criterion is about one.
    """

    criterion: Criterion
    cell_type: str
    against: str | None = None

    @property
    def name(self) -> str:
        """Name of the stimulus: criterion and cell types."""
        return "_".join(filter(None, (self.criterion.name, self.cell_type, self.against)))


def goal(asked: AskedModels, criterion: str, cell_type: str, against: str | None = None) -> Goal:
    """Return a goal, judged.

    Raises:
        ConfigError: a name is unknown, a cell type is missing or is one too many, or there are too few models.
    """
    if criterion not in CRITERIA:
        raise ConfigError(f"there is no criterion '{criterion}'", remedy=nearest(criterion, CRITERIA))
    known = CRITERIA[criterion]
    if len(asked.models) < known.least_models:
        found = f"the criterion '{criterion}' compares models, and {asked.names[0]} is one model alone"
        remedy = "give an ensemble (train with n_models=5), or several runs"
        raise ConfigError(found, expected=f"at least {known.least_models} models", remedy=remedy)
    if known.against != (against is not None):
        found = f"the criterion '{criterion}' is given {'one cell type' if known.against else 'a second cell type'}"
        remedy = "name the other with --against" if known.against else "leave --against out"
        raise ConfigError(found, expected="two" if known.against else "one", remedy=remedy)
    first = asked.cell_type(cell_type)
    second = None if against is None else asked.cell_type(against)
    if first == second:
        raise ConfigError(f"'{first}' is to be told from itself", remedy="name two cell types")
    return Goal(known, first, second)
