"""Tables of scores per cell type, stimulus family and neuron, with ceilings and confidence intervals.

Axes: R response (one neuron, one stimulus), D bootstrap sample, L lag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.data.dataset import Dataset
from stcnn.errors import DataError
from stcnn.evaluate.predictions import Predictions
from stcnn.evaluate.responses import Response, response_table, responses
from stcnn.metrics.intervals import N_DRAWS, Scale, bootstrap_weights, interval
from stcnn.metrics.moments import HalfMoments, Moments, Values
from stcnn.metrics.tuning import LAGS_S, cross_covariance, latency_error_s, tuning_similarity

Level = Literal["cell_type", "family", "neuron"]
LEVELS: dict[Level, tuple[str, ...]] = {
    "cell_type": ("cell_type",),
    "family": ("cell_type", "family"),
    "neuron": ("cell_type", "neuron"),
}
"""What the rows of a level are joined by."""

SCORES: dict[str, Scale] = {
    "single_trial_correlation": "fisher",
    "single_trial_ceiling": "fisher",
    "single_trial_mse_dff2": "log",
    "trial_mean_correlation": "fisher",
    "trial_mean_ceiling": "fisher",
    "trial_mean_mse_dff2": "log",
    "normalised_correlation": "plain",
    "feve": "plain",
    "signal_share": "fisher",
    "split_half_reliability": "fisher",
    "tuning_similarity": "fisher",
    "latency_error_s": "plain",
    "neuron_correlation": "fisher",
}
"""Scores of a table, each with ``_low`` and ``_high``, and the scale of their interval; docs/scores.md says what they
mean. ``neuron_correlation`` is the mean over neurons of ``trial_mean_correlation``."""

LEAST_ANIMALS = 3
"""With fewer animals an interval across animals says nothing; that across neurons holds for these animals only."""


class Groups(NamedTuple):
    """The rows of one group and what is drawn again for its interval."""

    key: tuple[str, ...]
    rows: NDArray[np.intp]
    unit: str
    units: NDArray[np.intp]


@dataclass(frozen=True)
class Evaluation:
    """Everything that scores need of predictions and recordings; build one with :meth:`of`.

    Args:
        table: one row per response: ``cell_type``, ``neuron``, ``animal``, ``stimulus``, ``family``, ``n_trials``,
            ``n_kept`` (trials that are there one by one), ``peak_dff`` and ``predicted_peak_dff``.
        trial_mean: sums against the mean of the trials, ``(R,)``.
        single_trials: sums against each trial, ``(R,)``; zero where only the mean was kept.
        halves: sums of halves of the trials, ``(R, H)``.
        covariance: cross-covariance of prediction and mean, ``(R, L)``.
    """

    table: pd.DataFrame
    trial_mean: Moments
    single_trials: Moments
    halves: HalfMoments
    covariance: Values

    @classmethod
    def of(
        cls, predictions: Predictions, dataset: Dataset, families: Mapping[str, Sequence[str]] | None = None
    ) -> Evaluation:
        """Set predictions beside the trials of a data set.

        Args:
            predictions: of recordings of the data set.
            dataset: averages of trials or single trials.
            families: name of a stimulus family to patterns of stimulus names, as in a split.

        Raises:
            DataError: there is nothing to score.
        """
        found = [response for response in responses(predictions, dataset) if len(response.time_s) > 1]
        if not found:
            raise DataError("no recording has samples that are scored", expected="at least one")
        table = response_table(found, dataset)
        names = {name: family_of(name, dataset, families or {}) for name in table.stimulus.unique()}
        return cls.of_responses(found, table.assign(family=table.stimulus.map(names)))

    @classmethod
    def of_responses(cls, found: Sequence[Response], table: pd.DataFrame) -> Evaluation:
        """Sum up responses that are described by a table, see :func:`stcnn.evaluate.responses.response_table`."""
        described = {
            "n_kept": [len(response.trials) for response in found],
            "peak_dff": [peak(response, response.mean) for response in found],
            "predicted_peak_dff": [peak(response, response.predicted) for response in found],
        }
        return cls(
            table.assign(**described),
            Moments.stacked([_trial_mean_moments(response) for response in found]),
            Moments.stacked([_single_trial_moments(response) for response in found]),
            HalfMoments.stacked([HalfMoments.of(response.trials) for response in found]),
            np.stack([cross_covariance(r.predicted, r.mean, r.rate_hz) for r in found]),
        )

    def groups(self, level: Level) -> Iterator[Groups]:
        """The groups of a level, each with the units that are drawn again."""
        for key, places in self.table.groupby(list(LEVELS[level]), sort=False).indices.items():
            mine = self.table.iloc[places]
            if level == "neuron":
                unit = "stimulus"
            else:
                unit = "animal" if mine.animal.nunique() >= LEAST_ANIMALS else "neuron"
            key = tuple(map(str, key)) if isinstance(key, tuple) else (str(key),)
            yield Groups(key, places, unit, pd.factorize(mine[unit])[0])

    def scores(self, rows: NDArray[np.intp], weights: Values) -> dict[str, Values]:
        """Every score of :data:`SCORES` for some responses.

        Args:
            rows: the responses, joined end to end.
            weights: how often each counts, ``(D, R)``; all responses of a neuron alike, or there is one neuron.

        Returns:
            Name to score ``(D,)``, NaN where it is not defined.
        """
        table = self.table.iloc[rows]
        kept, n_trials = table.n_kept.to_numpy(), table.n_trials.to_numpy()
        single, mean, repeated = kept > 0, n_trials > 1, kept > 1
        of_single = self.single_trials.take(rows[single]).weighted(weights[:, single])
        of_mean = self.trial_mean.take(rows[mean]).weighted(weights[:, mean])
        of_repeats = self.trial_mean.take(rows[repeated]).weighted(weights[:, repeated])
        of_single_repeats = self.single_trials.take(rows[repeated]).weighted(weights[:, repeated])
        peaks = table.predicted_peak_dff.to_numpy(), table.peak_dff.to_numpy()
        return {
            "single_trial_correlation": of_single.correlation(),
            "single_trial_ceiling": of_single_repeats.ceiling(),
            "single_trial_mse_dff2": of_single.mean_squared_error(),
            "trial_mean_correlation": of_mean.correlation(),
            "trial_mean_ceiling": of_repeats.ceiling(),
            "trial_mean_mse_dff2": of_mean.mean_squared_error(),
            "normalised_correlation": of_repeats.normalised_correlation(),
            "feve": of_repeats.explained(),
            "signal_share": of_repeats.explainable(),
            "split_half_reliability": self.halves.take(rows[repeated]).weighted(weights[:, repeated]).reliability(),
            "tuning_similarity": tuning_similarity(*peaks, pd.factorize(table.stimulus)[0], weights),
            "latency_error_s": latency_error_s(weights @ self.covariance[rows]),
            "neuron_correlation": self._mean_over_neurons(rows[mean], weights[:, mean]),
        }

    def _mean_over_neurons(self, rows: NDArray[np.intp], weights: Values) -> Values:
        neuron = pd.factorize(self.table.neuron.iloc[rows])[0]
        if not len(neuron):
            return np.full(len(weights), np.nan)
        first = np.unique(neuron, return_index=True)[1]
        each = self.trial_mean.take(rows).weighted(np.eye(len(first))[neuron].T).correlation()
        counted, r = weights[:, first][:, np.isfinite(each)], each[np.isfinite(each)]
        with np.errstate(invalid="ignore"):
            return np.asarray(counted @ r / counted.sum(1))

    def scores_table(self, levels: Sequence[Level] = tuple(LEVELS), n_draws: int = N_DRAWS) -> pd.DataFrame:
        """Score every group of every level.

        Returns:
            One row per group: ``level``, ``cell_type``, ``family``, ``neuron``, ``n_animals``, ``n_neurons``,
            ``n_stimuli``, ``n_recordings``, ``n_repeated`` (with trials one by one), ``n_trials`` (mean), ``unit`` and
            ``n_units`` of the interval; then each of :data:`SCORES` with ``_low`` and ``_high``. NaN is not available.
        """
        rows = []
        for level in levels:
            for group in self.groups(level):
                row = dict.fromkeys(("cell_type", "family", "neuron"), "") | dict(
                    zip(LEVELS[level], group.key, strict=True)
                )
                rows.append({"level": level, **row, **self._counts(group), **self._with_intervals(group, n_draws)})
        return pd.DataFrame(rows)

    def _counts(self, group: Groups) -> dict[str, object]:
        mine = self.table.iloc[group.rows]
        return {
            "n_animals": mine.animal.nunique(),
            "n_neurons": mine.neuron.nunique(),
            "n_stimuli": mine.stimulus.nunique(),
            "n_recordings": len(mine),
            "n_repeated": int((mine.n_kept > 1).sum()),
            "n_trials": mine.n_trials.mean(),
            "unit": group.unit,
            "n_units": int(group.units.max()) + 1,
        }

    def _with_intervals(self, group: Groups, n_draws: int) -> dict[str, float]:
        found: dict[str, float] = {}
        score = self.scores(group.rows, np.ones((1, len(group.rows))))
        draws = self.scores(group.rows, bootstrap_weights(group.units, n_draws))
        for name, scale in SCORES.items():
            ends = interval(float(score[name][0]), draws[name], int(group.units.max()) + 1, scale)
            found |= {name: float(score[name][0]), f"{name}_low": ends.low, f"{name}_high": ends.high}
        return found


def paired_differences(
    one: Evaluation, other: Evaluation, levels: Sequence[Level] = ("cell_type",), n_draws: int = N_DRAWS
) -> pd.DataFrame:
    """Differences of two models' scores on the same recordings, the same units drawn for both.

    Args:
        one: evaluation of one model.
        other: of another, which is subtracted.
        levels: levels of the table.
        n_draws: number of bootstrap samples.

    Returns:
        One row per group and score: ``level``, ``cell_type``, ``family``, ``neuron``, ``unit``, ``n_units``, ``score``,
        ``one``, ``other``, ``difference``, ``low``, ``high``.

    Raises:
        DataError: they are evaluations of different recordings.
    """
    key = ["cell_type", "neuron", "animal", "stimulus"]
    if not one.table[key].equals(other.table[key]):
        raise DataError(
            "two models were evaluated on different recordings",
            expected="the same ones, in the same order",
            remedy="evaluate both on the same data set and split",
        )
    rows = []
    for level in levels:
        for group in one.groups(level):
            names = dict.fromkeys(("cell_type", "family", "neuron"), "") | dict(
                zip(LEVELS[level], group.key, strict=True)
            )
            n_units = int(group.units.max()) + 1
            weights = np.vstack([np.ones(len(group.rows)), bootstrap_weights(group.units, n_draws)])
            ours, theirs = one.scores(group.rows, weights), other.scores(group.rows, weights)
            for score in SCORES:
                difference = ours[score] - theirs[score]
                ends = interval(float(difference[0]), difference[1:], n_units)
                values = {"one": ours[score][0], "other": theirs[score][0], "difference": difference[0]}
                about = {"level": level, **names, "unit": group.unit, "n_units": n_units, "score": score}
                rows.append({**about, **values, "low": ends.low, "high": ends.high})
    return pd.DataFrame(rows)


def family_of(stimulus: str, dataset: Dataset, families: Mapping[str, Sequence[str]]) -> str:
    """Family of a stimulus: that whose pattern fits, else its generator, else its name without the number at its end."""
    for family, patterns in families.items():
        if any(fnmatch(stimulus, pattern) for pattern in patterns):
            return family
    return str(
        dataset.movies[stimulus].parameters.get("kind") or stimulus.rstrip("0123456789").rstrip("_- ") or stimulus
    )


def peak(response: Response, trace: Values) -> float:
    """Largest sample of a trace after stimulus onset, dF/F; of all where none is scored after it."""
    after = trace[response.time_s >= 0]
    return float((after if len(after) else trace).max())


def _trial_mean_moments(response: Response) -> Moments:
    if len(response.trials):
        return Moments.of_trial_mean(response.predicted, response.trials)
    return Moments.of_trial_mean(response.predicted, response.mean[None])


def _single_trial_moments(response: Response) -> Moments:
    if len(response.trials):
        return Moments.of_single_trials(response.predicted, response.trials)
    return Moments(*np.zeros(8))
