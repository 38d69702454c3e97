"""Finds stimuli whose labels look exchanged in an animal: each response is like what all others give to the other one.

For every pair of stimuli the responses of an animal are projected on the difference of what is expected. By how much
that projection scatters in recordings without a fault is taken from all pairs of all animals: a part that grows with
the length of the difference (noise), and one that grows with the responses themselves (an animal answers more strongly
in one trial than in another). An exchange must lie beyond Student's t of that scatter for all pairs together, and be
nearer to exchanged than to right.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stcnn.data.consistency import FALSE_ALARMS, Deviation, Responses

MOST_LIKE_OTHER = -0.5
"""Likeness to the own rather than to the other stimulus, 1 in the mean of all, below which labels look exchanged."""
MEDIAN_SQUARE = float(stats.chi2.ppf(0.5, 1))
"""Median of the square of a standard normal number."""

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def exchanged_labels(responses: Responses) -> Iterator[Deviation]:
    """Pairs of stimuli whose responses in a group each resemble what all others give to the other one."""
    names = list(responses.means)
    found = [Likeness(len(names)) for _ in responses.names]
    for neuron, group in enumerate(responses.group.tolist()):
        found[group].add(responses, neuron)
    trusted = set(responses.trusted)
    suspects = [own.is_reversed & beyond for own, beyond in zip(found, beyond_chance(found), strict=True)]
    for group, own in enumerate(found):
        counterpart = responses.witnesses[group]
        if not counterpart:
            continue
        if group in trusted and len(counterpart) == 1:  # each of two must say so; it is said once, of both
            if counterpart[0] < group:
                continue
            suspects[group] &= suspects[counterpart[0]]
        taken: set[int] = set()
        pairs = [(a, b) for a, b in combinations(range(len(names)), 2) if suspects[group][a, b]]
        for a, b in sorted(pairs, key=lambda pair: float(own.total[pair])):
            if not taken & {a, b}:
                taken |= {a, b}
                reason = f"the responses to '{names[a]}' and '{names[b]}' look exchanged"
                yield responses.deviation("label", group, reason)


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
        product /= gain
        both = np.outer(x.any(1) & r.any(1), x.any(1) & r.any(1))
        lengths = np.diagonal(power)
        own = both * ((np.diagonal(product)[:, None] - product) - (lengths[:, None] - lengths) / 2)
        self.own += own
        self.total += own + own.T
        self.scale += both * (lengths[:, None] - 2 * power + lengths)
        self.strength += both * (lengths[:, None] - power)
        self.product += np.diagonal(product)
        self.power += lengths

    @property
    def is_reversed(self) -> Mask:
        """Whether both responses are more like the other one's, ``(S, S)``."""
        return (self.total < MOST_LIKE_OTHER * self.scale) & (self.own < 0) & (self.own.T < 0)

    @property
    def gains(self) -> Array:
        """Strength of the response to each stimulus that is known, 1 where it is as expected."""
        known = self.power > np.median(self.power)
        return self.product[known] / self.power[known]


def beyond_chance(found: list[Likeness]) -> list[Mask]:
    """Whether each pair of stimuli in each group differs from the expected by more than recordings scatter."""
    upper = np.triu_indices(len(found[0].power), 1)
    squares = np.stack([(own.total - own.scale) ** 2 for own in found])
    scales = np.stack([own.scale for own in found])
    strengths = np.stack([own.strength**2 + own.strength.T**2 for own in found])
    known = scales[:, *upper] > 0
    if not known.any():
        return [np.zeros_like(own.scale, bool) for own in found]
    gains = np.concatenate([own.gains - np.median(own.gains) for own in found if len(own.gains)] or [np.zeros(1)])
    gain_variance = (1.4826 * float(np.median(np.abs(gains)))) ** 2
    samples = (values[:, *upper][known] for values in (squares, scales, strengths))
    variance = noise_variance(*samples, gain_variance) * scales + gain_variance * strengths
    freedom = max(1, (len(found) - 1) * (len(found[0].power) - 1))
    threshold = stats.t.isf(FALSE_ALARMS / int(known.sum()), freedom)
    return list(squares > threshold**2 * variance)


def noise_variance(squares: Array, scales: Array, strengths: Array, gain_variance: float) -> float:
    """Variance along a difference of unit length with which the median deviation is as in a normal distribution."""
    low, high = 0.0, float((squares / scales).max()) / MEDIAN_SQUARE + 1e-30
    for _ in range(60):
        middle = (low + high) / 2
        if np.median(squares / (middle * scales + gain_variance * strengths + 1e-300)) > MEDIAN_SQUARE:
            low = middle
        else:
            high = middle
    return high
