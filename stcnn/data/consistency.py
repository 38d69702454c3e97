"""Compares animals with each other: whose responses come late or early, upside down, or under a wrong label.

The mean responses of each neuron, on a clock that starts when the stimulus reaches it, are held against the mean of all
neurons of its cell type in other animals. An animal whose neurons all peak at another lag, have the other sign, or
resemble the responses to another stimulus, stands out from the rest. What single neurons of an animal differ by is the
yardstick, so that such differences raise no alarm; a difference counts when Student's t, for as many degrees of freedom
as the yardstick has, is exceeded by chance in one of a thousand sets (:data:`FALSE_ALARMS`).

Which one is at fault is known where at least two others agree. Two animals only show *that* they differ, as do sessions
of one animal, or the neurons of one session: such a difference names both of them and is never red. The animal that
stands out most is left out before the others are held against each other, so that it does not make them suspect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stcnn.data.arrival import Changes, StimulusChange, cross_correlations, delay_s, peak
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording, rows_by

LARGEST_LAG_S = 0.5
FALSE_ALARMS = 1e-3
"""Chance with which one kind of comparison may raise an alarm in a clean set, shared by all that it compares."""
LEAST_LAG_SAMPLES = 1.5
LEAST_MATCH = 0.3
"""Correlation with the mean of all below which nothing is said about lags."""
LEAST_WITNESSES = 2
"""So many others must agree for a verdict on which one is at fault."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Deviation:
    """One way in which an animal (a session, a neuron) differs from the rest.

    Args:
        check: name of the comparison.
        what: who differs, in words: one, or two of which one is at fault.
        reason: in what.
        red: whether it is sure enough to leave the recordings out of a training.
        groups: numbers of the groups concerned.
    """

    check: str
    what: str
    reason: str
    red: bool
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Responses:
    """Mean responses of all neurons.

    Args:
        neurons: cell type and name of each neuron, N pairs.
        group: number of the animal (session, neuron) that each neuron is compared as part of, ``(N,)``.
        names: of the groups, in words.
        by: what the groups are: ``animal``, ``session`` or ``neuron``.
        rate_hz: of the traces.
        means: stimulus to the mean response of each neuron less its mean, ``(N, T)``; NaN without recordings.
        distrusted: groups that differ and that others are not held against.
    """

    neurons: list[tuple[str, str]]
    group: NDArray[np.int64]
    names: list[str]
    by: str
    rate_hz: float
    means: dict[str, Array]
    distrusted: frozenset[int] = field(default_factory=frozenset)

    @property
    def trusted(self) -> list[int]:
        """Groups that are not known to differ."""
        return [group for group in range(len(self.names)) if group not in self.distrusted]

    @cached_property
    def same_type(self) -> NDArray[np.bool_]:
        """Whether two neurons have one cell type, ``(N, N)``."""
        types = np.array([cell_type for cell_type, _ in self.neurons])
        return types[:, None] == types

    @cached_property
    def expected(self) -> dict[str, Array]:
        """For each stimulus and neuron the mean over the neurons of its cell type in other groups, ``(N, T)``."""
        others = self.same_type & (self.group[:, None] != self.group)
        weights = (others & np.isin(self.group, self.trusted)).astype(float)
        found = {}
        for stimulus, means in self.means.items():
            recorded = ~np.isnan(means[:, 0])
            counts = weights[:, recorded].sum(1, keepdims=True)
            total = weights[:, recorded] @ means[recorded]
            found[stimulus] = np.divide(total, counts, out=np.full_like(means, np.nan), where=counts > 0)
        return found

    @cached_property
    def witnesses(self) -> list[list[int]]:
        """For each group the trusted others that have one of its cell types."""
        linked = [np.unique(self.group[self.same_type[self.group == g].any(0)]) for g in range(len(self.names))]
        return [[g for g in found.tolist() if g != group and g in self.trusted] for group, found in enumerate(linked)]

    def of_group(self, values: Array, group: int) -> Array:
        """The values of the neurons of a group that have one."""
        chosen = values[self.group == group]
        return chosen[~np.isnan(chosen)]

    def members(self, groups: tuple[int, ...]) -> set[tuple[str, str]]:
        """Cell type and name of the neurons of some groups."""
        return {neuron for neuron, group in zip(self.neurons, self.group, strict=True) if group in groups}

    def deviation(self, check: str, group: int, reason: str, *, red: bool = True) -> Deviation:
        """What is said of a group that differs: of it alone where others agree, else of it and its counterpart."""
        concerned: tuple[int, ...] = (group,)
        if self.by == "neuron":  # it may be of another kind, without any fault
            red = False
        elif len(self.witnesses[group]) < LEAST_WITNESSES:
            concerned = tuple(sorted([group, *self.witnesses[group]]))
            reason, red = f"{reason}; two {self.by}s do not tell which of them is at fault", False
        return Deviation(check, " and ".join(self.names[g] for g in concerned), reason, red, concerned)


