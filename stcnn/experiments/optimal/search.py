"""Search for the best stimuli of a family: a start that is spread evenly, then differential evolution from its best.

All goals share the start, so that each of its stimuli is drawn and answered once (a scrambled Sobol sequence, Owen
1998, doi 10.1006/jcom.1998.0487). From the best of them the population of the first goal evolves (Storn & Price 1997,
doi 10.1023/A:1008202821328, as scipy has it), that of the next one from the best of all that was answered by then. Both
run on a coarser screen (:func:`coarse_screen`); the best that were seen are then answered as the models are otherwise
asked, and the best of these is taken.

Axes: B stimulus, P parameter, in the unit cube of a family.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import differential_evolution
from scipy.stats import qmc
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.experiments.asked_models import AskedModels
from stcnn.experiments.optimal.answers import Answers, Presenter
from stcnn.experiments.optimal.criteria import Goal, Sought
from stcnn.experiments.optimal.family import Family
from stcnn.movie import Movie
from stcnn.stimuli import Screen, render
from stcnn.validation import Config

SEARCH_HZ = 60.0
"""Most frames per second of the search: three times quicker than those of the published models."""
SEARCH_PX_DEG = 2.5
"""Largest pixels of the search: half the angle of 5 degrees that a column of the eye accepts."""
CLOCK_HZ = 10.0
CLOCK_PX = 8
"""Frames per second, and pixels along the longer side, with which the duration of a stimulus is found."""
LEAST = 5
"""Stimuli without which no population evolves."""
N_FINALISTS = 16
"""Stimuli of each goal that are answered on the screen of the models."""

Place = NDArray[np.float64]


class Effort(Config):
    """How long is searched.

    Args:
        start: stimuli that all goals share; a power of two keeps the sequence balanced.
        population: of each goal.
        generations: in which it evolves.
        longest_s: stimuli that last longer are passed over.
    """

    start: int = Field(default=1024, ge=8, le=2**16)
    population: int = Field(default=48, ge=5, le=1000)
    generations: int = Field(default=16, ge=1, le=10000)
    longest_s: float = Field(default=4.0, gt=0, le=60)


@dataclass(frozen=True)
class Found:
    """The best stimulus for a goal.

    Args:
        goal: what was looked for.
        parameters: of the stimulus, ``{kind: ..., argument: value, ...}``; empty for a free movie.
        movie: of it, at the rate of the models.
        value: of the criterion, as the models predict it.
        answers: of the models.
        scale: on which the criterion measures each cell type, dF/F, ``(N,)``.
        n_asked: stimuli that were answered, for all goals together.
    """

    goal: Goal
    parameters: dict[str, Any]
    movie: Movie
    value: float
    answers: Answers
    scale: tuple[float, ...]
    n_asked: int


class Tried(NamedTuple):
    """A stimulus of the search, and its answers on the coarse screen."""

    place: Place
    answers: Answers


class Search:
    """Search in one family.

    Args:
        asked: the models.
        family: where to search; its bounds are brought inside what the screen can show.
        effort: how long.
        at: azimuth and elevation of the neurons' place in degrees; None is the middle.
        screen: on which stimuli are drawn; None is that of the models.
    """

    def __init__(
        self,
        asked: AskedModels,
        family: Family,
        effort: Effort | None = None,
        at: tuple[float, float] | None = None,
        screen: Screen | None = None,
    ) -> None:
        self.effort = effort or Effort()
        self.final = Presenter(asked, screen or asked.screen, at)
        screen = self.final.screen
        self.family = family.within(screen)
        coarse = coarse_screen(screen)
        self.coarse = self.final if coarse == screen else Presenter(asked, coarse, at)

    def found(self, goals: Sequence[Goal], seed: int = 0, tell: Callable[[str], None] = lambda _: None) -> list[Found]:
        """Search for all goals.

        Args:
            goals: what is looked for.
            seed: of the start and of every evolution.
            tell: is told how far the search came.

        Raises:
            ConfigError: no stimulus of the family is short enough.
        """
        places = qmc.Sobol(len(self.family.search), seed=seed).random(self.effort.start)
        pool = [Tried(places[i], one) for i, one in zip(*self._answers(places), strict=True)]
        if len(pool) < LEAST:
            raise ConfigError(
                f"{len(pool)} of {len(places)} stimuli of the family '{self.family.name}' last at most "
                f"{self.effort.longest_s:g} s",
                remedy="allow longer ones, or narrow the bounds of the family",
            )
        scale = _scale([one.answers for one in pool])
        tell(f"{self.family.name}: {len(pool)} stimuli answered")
        judges = [self._judge(wanted, scale) for wanted in goals]
        for number, judge in enumerate(judges):
            self._evolve(judge, pool, np.random.default_rng([seed, number]))
            tell(f"{goals[number].name}: {len(pool)} stimuli answered")
        # what the search for one goal came upon may be the best for another, so finalists are chosen in the end
        each = [self._finalist(wanted, judge, pool, scale) for wanted, judge in zip(goals, judges, strict=True)]
        for one in each:
            tell(f"{one.goal.name}: {one.goal.criterion.in_words(one.value)}")
        return each

    def scale(self, n: int, seed: int = 0) -> Tensor:
        """Return the strongest answer of each cell type among so many stimuli of the family, dF/F, ``(N,)``.

        Raises:
            ConfigError: none of them is short enough.
        """
        _, answers = self._answers(qmc.Sobol(len(self.family.search), seed=seed).random(n))
        if not answers:
            found = f"no stimulus of the family '{self.family.name}' lasts at most {self.effort.longest_s:g} s"
            raise ConfigError(found, remedy="allow longer ones, or name another family")
        return _scale(answers)

    def _judge(self, wanted: Goal, scale: Tensor) -> Callable[[Answers], Tensor]:
        """The criterion of a goal as a function of answers alone."""
        first = self.final.cell_types.index(wanted.cell_type)
        other = self.final.cell_types.index(wanted.against or wanted.cell_type)
        sought = Sought(first, other, scale)
        return lambda answers: wanted.criterion.judge(answers, sought)

    def _evolve(self, judge: Callable[[Answers], Tensor], pool: list[Tried], rng: np.random.Generator) -> None:
        """Let the best of the pool evolve; all that is answered on the way joins the pool."""

        def cost(columns: Place) -> Place:
            rows = np.atleast_2d(columns.T)
            worth = np.full(len(rows), -np.inf)
            for number, one in zip(*self._answers(rows), strict=True):
                worth[number] = float(judge(one))
                pool.append(Tried(rows[number].copy(), one))
            return -worth

        first = np.stack([one.place for one in _best(judge, pool, self.effort.population)])
        differential_evolution(
            cost,
            [(0.0, 1.0)] * first.shape[1],
            **{"init": first, "maxiter": self.effort.generations, "polish": False, "tol": 0, "rng": rng},
            **{"updating": "deferred", "vectorized": True},
        )

    def _finalist(self, wanted: Goal, judge: Callable[[Answers], Tensor], pool: list[Tried], scale: Tensor) -> Found:
        """The best stimulus of the pool on the screen of the models, among the best on the coarse one."""
        parameters = [self.family.parameters(one.place) for one in _best(judge, pool, N_FINALISTS)]
        movies = [render(self.final.screen, one) for one in parameters]
        answers = self.final.answers(movies)
        worth = [float(judge(one)) for one in answers]
        first = int(np.argmax(worth))
        scales = tuple(scale.tolist())
        return Found(wanted, parameters[first], movies[first], worth[first], answers[first], scales, len(pool))

    def _answers(self, places: Place) -> tuple[list[int], list[Answers]]:
        """Which stimuli are short enough, and the answers to these."""
        usable = []
        movies = []
        for number, place in enumerate(places):
            parameters = self.family.parameters(place)
            if self._duration_s(parameters) <= self.effort.longest_s:
                usable.append(number)
                movies.append(render(self.coarse.screen, parameters))
        return usable, self.coarse.answers(movies)

    def _duration_s(self, parameters: dict[str, Any]) -> float:
        """Duration of a stimulus, to a frame of :data:`CLOCK_HZ`."""
        screen = self.coarse.screen
        factor = max(1.0, max(screen.shape_px) / CLOCK_PX)
        return render(_coarser(screen, factor, CLOCK_HZ), parameters).duration_s


def _scale(answers: Sequence[Answers]) -> Tensor:
    return torch.cat([one.peak() for one in answers]).amax(0).clamp(min=1e-6)


def _best(judge: Callable[[Answers], Tensor], pool: Sequence[Tried], number: int) -> list[Tried]:
    """The best of what was answered, no stimulus twice."""
    distinct = {one.place.tobytes(): one for one in pool}
    return sorted(distinct.values(), key=lambda one: -float(judge(one.answers)))[:number]


def coarse_screen(screen: Screen) -> Screen:
    """Return the screen of the search: the same field, in pixels twice as large as long as columns hardly see it."""
    factor = 1
    while screen.deg_per_px * factor * 2 <= SEARCH_PX_DEG:
        factor *= 2
    return _coarser(screen, factor, SEARCH_HZ)


def _coarser(screen: Screen, factor: float, most_hz: float) -> Screen:
    rows, columns = (math.ceil(n / factor) for n in screen.shape_px)
    rate_hz = min(screen.rate_hz, most_hz)
    coarser = {"shape_px": (rows, columns), "deg_per_px": screen.deg_per_px * factor, "rate_hz": rate_hz}
    return Screen(background=screen.background, **coarser)
