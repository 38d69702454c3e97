"""Bootstrap confidence intervals for scores of few neurons.

The units that are drawn again are those that a repetition of the experiment would draw anew: animals, else neurons,
and for the score of a single neuron its stimuli. A unit is drawn whole, with everything recorded from it. Drawing
within the units once more would count the variation within them twice (Davison & Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from scipy import special, stats

from stcnn.metrics.moments import Values

Scale = Literal["plain", "arcsine", "fisher", "inverse_root", "log_odds", "unexplained"]
"""On which the standard error of a score depends least on the score itself, see :data:`SCALES`."""

N_DRAWS = 2000
LEVEL = 0.95
MOST_UNDEFINED = 0.05
"""Share of bootstrap samples without a score above which there is no interval."""


class Interval(NamedTuple):
    """Ends of a confidence interval; NaN where there is none."""

    low: float
    high: float


def half_of_mean(values: Values) -> Values:
    """Half the 95 % interval of the mean of independent values, by Student's t.

    Args:
        values: ``(n, ...)``.

    Returns:
        ``(...)``; zero for a single value, which has no interval.
    """
    n = len(values)
    if n < 2:
        return np.zeros(values.shape[1:])
    return np.asarray(special.stdtrit(n - 1, (1 + LEVEL) / 2) * values.std(0, ddof=1) / np.sqrt(n))


def reach_of_another(values: Values) -> Values:
    """Half the 95 % interval around the mean that one more such value falls into, by Student's t.

    Args:
        values: ``(n, ...)``.

    Returns:
        ``(...)``; NaN for a single value.
    """
    n = len(values)
    if n < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(special.stdtrit(n - 1, (1 + LEVEL) / 2) * values.std(0, ddof=1) * np.sqrt(1 + 1 / n))


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

    The standard error is half the middle 68 % of the bootstrap samples, on the scale of the score (:data:`SCALES`):
    ratios such as explained variance have tails that would swell a standard deviation. It is freed of its bias for few
    units by ``sqrt(G / (G - 1))``, and Student's t with G - 1 degrees of freedom makes up for its own uncertainty.
    Percentiles, which have neither correction, are too narrow below some twenty units (Hesterberg 2015,
    doi 10.1080/00031305.2015.1089789; measured in benchmarks/coverage.py).

    Args:
        score: of the units themselves.
        draws: of the bootstrap samples, ``(n_draws,)``.
        n_units: number of units G.
        scale: scale of the score.
        level: share of experiments in which the interval is to hold the true score.

    Returns:
        Ends of the interval; the upper one of an error is infinite where a few units cannot bound it.
    """
    finite = draws[np.isfinite(draws)]
    if n_units < 2 or not np.isfinite(score) or len(finite) < (1 - MOST_UNDEFINED) * len(draws):
        return Interval(float("nan"), float("nan"))
    if scale == "log_odds" and min(score, np.quantile(finite, MIDDLE[0])) <= 0:
        scale = "fisher"  # there may be no signal at all
    forth, back = SCALES[scale]
    with np.errstate(over="ignore", divide="ignore"):
        lower, upper = np.quantile(forth(finite), MIDDLE)
        spread = (upper - lower) / 2 * np.sqrt(n_units / (n_units - 1))
        reach = stats.t.ppf(0.5 + level / 2, n_units - 1) * spread
        centre = forth(np.asarray(score))
        return Interval(float(back(centre - reach)), float(back(centre + reach)))


NEARLY_ONE = 1 - 1e-9
NEARLY_NONE = 1e-300
KNEE = 0.1
MIDDLE = stats.norm.cdf((-1, 1))
SCALES: dict[Scale, tuple[Callable[[Values], Values], Callable[[Values], Values]]] = {
    "plain": (lambda x: x, lambda z: z),
    "arcsine": (lambda x: np.arcsin(np.clip(x, -1, 1)), lambda z: np.sin(np.clip(z, -np.pi / 2, np.pi / 2))),
    "fisher": (lambda x: np.arctanh(np.clip(x, -NEARLY_ONE, NEARLY_ONE)), np.tanh),
    "inverse_root": (lambda x: -1 / np.sqrt(np.maximum(x, NEARLY_NONE)), lambda z: np.minimum(z, 0.0) ** -2.0),
    "log_odds": (lambda x: special.logit(np.clip(x, 1 - NEARLY_ONE, NEARLY_ONE)), special.expit),
    "unexplained": (lambda x: -np.arcsinh((1 - x) / KNEE), lambda z: 1 + KNEE * np.sinh(z)),
}
"""Each scale and its inverse.

* ``fisher``: correlations (Fisher 1915), and shares of the variance that may be below zero.
* ``arcsine``: a correlation that is close to 1, which Fisher's z would stretch without end.
* ``log_odds``: shares of the variance that is signal: the logarithm of the ratio of signal to noise.
* ``inverse_root``: mean squared errors. Neurons differ in strength and noise by factors (Buzsaki & Mizuseki 2014,
  doi 10.1038/nrn3687). The sample variance of a mean of values x grows with that mean to the power of their skewness
  over their coefficient of variation, because Cov(mean, variance) is the third central moment over G; that is
  ``exp(s^2) + 2``, about 3, where log x has the standard deviation s. The power transformation whose standard error
  then stays the same is that to -1/2 (Box & Cox 1964, doi 10.1111/j.2517-6161.1964.tb00553.x); the logarithm belongs
  to a power of 2, that is to gamma-like values, and its intervals end too low.
* ``unexplained``: explained fractions, whose rest is a ratio: the inverse hyperbolic sine of the rest (Burbidge, Magee
  & Robb 1988, doi 10.1080/01621459.1988.10478575), its logarithm above a tenth and itself below, where chance may make
  it negative.
"""