def mean_responses(data: Dataset, changes: Changes) -> Responses | None:
    """The mean responses of all neurons; one recording at a time is in memory. None where there is nothing to compare.

    Args:
        data: single trials.
        changes: what :func:`stcnn.data.arrival.changes_of` finds; the first shift of a stimulus is its reference.
    """
    by = _compared(data)
    neurons = rows_by(data.table, "cell_type", "neuron", "animal", *(["session"] if by == "session" else []))
    keys = {"animal": lambda key: key[2:3], "session": lambda key: key[2:4], "neuron": lambda key: key[:2]}
    places: dict[tuple[str, ...], int] = {}
    group = np.array([places.setdefault(keys[by](key), len(places)) for key in neurons])
    if len(places) < (3 if by == "neuron" else 2):
        return None
    means = _means(data, changes, list(neurons.values()))
    names = [_in_words(by, key) for key in places]
    pairs = [(cell_type, neuron) for cell_type, neuron, *_ in neurons]
    return Responses(pairs, group, names, by, float(data.table.rate_hz.median()), means)


def _compared(data: Dataset) -> str:
    """What is compared: animals, else the sessions of the only animal, else its neurons."""
    if data.table.animal.nunique() > 1:
        return "animal"
    return "session" if data.table.session.nunique() > 1 else "neuron"


def _in_words(by: str, key: tuple[str, ...]) -> str:
    if by == "animal":
        return key[0]
    return f"session {key[1]}" if by == "session" else f"{key[0]}, neuron {key[1]}"


def _means(data: Dataset, changes: Changes, rows_of: list[list[int]]) -> dict[str, Array]:
    """Stimulus to the mean response of each neuron, less its mean over time, on the clock of the first recording."""
    sums: dict[str, Array] = {}
    counts: dict[str, Array] = {}
    clocks: dict[str, Array] = {}
    reference: dict[str, StimulusChange] = {}
    delays_s = {key: delay_s(change, reference.setdefault(key[0], change)) for key, change in changes.items()}
    for place, rows in enumerate(rows_of):
        for recording in (data.recordings[i] for i in rows):
            if not is_usable(recording):
                continue
            stimulus = recording.stimulus
            clock = clocks.setdefault(stimulus, recording.time_s)
            trace = on_clock(recording, clock + delays_s[stimulus, recording.shift_px])
            sums.setdefault(stimulus, np.zeros((len(rows_of), len(clock))))[place] += trace
            counts.setdefault(stimulus, np.zeros((len(rows_of), 1)))[place] += 1
    means = {s: np.divide(sums[s], n, out=np.full_like(sums[s], np.nan), where=n > 0) for s, n in counts.items()}
    return {stimulus: values - values.mean(1, keepdims=True) for stimulus, values in means.items()}


def is_usable(recording: Recording) -> bool:
    """Whether all samples are finite and their clock runs forward, so that the trace can be held against others."""
    return bool(np.isfinite(recording.trace).all() and (np.diff(recording.time_s) > 0).all())


def on_clock(recording: Recording, clock: Array) -> Array:
    """The trace at the times of another clock, by straight lines."""
    same = len(clock) == len(recording.time_s) and np.allclose(clock, recording.time_s)
    trace = np.asarray(recording.trace, np.float64)
    return trace if same else np.interp(clock, recording.time_s, trace)


def deviations(responses: Responses) -> Iterator[Deviation]:
    """Everything in which a group differs from the rest in its time or sign, the most conspicuous first."""
    if responses.by == "neuron":
        compared = Compared(responses)
        yield from (found for group in responses.trusted if (found := compared.deviation(group)) is not None)
        return
    cleared: set[int] = set()
    while suspects := [group for group in responses.trusted if group not in cleared]:
        compared = Compared(responses)
        suspect = max(suspects, key=compared.strangeness)
        if compared.strangeness(suspect) <= 1:
            return
        if len(responses.witnesses[suspect]) >= LEAST_WITNESSES:  # how well do the others agree once it is left out?
            compared = Compared(responses_without(responses, [suspect]))
        found = compared.deviation(suspect)
        cleared.add(suspect)
        if found is not None:
            responses = responses_without(responses, found.groups)
            yield found


