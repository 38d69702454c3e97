"""Compares animals with each other: whose responses come late or early, upside down, or under a wrong label.

The mean response of each animal to each stimulus is held against the mean of all animals (of the same cell type).
An animal whose responses peak at another lag, with the other sign, or resemble the responses to another stimulus,
stands out from the rest. Uncertainty comes from a jackknife over fifths of the recordings, so that noisy data raise
no alarm. Where a cell type was recorded in fewer than three animals, its neurons are compared instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording

FOLDS = 5
LARGEST_LAG_S = 0.5
LEAST_MEMBERS = 3
SIGMAS = 4.0
"""A difference counts when it exceeds this many standard errors."""
LEAST_LAG_SAMPLES = 1.5
LEAST_SWAP_GAIN = 0.4
"""Gain in correlation, summed over both stimuli, by which an exchange of labels must explain the responses better."""
LEAST_MATCH = 0.3
"""Correlation with the mean of all below which nothing is said about lags."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Deviation:
    """One way in which a member (an animal or a neuron) differs from the rest of its cell type."""

    cell_type: str
    member: str
    check: str
    reason: str
    red: bool


@dataclass
class Responses:
    """Mean responses of the members of one cell type.

    Args:
        members: names of animals or neurons.
        rate_hz: of the traces.
        means: stimulus to ``(member, fold, T)``, the mean over the recordings of each fold; NaN without recordings.
    """

    members: list[str]
    rate_hz: float
    means: dict[str, Array]

    def without_fold(self, stimulus: str, member: int, fold: int | None) -> Array:
        """Mean response of a member to a stimulus, ``(T,)``, leaving out one fold."""
        folds = self.means[stimulus][member]
        return _mean(folds if fold is None else np.delete(folds, fold, axis=0))

    def consensus(self, stimulus: str, leave_out: int | None = None) -> Array:
        """Mean over members of their mean responses, ``(T,)``."""
        members = [m for m in range(len(self.members)) if m != leave_out]
        return _mean(np.stack([self.without_fold(stimulus, m, None) for m in members]))


def _mean(rows: Array) -> Array:
    """Mean over rows that are not NaN; NaN where there is none."""
    kept = rows[~np.isnan(rows).all(axis=1)]
    return kept.mean(0) if len(kept) else np.full(rows.shape[1], np.nan)


def mean_responses(data: Dataset, cell_type: str) -> Responses | None:
    """The responses of a cell type by member; one recording at a time is in memory. None with too few members."""
    rows = data.table[data.table.cell_type == cell_type]
    by = "animal" if rows.animal.nunique() >= LEAST_MEMBERS else "neuron"
    members = list(rows[by].unique())
    if len(members) < LEAST_MEMBERS:
        return None
    place = {name: i for i, name in enumerate(members)}
    sums: dict[str, Array] = {}
    counts: dict[str, Array] = {}
    clocks: dict[str, Array] = {}
    seen: dict[tuple[str, str], int] = {}
    for index in rows.index:
        recording = data.recordings[int(index)]
        stimulus = recording.stimulus
        clock = clocks.setdefault(stimulus, recording.time_s)
        if stimulus not in sums:
            sums[stimulus] = np.zeros((len(members), FOLDS, len(clock)))
            counts[stimulus] = np.zeros((len(members), FOLDS, 1))
        trace = on_clock(recording, clock)
        if np.isfinite(trace).all():
            member = str(getattr(recording, by))
            fold = seen[member, stimulus] = (seen.get((member, stimulus), -1) + 1) % FOLDS
            sums[stimulus][place[member], fold] += trace
            counts[stimulus][place[member], fold] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        means = {name: sums[name] / counts[name] for name in sums}
    return Responses(members, float(rows.rate_hz.median()), means)


def on_clock(recording: Recording, clock: Array) -> Array:
    """The trace at the times of another clock, by straight lines."""
    same = len(clock) == len(recording.time_s) and np.allclose(clock, recording.time_s)
    trace = np.asarray(recording.trace, np.float64)
    return trace if same else np.interp(clock, recording.time_s, trace)


def deviations(responses: Responses, cell_type: str) -> Iterator[Deviation]:
    """Everything in which a member differs from the rest."""
    late = [_lag(responses, m) for m in range(len(responses.members))]
    middle = float(np.nanmedian([lag for lag, *_ in late]))
    for member, (lag, error, match, match_error) in enumerate(late):
        name = responses.members[member]
        if match < -SIGMAS * match_error and match < -LEAST_MATCH:
            yield Deviation(
                cell_type,
                name,
                "polarity",
                f"responses are upside down (correlation {match:.2f} with all others)",
                True,
            )
        elif _counts(lag - middle, error):
            yield _lag_deviation(responses, cell_type, member, lag - middle)
    yield from _swapped(responses, cell_type)


