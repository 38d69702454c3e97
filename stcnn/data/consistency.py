"""Compares animals with each other: whose responses come late or early, upside down, or under a wrong label.

The mean responses of each neuron, on a clock that starts when the stimulus reaches it, are held against the mean of all
neurons of its cell type in other animals. An animal whose neurons all peak at another lag, have the other sign, or
resemble the responses to another stimulus, stands out from the rest. What single neurons of an animal differ by is the
yardstick, so that such differences raise no alarm. Where there are fewer than three animals, neurons are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from stcnn.data.arrival import Changes, StimulusChange, cross_correlations, delay_s, peak
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording, rows_by

LARGEST_LAG_S = 0.5
LEAST_GROUPS = 3
SIGMAS = 4.0
"""A difference counts when it exceeds this many standard errors."""
LEAST_LAG_SAMPLES = 1.5
LEAST_MATCH = 0.3
"""Correlation with the mean of all below which nothing is said about lags."""
MOST_LIKE_OTHER = -0.5
"""Likeness to the own rather than to the other stimulus, 1 in the mean of all, below which labels look exchanged."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Deviation:
    """One way in which a group (an animal, or a neuron) differs from the rest."""

    group: str
    check: str
    reason: str
    red: bool


@dataclass
class Responses:
    """Mean responses of all neurons.

    Args:
        cell_type: of each neuron, ``(N,)``.
        group: animal (or neuron) of each neuron, ``(N,)``.
        rate_hz: of the traces.
        means: stimulus to the mean response of each neuron less its mean, ``(N, T)``; NaN without recordings.
    """

    cell_type: NDArray[np.str_]
    group: NDArray[np.str_]
    rate_hz: float
    means: dict[str, Array]

    @cached_property
    def expected(self) -> dict[str, Array]:
        """For each stimulus and neuron the mean over the neurons of its cell type in other groups, ``(N, T)``."""
        same_type = self.cell_type[:, None] == self.cell_type
        others = (same_type & (self.group[:, None] != self.group)).astype(float)
        found = {}
        for stimulus, means in self.means.items():
            recorded = ~np.isnan(means[:, 0])
            counts = others[:, recorded].sum(1, keepdims=True)
            total = others[:, recorded] @ means[recorded]
            found[stimulus] = np.divide(total, counts, out=np.full_like(means, np.nan), where=counts > 0)
        return found

    def of_group(self, values: Array, group: str) -> Array:
        """The values of the neurons of a group that have one."""
        chosen = values[self.group == group]
        return chosen[~np.isnan(chosen)]


def mean_responses(data: Dataset, changes: Changes) -> Responses | None:
    """The mean responses of all neurons; one recording at a time is in memory. None with too few groups.

    Args:
        data: single trials.
        changes: what :func:`stcnn.data.arrival.changes_of` finds; the first shift of a stimulus is its reference.
    """
    by = "animal" if data.table.animal.nunique() >= LEAST_GROUPS else "neuron"
    neurons = rows_by(data.table, "cell_type", "neuron", "animal")
    groups = [animal if by == "animal" else neuron for _, neuron, animal in neurons]
    if len(set(groups)) < LEAST_GROUPS:
        return None
    sums: dict[str, Array] = {}
    counts: dict[str, Array] = {}
    clocks: dict[str, Array] = {}
    reference: dict[str, StimulusChange] = {}
    delays_s = {key: delay_s(change, reference.setdefault(key[0], change)) for key, change in changes.items()}
    for place, rows in enumerate(neurons.values()):
        for recording in (data.recordings[i] for i in rows):
            stimulus = recording.stimulus
            clock = clocks.setdefault(stimulus, recording.time_s)
            trace = on_clock(recording, clock + delays_s[stimulus, recording.shift_px])
            if np.isfinite(trace).all():
                sums.setdefault(stimulus, np.zeros((len(neurons), len(clock))))[place] += trace
                counts.setdefault(stimulus, np.zeros((len(neurons), 1)))[place] += 1
    means = {s: np.divide(sums[s], n, out=np.full_like(sums[s], np.nan), where=n > 0) for s, n in counts.items()}
    means = {stimulus: values - values.mean(1, keepdims=True) for stimulus, values in means.items()}
    types = np.array([cell_type for cell_type, *_ in neurons])
    return Responses(types, np.array(groups), float(data.table.rate_hz.median()), means)


