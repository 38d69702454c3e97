"""Finds stimuli whose labels look exchanged in an animal: each response is like what all others give to the other one.

For every pair of stimuli the responses of an animal are projected on the difference of what is expected. By how much
that projection scatters in recordings without a fault is taken from all pairs of all animals: a part that grows with
the length of the difference (noise), and one that grows with the responses themselves (an animal answers more strongly
in one trial than in another). An exchange must lie beyond Student's t of that scatter for all pairs together, and be
nearer to exchanged than to right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stcnn.data.audit.consistency import FALSE_ALARMS
from stcnn.data.audit.responses import LEAST_WITNESSES, Deviation, Responses, responses_without

MOST_LIKE_OTHER = -0.5
"""Likeness to the own rather than to the other stimulus, 1 in the mean of all, below which labels look exchanged."""
NEURON_SIGMAS = 4.0
"""So many standard errors over its neurons an animal must be nearer to exchanged than to right."""
MEDIAN_SQUARE = float(stats.chi2.ppf(0.5, 1))
"""Median of the square of a standard normal number."""

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def exchanged_labels(responses: Responses) -> Iterator[Deviation]:
    """Pairs of stimuli whose responses in a group each resemble what all others give to the other one.

    Single neurons are not compared: they share the labels of their session, and differ in their tuning.
    """
    if responses.by == "neuron":
        return
    names = list(responses.means)
    cleared: set[int] = set()
    while True:
        found = likenesses(responses)
        pairs = {group: reversed_pairs(found, responses, group) for group in found.keys() - cleared}
        lowest = {group: min(float(found[group].total[pair]) for pair in own) for group, own in pairs.items() if own}
        if not lowest:
            return
        group = min(lowest, key=lambda group: lowest[group])
        exchanged = pairs[group]
        without = responses
        if len(responses.witnesses[group]) >= LEAST_WITNESSES:
            without = responses_without(responses, [group])  # the others must agree once it is left out
            beyond = beyond_others({**likenesses(without), group: found[group]}, group)
            exchanged = [pair for pair in exchanged if beyond[pair]]
        for a, b in disjoint(exchanged, found[group]):
            alone = is_alone((a, b), pairs[group])
            reason = f"the responses to '{names[a]}' and '{names[b]}' look exchanged"
            reason += "" if alone else ", one of them with others too: it may be an odd response"
            deviation = responses.deviation("label", group, reason, red=alone)
            cleared |= set(deviation.groups)
            yield deviation
        responses = without if exchanged else responses
        cleared.add(group)


def likenesses(responses: Responses) -> dict[int, Likeness]:
    """The likeness of each trusted group that can be held against another."""
    found = {g: Likeness(len(responses.means)) for g in responses.trusted if responses.witnesses[g]}
    for neuron, g in enumerate(responses.group.tolist()):
        if g in found:
            found[g].add(responses, neuron)
    return found


def reversed_pairs(found: Mapping[int, Likeness], responses: Responses, group: int) -> list[tuple[int, int]]:
    """Pairs of stimuli that look exchanged in a group; of two groups each must say so."""
    suspect = found[group].is_reversed & beyond_chance(found, group)
    witnesses = responses.witnesses[group]
    if len(witnesses) < LEAST_WITNESSES:
        suspect &= found[witnesses[0]].is_reversed & beyond_chance(found, witnesses[0])
    return [(a, b) for a, b in combinations(range(len(suspect)), 2) if suspect[a, b]]


def disjoint(pairs: Sequence[tuple[int, int]], own: Likeness) -> Iterator[tuple[int, int]]:
    """Of several pairs those that share no stimulus, the surest first."""
    taken: set[int] = set()
    for a, b in sorted(pairs, key=lambda pair: float(own.total[pair])):
        if not taken & {a, b}:
            taken |= {a, b}
            yield a, b


def is_alone(pair: tuple[int, int], suspect: Sequence[tuple[int, int]]) -> bool:
    """Whether no other suspect pair has a stimulus of this one.

    Where two labels were exchanged, the response to any third stimulus is that to itself still, so that only the two
    look exchanged. A stimulus that looks exchanged with several was answered oddly, as small ones are that miss some
    receptive fields: of clean sets of five animals this called 2 of 80 red.
    """
    return not any(pair != other and set(pair) & set(other) for other in suspect)


class Likeness:
    """How far the responses of a group are those to their own stimulus rather than to another, for all pairs.

    With the responses x and the expected ones r to stimuli a and b, and ``d = r_a - r_b``, each neuron adds
    ``(x_a - (r_a + r_b) / 2) . d`` (toward the own stimulus), the same for b, and the squared length of d, which the
    two sum up to where responses are as expected; they sum up to minus that where the labels were exchanged. A response
    that is stronger than expected by a share e adds ``e r_a . d``.
    """

    def __init__(self, n_stimuli: int) -> None:
        self.own, self.total, self.scale, self.strength = np.zeros((4, n_stimuli, n_stimuli))
        self.product, self.power = np.zeros((2, n_stimuli))
        self.n_neurons = 0
        self.moments = np.zeros((3, n_stimuli, n_stimuli))

    def add(self, responses: Responses, neuron: int) -> None:
        """Add a neuron; one that answers upside down says nothing about labels."""
        x, r = np.zeros((2, len(responses.means), max(means.shape[1] for means in responses.means.values())))
        for row, (stimulus, means) in enumerate(responses.means.items()):
            mean = means[neuron]
            expected = responses.expected[stimulus][neuron]
            if not (np.isnan(mean).any() or np.isnan(expected).any()):
                x[row, : len(mean)] = mean
                r[row, : len(mean)] = expected
        power = r @ r.T
        product = x @ r.T
        gain = np.trace(product) / max(np.trace(power), 1e-30)
        if gain <= 0:
            return
        product /= gain
        both = np.outer(x.any(1) & r.any(1), x.any(1) & r.any(1))
        lengths = np.diagonal(power)
        own = both * ((np.diagonal(product)[:, None] - product) - (lengths[:, None] - lengths) / 2)
        self.own += own
        self.total += own + own.T
        scale = both * (lengths[:, None] - 2 * power + lengths)
        self.scale += scale
        self.n_neurons += 1
        self.moments += np.stack([(own + own.T) ** 2, (own + own.T) * scale, scale**2])
        self.strength += both * (lengths[:, None] - power)
        self.product += np.diagonal(product)
        self.power += lengths

    @property
    def is_reversed(self) -> Mask:
        """Whether both responses are more like the other one's, by more than its neurons differ in that, ``(S, S)``."""
        share = np.divide(self.total, self.scale, out=np.ones_like(self.scale), where=self.scale > 0)
        residual = self.moments[0] - 2 * share * self.moments[1] + share**2 * self.moments[2]
        freedom = max(1, self.n_neurons - 1)
        error = np.sqrt(np.maximum(residual, 0) * self.n_neurons / freedom) if self.n_neurons > 1 else 0.0
        return (share < MOST_LIKE_OTHER) & (self.own < 0) & (self.own.T < 0) & (self.total < -NEURON_SIGMAS * error)

    @property
    def squares(self) -> Array:
        """Square of what the likeness of each pair is off by, ``(S, S)``."""
        return (self.total - self.scale) ** 2

    @property
    def gains(self) -> Array:
        """Strength of the response to each stimulus that is known, 1 where it is as expected."""
        known = self.power > np.median(self.power)
        return self.product[known] / self.power[known]


