"""Predictions beside everything that was recorded: the trials of each neuron and stimulus at the scored samples.

Where a long movie shows a stretch several times (frozen noise, :mod:`stcnn.data.frozen`), its showings are trials.

Axes: K trial, J other trial, S scored sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from stcnn.data.clocks import sampled_at_frames
from stcnn.data.dataset import Dataset
from stcnn.data.frozen import LEAST_MOVIE_S, Repeats, repeats_in
from stcnn.data.on_demand import AVERAGED_BY
from stcnn.data.recordings import EVEN_WITHIN, Recording, rows_by
from stcnn.evaluate.predictions import Predictions
from stcnn.movie import Movie

Samples = NDArray[np.float64]

RESPONSE = ["cell_type", "neuron", "animal", "stimulus"]
"""Columns that say of what and to what a response is."""
SETTLED_S = 2.0
"""Time after which a neuron answers to a stretch of a movie alone, whatever was shown before; as long as the grey that
networks see before a movie."""


@dataclass(frozen=True, eq=False)
class Response:
    """Predicted and measured responses of one neuron while a stimulus was shown.

    Args:
        item: index of the (first) recording in the data set.
        time_s: ``(S,)``, zero at stimulus onset.
        predicted: dF/F, ``(S,)``.
        mean: mean of all trials, dF/F, ``(S,)``; of a single one, that one.
        trials: dF/F, ``(K, S)``; K is 0 where only their mean was kept.
        n_trials: number of trials behind the mean.
        rate_hz: samples per second.
        others: the other trials where they were sampled at times of their own, joined by a cubic spline and read
            at the times of this one, ``(J, S)``; they tell its noise. J is 0 where there are none, and where all trials
            are in ``trials``.
    """

    item: int
    time_s: Samples
    predicted: Samples
    mean: Samples
    trials: Samples
    n_trials: int
    rate_hz: float
    others: Samples = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def n_repeats(self) -> int:
        """Number of trials that are known one by one."""
        return len(self.trials) + len(self.others)


def responses(predictions: Predictions, dataset: Dataset) -> list[Response]:
    """Set predictions beside the trials that were recorded.

    Single trials of one neuron and stimulus that were sampled at the same times are put together; otherwise they stay
    apart, and each is given the others. A movie that was seen once but shows stretches of it again is divided: the
    showings of a stretch are trials, from :data:`SETTLED_S` after it begins, and all else is a response of its own.

    Args:
        predictions: of recordings of the data set.
        dataset: averages of trials, which bring the trials with them, or single trials.
    """
    at_frames = sampled_at_frames(dataset.table)
    single: list[Response] = []
    for row, item in enumerate(predictions.item.tolist()):
        weight = predictions.weight[row].numpy() > 0
        recording = dataset.recordings[item]
        scored = scored_samples(recording, weight, bool(at_frames[item]))
        single.append(_alone(item, recording, scored, predictions.prediction[row].numpy()[weight]))
    table = dataset.table.iloc[[response.item for response in single]]
    whole = [each for rows in rows_by(table, *AVERAGED_BY).values() for each in _together([single[i] for i in rows])]
    again = _Again(dataset)
    return [part for response in whole for part in _divided(response, again.of(response))]


def scored_samples(recording: Recording, weight: NDArray[np.bool_], at_frames: bool) -> NDArray[np.intp]:
    """Samples of a recording that are scored.

    Args:
        recording: the recording.
        weight: which samples of its row in :class:`Predictions` are scored.
        at_frames: whether it was sampled at the frames of its movie; then its samples lie somewhere in the row, and
            the last of them is not scored.
    """
    if not at_frames:
        return np.flatnonzero(weight)
    last = len(recording.time_s) - 1
    return np.arange(last - int(weight.sum()), last)


def _alone(item: int, recording: Recording, scored: NDArray[np.intp], predicted: NDArray[np.floating]) -> Response:
    trace = recording.trace[scored].astype(float)
    where = recording.time_s[scored]
    n_trials = len(recording.trials)
    trials = trace[None] if n_trials == 1 else np.empty((0, len(where)))
    repeats = recording.repeats
    if repeats is not None and np.allclose(repeats.mean(0), recording.trace, atol=1e-5, equal_nan=True):
        trials = repeats[:, scored].astype(float)  # else the trace was changed since, and they are not its trials
    return Response(item, where, predicted.astype(float), trace, trials, n_trials, recording.rate_hz)


def _together(parts: list[Response]) -> list[Response]:
    """One response of single trials at the same times; where they are not, each with the others at its own times."""
    first = parts[0]
    if len(parts) == 1 or any(part.n_trials > 1 for part in parts):
        return parts
    within_s = EVEN_WITHIN / first.rate_hz
    for part in parts[1:]:
        if len(part.time_s) != len(first.time_s) or np.abs(part.time_s - first.time_s).max(initial=0) > within_s:
            return [_with_others(part, [other for other in parts if other is not part]) for part in parts]
    trials = np.concatenate([part.trials for part in parts])
    return [replace(first, mean=trials.mean(0), trials=trials, n_trials=len(trials))]


def _with_others(trial: Response, others: list[Response]) -> Response:
    seen = [_read_at(trial.time_s, other) for other in others if len(other.time_s) > 1]
    return replace(trial, others=np.stack(seen)) if seen else trial


def _read_at(time_s: Samples, trial: Response) -> Samples:
    """A trial at the times of another; straight lines lose 4 % of the signal of the tests at 5 Hz."""
    spline = CubicSpline(trial.time_s, trial.mean)
    return np.asarray(spline(np.clip(time_s, trial.time_s[0], trial.time_s[-1])))


class _Again:
    """What is shown again in the movies of a data set, in seconds from stimulus onset; each movie is searched once.

    Args:
        dataset: the recordings.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.found: dict[str, list[list[tuple[float, float]]]] = {}

    def of(self, response: Response) -> list[list[tuple[float, float]]]:
        """Return beginning and end of each showing of each stretch that a response, seen once, has several times."""
        last_s = float(response.time_s[-1]) if len(response.time_s) else 0.0
        if response.n_repeats != 1 or response.n_trials != 1 or last_s < LEAST_MOVIE_S / 2:
            return []
        stimulus = str(self.dataset.table.stimulus.iloc[response.item])
        if stimulus not in self.found:
            movie = self.dataset.movies[stimulus]
            self.found[stimulus] = [_seconds(each, movie) for each in repeats_in(movie)]
        return self.found[stimulus]