def on_clock(recording: Recording, clock: Array) -> Array:
    """The trace at the times of another clock, by straight lines."""
    same = len(clock) == len(recording.time_s) and np.allclose(clock, recording.time_s)
    trace = np.asarray(recording.trace, np.float64)
    return trace if same else np.interp(clock, recording.time_s, trace)


def deviations(responses: Responses) -> Iterator[Deviation]:
    """Everything in which a group differs from the rest."""
    lags, matches = lags_and_matches(responses)
    groups = list(dict.fromkeys(responses.group.tolist()))
    lag_error, match_error = _spread(responses, lags), _spread(responses, matches)
    middle = float(np.nanmedian(lags)) if np.isfinite(lags).any() else 0.0
    for group in groups:
        match, lag = responses.of_group(matches, group), responses.of_group(lags, group) - middle
        if len(match) and match.mean() < -max(LEAST_MATCH, SIGMAS * match_error / np.sqrt(len(match))):
            reason = f"responses are upside down (correlation {match.mean():.2f} with those of all others)"
            yield Deviation(group, "polarity", reason, True)
        elif len(lag) and abs(lag.mean()) > max(LEAST_LAG_SAMPLES, SIGMAS * lag_error / np.sqrt(len(lag))):
            yield _lag_deviation(group, float(lag.mean()), responses.rate_hz)
    yield from _swapped(responses, groups)


def _lag_deviation(group: str, lag: float, rate_hz: float) -> Deviation:
    by = f"{abs(lag):.1f} samples ({abs(lag) / rate_hz:.3f} s)"
    red = abs(lag) > 2 * LEAST_LAG_SAMPLES
    if lag > 0:
        return Deviation(group, "latency", f"responses come {by} later than in the others", red)
    reason = f"responses come {by} earlier than in the others: frames may be missing"
    return Deviation(group, "dropped", reason, red)


def _spread(responses: Responses, values: Array) -> float:
    """Standard deviation of neurons within groups; over all groups, by their median, where no group has two neurons."""
    inside = [responses.of_group(values, group) for group in np.unique(responses.group)]
    freedom = sum(max(0, len(v) - 1) for v in inside)
    if freedom:
        return float(np.sqrt(sum(((v - v.mean()) ** 2).sum() for v in inside if len(v)) / freedom))
    known = values[~np.isnan(values)]
    return 1.4826 * float(np.median(np.abs(known - np.median(known)))) if len(known) else 0.0


def lags_and_matches(responses: Responses) -> tuple[Array, Array]:
    """For each neuron the lag in samples at which it resembles the others best, and the correlation at no lag."""
    largest = round(LARGEST_LAG_S * responses.rate_hz)
    n_neurons = len(responses.group)
    total, weight = np.zeros((n_neurons, 2 * largest + 1)), np.zeros(n_neurons)
    for stimulus, means in responses.means.items():
        expected = np.nan_to_num(np.where(np.isnan(means), np.nan, responses.expected[stimulus]))
        own = np.where(expected.any(1, keepdims=True), np.nan_to_num(means), 0)
        total += cross_correlations(own, expected, largest)
        weight += np.sqrt((own**2).sum(1) * (expected**2).sum(1))
    known = weight > 0
    total[known] /= weight[known, None]
    strong = known & (total.max(1) > LEAST_MATCH)
    lags = [peak(row) - largest if ok else np.nan for row, ok in zip(total, strong, strict=True)]
    return np.array(lags), np.where(known, total[:, largest], np.nan)