def beyond_chance(found: Mapping[int, Likeness], group: int) -> Mask:
    """Whether each pair of stimuli in a group differs from the expected by more than pairs of all groups scatter."""
    return found[group].squares > threshold(found) * scatter(found)[list(found).index(group)]


def beyond_others(found: Mapping[int, Likeness], group: int) -> Mask:
    """Whether each pair differs from the expected by more than chance, and than this pair does in the other groups."""
    variance = scatter(found)
    place = list(found).index(group)
    squares = np.stack([one.squares for one in found.values()])
    surprise = np.divide(squares, variance, out=np.zeros_like(squares), where=variance > 0)
    return surprise[place] > threshold(found) * np.maximum(1, np.delete(surprise, place, axis=0).mean(0))


def threshold(found: Mapping[int, Likeness]) -> float:
    """Square of Student's t that one of all pairs of all groups exceeds by chance in one of a thousand clean sets."""
    n_stimuli = len(next(iter(found.values())).power)
    n_pairs = len(found) * n_stimuli * (n_stimuli - 1) // 2
    freedom = max(1, (len(found) - 1) * (n_stimuli - 1))
    return float(stats.t.isf(FALSE_ALARMS / max(1, n_pairs), freedom)) ** 2


def scatter(found: Mapping[int, Likeness]) -> Array:
    """Variance of what the likeness of each pair is off by, ``(G, S, S)``."""
    every = list(found.values())
    rows, columns = np.triu_indices(len(every[0].power), 1)
    squares = np.stack([one.squares for one in every])
    scales = np.stack([one.scale for one in every])
    strengths = np.stack([one.strength**2 + one.strength.T**2 for one in every])
    known = scales[:, rows, columns] > 0
    if not known.any():
        return np.zeros_like(scales)
    gains = np.concatenate([one.gains - np.median(one.gains) for one in every if len(one.gains)] or [np.zeros(1)])
    gain_variance = (1.4826 * float(np.median(np.abs(gains)))) ** 2
    on, long, strong = (values[:, rows, columns][known] for values in (squares, scales, strengths))
    return noise_variance(on, long, strong, gain_variance) * scales + gain_variance * strengths


def noise_variance(squares: Array, scales: Array, strengths: Array, gain_variance: float) -> float:
    """Variance along a difference of unit length with which the median deviation is as in a normal distribution."""
    low = 0.0
    high = float((squares / scales).max()) / MEDIAN_SQUARE + 1e-30
    for _ in range(60):
        middle = (low + high) / 2
        if np.median(squares / (middle * scales + gain_variance * strengths + 1e-300)) > MEDIAN_SQUARE:
            low = middle
        else:
            high = middle
    return high