def _seconds(repeats: Repeats, movie: Movie) -> list[tuple[float, float]]:
    begin_s = np.array(repeats.first_frames) / movie.rate_hz - movie.onset_s
    return [(begin, begin + repeats.n_frames / movie.rate_hz) for begin in begin_s.tolist()]


def _divided(response: Response, again: list[list[tuple[float, float]]]) -> list[Response]:
    """Showings of stretches that are repeated, put together as trials, and what is left of a response."""
    left = np.ones(len(response.time_s), bool)
    parts = []
    for showings in again:
        trials = []
        for begin_s, end_s in showings:
            since_s = response.time_s - begin_s
            mine = (since_s >= SETTLED_S) & (response.time_s < end_s)
            slack_s = 2.5 / response.rate_hz
            whole = since_s[0] <= SETTLED_S + slack_s and response.time_s[-1] >= end_s - slack_s
            if whole and mine.sum() > 1:
                trials.append((mine, since_s[mine]))
        if len(trials) > 1:
            left &= ~np.logical_or.reduce([mine for mine, _ in trials])
            parts += _showings(response, trials)
    return [_of_samples(response, left, response.time_s[left]), *parts] if parts else [response]


def _showings(response: Response, trials: list[tuple[NDArray[np.bool_], Samples]]) -> list[Response]:
    """Showings of one stretch as trials, sampled alike or each at times of its own."""
    n_samples = min(len(since_s) for _, since_s in trials)
    if max(len(since_s) for _, since_s in trials) == n_samples + 1:  # one sample more at an end, as the clock falls
        trials = [(mine & (np.cumsum(mine) <= n_samples), since_s[:n_samples]) for mine, since_s in trials]
    single = [_of_samples(response, mine, since_s) for mine, since_s in trials]
    together = _together(single)
    if len(together) > 1:
        return together
    return [replace(together[0], predicted=np.mean([each.predicted for each in single], 0))]


def _of_samples(response: Response, chosen: NDArray[np.bool_], time_s: Samples) -> Response:
    """Some samples of a single trial, with their times."""
    measured = response.mean[chosen]
    return replace(response, time_s=time_s, predicted=response.predicted[chosen], mean=measured, trials=measured[None])


def response_table(found: list[Response], dataset: Dataset) -> pd.DataFrame:
    """Describe responses, one row each: ``cell_type``, ``neuron``, ``animal``, ``stimulus``, ``n_trials``, ``item``."""
    items = [response.item for response in found]
    table = dataset.table.iloc[items][RESPONSE].reset_index(drop=True)
    return table.assign(n_trials=[response.n_trials for response in found], item=items)