def responses_without(responses: Responses, groups: Iterable[int]) -> Responses:
    """The same responses, none of them held against those of some groups."""
    return replace(responses, distrusted=responses.distrusted.union(groups))


class Compared:
    """Lags and signs of all neurons against those of their cell type in the other groups.

    Args:
        responses: what is compared.
    """

    def __init__(self, responses: Responses) -> None:
        self.responses = responses
        self.lags, self.matches = lags_and_matches(responses)

    def strangeness(self, group: int) -> float:
        """By how many times what is tolerated a group is late, early or upside down; not more than once is usual."""
        match = self.responses.of_group(self.matches, group)
        lag = self.lag(group)
        upside_down = -float(match.mean()) / LEAST_MATCH if len(match) else 0.0
        return max(upside_down, abs(lag) / LEAST_LAG_SAMPLES if np.isfinite(lag) else 0.0)

    def deviation(self, group: int) -> Deviation | None:
        """In what a group differs, beyond chance."""
        if not self.responses.witnesses[group]:
            return None
        return self.upside_down(group) or self.late_or_early(group)

    def upside_down(self, group: int) -> Deviation | None:
        """Whether the responses of a group correlate with those of the others by a negative number."""
        match = self.responses.of_group(self.matches, group)
        if not len(match) or match.mean() >= -max(LEAST_MATCH, self.margin(self.matches, group)):
            return None
        others = "the other one" if len(self.responses.witnesses[group]) == 1 else "all others"
        reason = f"responses are upside down (correlation {match.mean():.2f} with those of {others})"
        return self.responses.deviation("polarity", group, reason)

    def late_or_early(self, group: int) -> Deviation | None:
        """Whether the responses of a group come later or earlier than those of the others."""
        lag = self.lag(group)
        if np.isnan(lag) or abs(lag) <= max(LEAST_LAG_SAMPLES, self.margin(self.lags, group)):
            return None
        names, witnesses = self.responses.names, self.responses.witnesses[group]
        late, rate_hz = "later" if lag > 0 else "earlier", self.responses.rate_hz
        by = f"{abs(lag):.1f} samples ({abs(lag) / rate_hz:.3f} s) {late}"
        if self.responses.by != "neuron" and len(witnesses) < LEAST_WITNESSES:
            reason = f"responses of {names[group]} come {by} than those of {names[witnesses[0]]}"
            return self.responses.deviation("latency", group, reason)
        reason = f"responses come {by} than in the others" + (": frames may be missing" if lag < 0 else "")
        red = abs(lag) > 2 * LEAST_LAG_SAMPLES
        return self.responses.deviation("latency" if lag > 0 else "dropped", group, reason, red=red)

    def lag(self, group: int) -> float:
        """By how many samples a group is late, beyond what is usual; NaN where not known."""
        own = self.responses.of_group(self.lags, group)
        others = np.isin(self.responses.group, self.responses.trusted) & (self.responses.group != group)
        known = self.lags[others & ~np.isnan(self.lags)]
        if not len(own):
            return float("nan")
        if len(self.responses.witnesses[group]) < LEAST_WITNESSES or not len(known):
            return float(own.mean())  # the other one is as much too early as this is too late
        return float(own.mean() - np.median(known))

    def margin(self, values: Array, group: int) -> float:
        """By how much the mean of a group may differ from the others by chance, two-sided, for all groups at once.

        Student's t times the standard error. Neurons vary as much as they do within groups, or as groups do where no
        group has two.
        """
        inside = {g: self.responses.of_group(values, g) for g in {*self.responses.trusted, group}}
        freedom = sum(max(0, len(v) - 1) for v in inside.values())
        if freedom:
            spread = float(np.sqrt(sum(((v - v.mean()) ** 2).sum() for v in inside.values() if len(v)) / freedom))
        else:
            known = np.concatenate(list(inside.values()))
            freedom = max(1, len(known) - 1)
            spread = 1.4826 * float(np.median(np.abs(known - np.median(known))))
        n_own, n_all = len(inside[group]), sum(map(len, inside.values()))
        if not n_own:
            return float("inf")  # nothing is known of the group
        error = spread * np.sqrt(1 / n_own + 1 / max(1, n_all - n_own))
        return float(stats.t.isf(FALSE_ALARMS / 2 / len(inside), freedom) * error)


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
