"""Sums over responses, and the same with animals, neurons or stimuli drawn anew: what every score is made of.

Axes: R response (one neuron, one stimulus), U unit that is drawn anew, D bootstrap sample, H halving, L lag.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.metrics.likelihoods import DevianceSums, Likelihood
from stcnn.metrics.moments import Additive, HalfMoments, Moments, Values

Level = Literal["cell_type", "family", "neuron"]
Sums = TypeVar("Sums", bound=Additive)


@dataclass(frozen=True)
class Group:
    """The responses of a row of a table, and what is drawn anew for its intervals.

    Args:
        level: level of the table.
        names: ``cell_type``, ``family`` and ``neuron``, empty where the row is not about one.
        rows: the responses, ``(R,)``.
        unit: ``animal``, ``neuron`` or ``stimulus``.
        units: number of the unit of each response, ``(R,)``.
    """

    level: Level
    names: Mapping[str, str]
    rows: NDArray[np.intp]
    unit: str
    units: NDArray[np.intp]

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.units.max()) + 1

    @property
    def member(self) -> Values:
        """Which responses belong to each unit, ``(U, R)``."""
        return np.asarray(np.eye(self.n_units)[self.units].T)


@dataclass(frozen=True)
class ResponseSums:
    """Sums that scores need of predictions and recordings.

    Args:
        table: one row per response: ``cell_type``, ``neuron``, ``animal``, ``stimulus``, ``family``, ``n_trials``,
            ``n_kept`` (trials that are there one by one), ``n_repeats`` (those, and trials at times of their own, which
            are responses too), ``peak_dff`` and ``predicted_peak_dff``.
        trial_mean: sums against the mean of the trials, ``(R,)``.
        single_trials: sums against each trial, ``(R,)``; zero where only the mean was kept.
        halves: sums of halves of the trials, ``(R, H)``.
        lagged: sums against the mean of the trials with the prediction moved in time, ``(R, L)``.
        deviance: sums of the deviance from each trial, ``(R,)``; zero where only the mean was kept.
        likelihood: whose deviance that is.
    """

    table: pd.DataFrame
    trial_mean: Moments
    single_trials: Moments
    halves: HalfMoments
    lagged: Moments
    deviance: DevianceSums
    likelihood: Likelihood


@dataclass(frozen=True)
class Drawn:
    """Responses of a group, whose units are drawn anew; with the sums of each draw all its responses are joined.

    Args:
        responses: all responses.
        group: those that are scored together.
        counts: how often each unit is drawn, ``(D, U)``.
    """

    responses: ResponseSums
    group: Group
    counts: Values

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows of the responses, as of :class:`ResponseSums`."""
        return self.responses.table.iloc[self.group.rows]

    @cached_property
    def single_trials(self) -> Moments:
        """Sums against each trial, ``(D,)``."""
        return self.sums(self.responses.single_trials, self.n_kept > 0)

    @cached_property
    def repeated_single_trials(self) -> Moments:
        """Sums against each trial of the responses with repeats, whose noise is known, ``(D,)``."""
        return self.sums(self.responses.single_trials, self.n_repeats > 1)

    @cached_property
    def trial_mean(self) -> Moments:
        """Sums against the mean of several trials, ``(D,)``."""
        return self.sums(self.responses.trial_mean, self.n_trials > 1)

    @cached_property
    def repeated_trial_mean(self) -> Moments:
        """The same for responses whose trials are there one by one, so that their noise is known, ``(D,)``."""
        return self.sums(self.responses.trial_mean, self.n_kept > 1)

    @cached_property
    def repeated(self) -> Moments:
        """The same, with the single trials whose noise other trials at times of their own tell, ``(D,)``."""
        return self.sums(self.responses.trial_mean, self.n_repeats > 1)

    @property
    def n_kept(self) -> NDArray[np.int_]:
        """How many trials of each response are there one by one, ``(R,)``."""
        return self.table.n_kept.to_numpy()

    @property
    def n_repeats(self) -> NDArray[np.int_]:
        """How many trials tell the noise of each response, ``(R,)``."""
        return self.table.n_repeats.to_numpy()

    @property
    def n_trials(self) -> NDArray[np.int_]:
        """How many trials of each response there were, ``(R,)``."""
        return self.table.n_trials.to_numpy()

    def sums(self, sums: Sums, which: NDArray[np.bool_]) -> Sums:
        """Sums over some responses of the group, ``(D, ...)``; over each unit first, which is fewer products.

        Args:
            sums: of all responses, not of the group alone.
            which: responses of the group, ``(R,)``.
        """
        of_units = sums.take(self.group.rows[which]).weighted(self.group.member[:, which])
        return of_units.weighted(self.counts)

    def mean_of(self, values: Values) -> Values:
        """Mean over the responses of a number that each of them has, ``(D,)``; NaN is left out.

        Args:
            values: ``(R,)`` in the order of :attr:`table`.
        """
        known = np.isfinite(values)
        total = self.counts @ (self.group.member @ np.where(known, values, 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / (self.counts @ (self.group.member @ known)))
