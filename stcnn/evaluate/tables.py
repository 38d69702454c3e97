"""Tables of scores per cell type, stimulus family and neuron, with ceilings and confidence intervals.

Axes: R response (one neuron, one stimulus), U unit that is drawn anew, D bootstrap sample, H halving, L lag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stcnn.data.dataset import Dataset
from stcnn.data.splitting.units import known_family
from stcnn.errors import DataError
from stcnn.evaluate import scores as _scores  # noqa: F401 - adds all scores
from stcnn.evaluate.metric import METRICS
from stcnn.evaluate.predictions import Predictions
from stcnn.evaluate.responses import Response, response_table, responses
from stcnn.evaluate.sums import Drawn, Group, Level, ResponseSums
from stcnn.metrics.intervals import N_DRAWS, bootstrap_counts, interval
from stcnn.metrics.likelihoods import LIKELIHOODS, DevianceSums, Likelihood
from stcnn.metrics.moments import HalfMoments, Moments, Values
from stcnn.metrics.tuning import lagged_moments

LEVELS: dict[Level, tuple[str, ...]] = {
    "cell_type": ("cell_type",),
    "family": ("cell_type", "family"),
    "neuron": ("cell_type", "neuron"),
}
"""Columns by which the rows of a level are joined."""

CEILINGS = {
    "single_trial_ceiling": "single_trial_signal_share",
    "trial_mean_ceiling": "trial_mean_signal_share",
}
"""Largest correlation that any prediction can be expected to have: the root of the share of variance that is signal."""

LEAST_ANIMALS = 3
"""With fewer animals an interval across animals says nothing; that across neurons holds for these animals only."""
NAMES = ("cell_type", "family", "neuron")


@dataclass(frozen=True)
class Evaluation(ResponseSums):
    """Everything that scores need of predictions and recordings; build one with :meth:`of`."""

    @classmethod
    def of(
        cls,
        predictions: Predictions,
        dataset: Dataset,
        families: Mapping[str, Sequence[str]] | None = None,
        likelihood: Likelihood = LIKELIHOODS["squared"],
    ) -> Evaluation:
        """Set predictions beside the trials of a data set.

        Args:
            predictions: of recordings of the data set.
            dataset: averages of trials or single trials.
            families: name of a stimulus family to patterns of stimulus names, as in a split.
            likelihood: whose deviance is explained, as in training.

        Raises:
            DataError: there is nothing to score.
        """
        found = [response for response in responses(predictions, dataset) if len(response.time_s) > 1]
        if not found:
            raise DataError("no recording has samples that are scored", expected="at least one")
        table = response_table(found, dataset)
        names = {name: family_of(name, dataset, families or {}) for name in table.stimulus.unique()}
        return cls.of_responses(found, table.assign(family=table.stimulus.map(names)), likelihood)

    @classmethod
    def of_responses(
        cls, found: Sequence[Response], table: pd.DataFrame, likelihood: Likelihood = LIKELIHOODS["squared"]
    ) -> Evaluation:
        """Sum up responses that are described by a table, see :func:`stcnn.evaluate.responses.response_table`."""
        table = table.assign(
            n_kept=[len(response.trials) for response in found],
            n_repeats=[response.n_repeats for response in found],
            peak_dff=[peak(response, response.mean) for response in found],
            predicted_peak_dff=[peak(response, response.predicted) for response in found],
        )
        return cls(
            table,
            Moments.stacked([_trial_mean_moments(response) for response in found]),
            Moments.stacked([_single_trial_moments(response) for response in found]),
            HalfMoments.stacked([HalfMoments.of(response.trials) for response in found]),
            Moments.stacked([lagged_moments(r.time_s, r.predicted, r.mean) for r in found]),
            DevianceSums.stacked([_deviance_sums(likelihood, response) for response in found]),
            likelihood,
        )

    def groups(self, level: Level) -> Iterator[Group]:
        """The groups of a level, each with the units that are drawn anew for its intervals."""
        columns = LEVELS[level]
        for key, places in self.table.groupby(list(columns), sort=False).indices.items():
            names = dict(zip(columns, key if isinstance(key, tuple) else (key,), strict=True))
            rows = np.asarray(places, np.intp)
            mine = self.table.iloc[rows]
            unit = "animal" if mine.animal.nunique() >= LEAST_ANIMALS else "neuron"
            unit = "stimulus" if level == "neuron" else unit
            units = pd.factorize(mine[unit].to_numpy(object), sort=True)[0]  # animals alike in all cell types
            yield Group(level, {name: str(names.get(name, "")) for name in NAMES}, rows, unit, units)

    def scores(self, group: Group, counts: Values | None = None) -> dict[str, Values]:
        """Every score of :data:`~stcnn.evaluate.metric.METRICS`; the responses are joined end to end.

        Args:
            group: the responses and their units.
            counts: how often each unit is drawn, ``(D, U)``; None takes each once.

        Returns:
            Name to score ``(D,)``, NaN where it is not defined.
        """
        counts = np.ones((1, group.n_units)) if counts is None else counts
        drawn = Drawn(self, group, counts)
        return {name: metric.score(drawn) for name, metric in METRICS.items()}

    def scores_table(self, levels: Sequence[Level] = tuple(LEVELS), n_draws: int = N_DRAWS) -> pd.DataFrame:
        """Score every group of every level.

        Returns:
            One row per group: ``level``, ``cell_type``, ``family``, ``neuron``, ``n_animals``, ``n_neurons``,
            ``n_stimuli``, ``n_recordings``, ``n_repeated`` (of several trials), ``n_trials`` (mean), ``unit``
            and ``n_units`` of the interval; then each of :data:`~stcnn.evaluate.metric.METRICS` and :data:`CEILINGS`
            with ``_low`` and ``_high``. NaN is not available.
        """
        groups = (group for level in levels for group in self.groups(level))
        return pd.DataFrame(
            [{"level": g.level, **g.names, **self._counts(g), **self._with_intervals(g, n_draws)} for g in groups]
        )

    def _counts(self, group: Group) -> dict[str, object]:
        mine = self.table.iloc[group.rows]
        return {
            "n_animals": mine.animal.nunique(),
            "n_neurons": mine.neuron.nunique(),
            "n_stimuli": mine.stimulus.nunique(),
            "n_recordings": len(mine),
            "n_repeated": int((mine.n_repeats > 1).sum()),
            "n_trials": mine.n_trials.mean(),
            "unit": group.unit,
            "n_units": group.n_units,
        }

    def _with_intervals(self, group: Group, n_draws: int) -> dict[str, float]:
        found: dict[str, float] = {}
        score = self.scores(group)
        draws = self.scores(group, bootstrap_counts(group.n_units, n_draws))
        for name, metric in METRICS.items():
            ends = interval(float(score[name][0]), draws[name], group.n_units, metric.scale)
            found |= {name: float(score[name][0]), f"{name}_low": ends.low, f"{name}_high": ends.high}
        return found | ceilings(found)


def ceilings(scores: Mapping[str, float]) -> dict[str, float]:
    """The ceilings, with ``_low`` and ``_high``, that follow from scores with theirs; NaN where there is no signal."""
    found: dict[str, float] = {}
    for name, share in CEILINGS.items():
        found[name] = float(np.sqrt(scores[share])) if scores[share] > 0 else np.nan
        found |= {f"{name}_{end}": float(np.sqrt(np.maximum(0, scores[f"{share}_{end}"]))) for end in ("low", "high")}
    return found


def with_interval(row: pd.Series, score: str, digits: int = 3) -> str:
    """A score of a row for the terminal, such as ``0.612 [0.580, 0.641]``; a dash where it is not defined.

    Args:
        row: with ``score``, and its ``_low`` and ``_high``, which are NaN where it has no interval.
        score: name of the column.
        digits: behind the point, of the interval.
    """
    value, low, high = (float(row[name]) for name in (score, f"{score}_low", f"{score}_high"))
    if np.isnan(value):
        return "-"
    return f"{value:.3f}" if np.isnan(low) else f"{value:.3f} [{low:.{digits}f}, {high:.{digits}f}]"


def family_of(stimulus: str, dataset: Dataset, families: Mapping[str, Sequence[str]]) -> str:
    """Family of a stimulus: as in a split, or where none is known its name without a number at the end.

    A family here is a row of a table, where a guess from the name says more than a row for each stimulus; a split that
    holds families out does not guess.
    """
    stem = stimulus.rstrip("0123456789").rstrip("_- ")
    return known_family(stimulus, dataset, families) or stem or stimulus


def peak(response: Response, trace: Values) -> float:
    """Largest sample of a trace after stimulus onset, dF/F; of all where none is scored after it."""
    after = trace[response.time_s >= 0]
    return float((after if len(after) else trace).max())


def _trial_mean_moments(response: Response) -> Moments:
    if len(response.others):
        return Moments.of_one_trial(response.predicted, response.mean, response.others)
    trials = response.trials if len(response.trials) else response.mean[None]
    return Moments.of_trial_mean(response.predicted, trials)


def _deviance_sums(likelihood: Likelihood, response: Response) -> DevianceSums:
    if len(response.trials):
        return DevianceSums.of(likelihood, response.predicted, response.trials)
    return DevianceSums.nothing()


def _single_trial_moments(response: Response) -> Moments:
    if len(response.others):
        return _trial_mean_moments(response)
    if len(response.trials):
        return Moments.of_single_trials(response.predicted, response.trials)
    return Moments(*np.zeros(8))
