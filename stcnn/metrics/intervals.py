"""Bootstrap confidence intervals for scores of few neurons.

The units that are drawn again are those that a repetition of the experiment would draw anew: animals, else neurons,
and for the score of a single neuron its stimuli. A unit is drawn whole, with everything recorded from it. Drawing
within the units once more would count the variation within them twice (Davison & Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats

from stcnn.metrics.moments import Values

Scale = Literal["plain", "bounded", "fisher", "log", "log_unexplained"]
"""On which a score is closest to normal: as it is, perhaps within -1..1; correlations by Fisher's z; errors by their
logarithm; explained fractions by the logarithm of the rest, ``-log(1 - x)``, unless they may be 1."""

N_DRAWS = 2000
LEVEL = 0.95
MOST_UNDEFINED = 0.05
"""Share of bootstrap samples without a score above which there is no interval."""


class Interval(NamedTuple):
    """Ends of a confidence interval; NaN where there is none."""

    low: float
    high: float


def bootstrap_counts(n_units: int, n_draws: int = N_DRAWS, seed: int = 0) -> Values:
    """How often each unit is drawn in each bootstrap sample.

    Args:
        n_units: number of units G.
        n_draws: number of bootstrap samples D.
        seed: the same seed gives the same samples, so that differences between models can be paired.

    Returns:
        ``(D, G)``; each row sums to G.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_units, np.full(n_units, 1 / n_units), n_draws).astype(float)


def interval(score: float, draws: Values, n_units: int, scale: Scale = "plain", level: float = LEVEL) -> Interval:
    """Confidence interval of a score from its bootstrap samples.

    The standard error is half the middle 68 % of the bootstrap samples, on the scale on which the score is closest to
    normal: ratios such as explained variance have tails that would swell a standard deviation. It is freed of its bias
    for few units by ``sqrt(G / (G - 1))``, and Student's t with G - 1 degrees of freedom makes up for its own
    uncertainty. Percentiles, which have neither correction, are too narrow below some twenty units (Hesterberg 2015,
    doi 10.1080/00031305.2015.1089789; measured in benchmarks/coverage.py).

    Args:
        score: of the units themselves.
        draws: of the bootstrap samples, ``(n_draws,)``.
        n_units: number of units G.
        scale: scale of the score.
        level: share of experiments in which the interval is to hold the true score.
    """
    finite = draws[np.isfinite(draws)]
    if n_units < 2 or not np.isfinite(score) or len(finite) < (1 - MOST_UNDEFINED) * len(draws):
        return Interval(float("nan"), float("nan"))
    if scale == "log_unexplained" and max(score, np.quantile(finite, MIDDLE[1])) >= 1:
        scale = "plain"
    forth, back = SCALES[scale]
    with np.errstate(over="ignore"):
        lower, upper = np.quantile(forth(finite), MIDDLE)
        spread = (upper - lower) / 2 * np.sqrt(n_units / (n_units - 1))
        reach = stats.t.ppf(0.5 + level / 2, n_units - 1) * spread
        centre = forth(np.asarray(score))
        return Interval(float(back(centre - reach)), float(back(centre + reach)))


NEARLY_ONE = 1 - 1e-9
MIDDLE = stats.norm.cdf((-1, 1))
SCALES: dict[Scale, tuple[Callable[[Values], Values], Callable[[Values], Values]]] = {
    "plain": (lambda x: x, lambda z: z),
    "bounded": (lambda x: x, lambda z: np.clip(z, -1, 1)),
    "fisher": (lambda x: np.arctanh(np.clip(x, -NEARLY_ONE, NEARLY_ONE)), np.tanh),
    "log": (lambda x: np.log(np.maximum(x, 1e-300)), np.exp),
    "log_unexplained": (lambda x: -np.log(np.maximum(1 - x, 1e-6)), lambda z: 1 - np.exp(-z)),
}