def _counts(lag: float, error: float) -> bool:
    return abs(lag) > max(LEAST_LAG_SAMPLES, SIGMAS * error)


def _lag_deviation(responses: Responses, cell_type: str, member: int, lag: float) -> Deviation:
    n, rate_hz = abs(lag), responses.rate_hz
    if lag > 0:
        return Deviation(
            *(cell_type, responses.members[member], "latency"),
            f"responses come {n:.1f} samples ({n / rate_hz:.3f} s) later than in the others",
            lag > 2 * LEAST_LAG_SAMPLES,
        )
    return Deviation(
        *(cell_type, responses.members[member], "dropped"),
        f"responses come {n:.1f} samples ({n / rate_hz:.3f} s) earlier than in the others: frames may be missing",
        -lag > 2 * LEAST_LAG_SAMPLES,
    )


def _lag(responses: Responses, member: int) -> tuple[float, float, float, float]:
    """Lag in samples at which a member resembles all others best, its error, the correlation at no lag, its error."""
    whole = _lag_and_match(responses, member, None)
    parts = np.array([_lag_and_match(responses, member, fold) for fold in range(FOLDS)])
    errors = []
    for values in parts.T:
        known = values[~np.isnan(values)]
        errors.append(float(np.sqrt((len(known) - 1) * known.var())) if len(known) > 2 else np.inf)
    return whole[0], max(errors[0], 0.1), whole[1], errors[1]


def _lag_and_match(responses: Responses, member: int, fold: int | None) -> tuple[float, float]:
    largest = round(LARGEST_LAG_S * responses.rate_hz)
    total, at_zero, weight = np.zeros(2 * largest + 1), 0.0, 0.0
    for stimulus in responses.means:
        x, r = responses.without_fold(stimulus, member, fold), responses.consensus(stimulus, member)
        if np.isnan(x).any() or np.isnan(r).any() or len(x) < 2:
            continue
        x, r = x - x.mean(), r - r.mean()
        full = signal.correlate(x, r, mode="full")
        middle = len(r) - 1
        reach = min(largest, middle)
        total[largest - reach : largest + reach + 1] += full[middle - reach : middle + reach + 1]
        at_zero += full[middle]
        weight += np.sqrt((x @ x) * (r @ r))
    if weight == 0:
        return np.nan, np.nan
    best = int(total.argmax())
    strong = total[best] / weight > LEAST_MATCH
    return (_peak(total, best) - largest if strong else np.nan), at_zero / weight


def _peak(values: Array, best: int) -> float:
    """Place of the maximum to a part of a sample: the top of the parabola through it and its neighbours."""
    if best in (0, len(values) - 1):
        return float(best)
    before, top, after = values[best - 1 : best + 2]
    curvature = before - 2 * top + after
    return best + (0.5 * (before - after) / curvature if curvature else 0.0)


def _swapped(responses: Responses, cell_type: str) -> Iterator[Deviation]:
    """Pairs of stimuli whose responses each resemble what all others give to the other one."""
    names = list(responses.means)
    for member, name in enumerate(responses.members):
        consensus = {s: responses.consensus(s, member) for s in names}
        own = {s: responses.without_fold(s, member, None) for s in names}
        fits = {a: {b: _correlation(own[a], consensus[b]) for b in names} for a in names}
        best = {a: max(fits[a], key=lambda b: fits[a][b]) for a in names}
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                if best[a] == b and best[b] == a and _swap_counts(responses, member, (a, b), consensus):
                    yield Deviation(cell_type, name, "label", f"the responses to '{a}' and '{b}' look exchanged", True)


def _swap_counts(responses: Responses, member: int, pair: tuple[str, str], consensus: dict[str, Array]) -> bool:
    """Whether the exchange explains the responses better in every fifth of the data."""
    a, b = pair
    gains = []
    for fold in [None, *range(FOLDS)]:
        x, y = (responses.without_fold(s, member, fold) for s in pair)
        straight = _correlation(x, consensus[a]) + _correlation(y, consensus[b])
        gains.append(_correlation(x, consensus[b]) + _correlation(y, consensus[a]) - straight)
    gains = [gain for gain in gains if not np.isnan(gain)]
    parts = np.array(gains[1:])
    return len(parts) > 2 and gains[0] > max(LEAST_SWAP_GAIN, SIGMAS * np.sqrt((len(parts) - 1) * parts.var()))


def _correlation(x: Array, y: Array) -> float:
    n = min(len(x), len(y))
    x, y = x[:n] - x[:n].mean(), y[:n] - y[:n].mean()
    norm = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / norm) if norm > 0 else float("nan")
