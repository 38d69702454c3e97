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

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stcnn.data.audit.arrival import cross_correlations, peak
from stcnn.data.audit.responses import LEAST_WITNESSES, Deviation, Responses, responses_without

LARGEST_LAG_S = 0.5
FALSE_ALARMS = 1e-3
"""Chance with which one kind of comparison may raise an alarm in a clean set, shared by all that it compares."""
LEAST_LAG_SAMPLES = 1.5
LEAST_STIMULI = 4
"""Stimuli of a single neuron below which nothing is said about its lag."""
LEAST_MATCH = 0.3
"""Correlation with the mean of all below which nothing is said about lags."""

Array = NDArray[np.float64]


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
        if abs(lag) <= self.own_margin(group):
            return None
        names = self.responses.names
        witnesses = self.responses.witnesses[group]
        late = "later" if lag > 0 else "earlier"
        rate_hz = self.responses.rate_hz
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

    def own_margin(self, group: int) -> float:
        """How far the lag of a group of one neuron may be off because its responses say little; 0 of larger groups.

        Student's t times the standard error of the lag over stimuli, by the jackknife: each stimulus is left out once.
        """
        (members,) = np.nonzero(self.responses.group == group)
        if len(members) > 1:
            return 0.0
        neuron = int(members[0])
        stimuli = [name for name, means in self.responses.means.items() if not np.isnan(means[neuron, 0])]
        if len(stimuli) < LEAST_STIMULI:
            return float("inf")
        without = np.array([_lag_without(self.responses, neuron, [s for s in stimuli if s != out]) for out in stimuli])
        error = np.sqrt((len(stimuli) - 1) * np.mean((without - without.mean()) ** 2))
        return float(stats.t.isf(FALSE_ALARMS / 2 / len(self.responses.names), len(stimuli) - 1) * error)

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
        n_own = len(inside[group])
        n_all = sum(map(len, inside.values()))
        if not n_own:
            return float("inf")  # nothing is known of the group
        error = spread * np.sqrt(1 / n_own + 1 / max(1, n_all - n_own))
        return float(stats.t.isf(FALSE_ALARMS / 2 / len(inside), freedom) * error)


def _lag_without(responses: Responses, neuron: int, stimuli: list[str]) -> float:
    """The lag in samples of one neuron in the stimuli that are left."""
    largest = round(LARGEST_LAG_S * responses.rate_hz)
    total = np.zeros(2 * largest + 1)
    for stimulus in stimuli:
        own, expected = (values[stimulus][neuron : neuron + 1] for values in (responses.means, responses.expected))
        if not np.isnan(expected[0, 0]):
            total += cross_correlations(own, expected, largest)[0]
    return peak(total) - largest


def lags_and_matches(responses: Responses) -> tuple[Array, Array]:
    """For each neuron the lag in samples at which it resembles the others best, and the correlation at no lag."""
    largest = round(LARGEST_LAG_S * responses.rate_hz)
    n_neurons = len(responses.group)
    total = np.zeros((n_neurons, 2 * largest + 1))
    weight = np.zeros(n_neurons)
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