def _swapped(responses: Responses, groups: list[str]) -> Iterator[Deviation]:
    """Pairs of stimuli whose responses in a group each resemble what all others give to the other one."""
    names = list(responses.means)
    found = [Likeness(len(names)) for _ in groups]
    for neuron, group in enumerate(responses.group.tolist()):
        found[groups.index(group)].add(responses, neuron)
    for place, group in enumerate(groups):
        rest = np.stack([other.share for i, other in enumerate(found) if i != place])
        usual, spread = np.median(rest, axis=0), np.std(rest, axis=0)
        own = found[place]
        suspect = own.is_reversed & (usual > -MOST_LIKE_OTHER) & (own.share < usual - SIGMAS * spread)
        taken: set[int] = set()
        pairs = [(a, b) for a, b in combinations(range(len(names)), 2) if suspect[a, b]]
        for a, b in sorted(pairs, key=lambda pair: float(own.total[pair])):
            if not taken & {a, b}:
                taken |= {a, b}
                reason = f"the responses to '{names[a]}' and '{names[b]}' look exchanged"
                yield Deviation(group, "label", reason, True)


class Likeness:
    """How far the responses of a group are those to their own stimulus rather than to another, for all pairs.

    With the responses x and the expected ones r to stimuli a and b, and ``d = r_a - r_b``, each neuron adds
    ``(x_a - (r_a + r_b) / 2) . d`` (toward the own stimulus), the same for b, and the squared length of d, which the
    two sum up to where responses are as expected; they sum up to minus that where the labels were exchanged.
    """

    def __init__(self, n_stimuli: int) -> None:
        self.n_neurons = 0
        self.own, self.total, self.scale = np.zeros((3, n_stimuli, n_stimuli))
        self.squares = np.zeros((3, n_stimuli, n_stimuli))

    def add(self, responses: Responses, neuron: int) -> None:
        """Add a neuron; one that answers upside down says nothing about labels."""
        x, r = np.zeros((2, len(responses.means), max(means.shape[1] for means in responses.means.values())))
        for row, (stimulus, means) in enumerate(responses.means.items()):
            mean, expected = means[neuron], responses.expected[stimulus][neuron]
            if not (np.isnan(mean).any() or np.isnan(expected).any()):
                x[row, : len(mean)], r[row, : len(mean)] = mean, expected
        power, product = r @ r.T, x @ r.T
        gain = np.trace(product) / max(np.trace(power), 1e-30)
        if gain <= 0:
            return
        both = np.outer(x.any(1) & r.any(1), x.any(1) & r.any(1))
        lengths = np.diagonal(power)
        own = both * ((np.diagonal(product)[:, None] - product) / gain - (lengths[:, None] - lengths) / 2)
        total, scale = own + own.T, both * (lengths[:, None] - 2 * power + lengths)
        self.n_neurons += 1
        self.own, self.total, self.scale = self.own + own, self.total + total, self.scale + scale
        self.squares += np.stack([total**2, total * scale, scale**2])

    @property
    def share(self) -> Array:
        """1 where responses are as expected, -1 where exchanged, ``(S, S)``; 1 where nothing is known."""
        return np.divide(self.total, self.scale, out=np.ones_like(self.scale), where=self.scale > 0)

    @property
    def is_reversed(self) -> NDArray[np.bool_]:
        """Whether both responses are like the other one's by more than neurons differ in that, ``(S, S)``."""
        n, share = self.n_neurons, self.share
        residual = self.squares[0] - 2 * share * self.squares[1] + share**2 * self.squares[2]
        error = np.sqrt(np.maximum(residual, 0) * n / (n - 1)) if n > 1 else np.zeros_like(share)
        surely = self.total < -SIGMAS * error
        return (share < MOST_LIKE_OTHER) & surely & (self.own < 0) & (self.own.T < 0)
