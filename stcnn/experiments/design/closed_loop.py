"""An experiment that chooses as it goes: after every presentation its traces come in, and the next stimulus comes out.

What is kept of the traces are sums, as of ``stcnn fit-neuron``: ``A = sum X^T X``, ``b = sum X^T y`` and ``sum y^2``.
From them follow the most probable weights, and how large they are against the noise (the evidence, MacKay 1992,
doi 10.1162/neco.1992.4.3.415), by which the next choice is weighed. What stimuli would tell is computed once for a
protocol (:func:`~stcnn.experiments.design.candidates.candidates`).

    loop = ClosedLoop(found, known_criterion("information"))
    name = loop.next()                       # show it
    loop.tell(name, {"lc11": trace})         # dF/F above grey at loop.candidates.sample_hz

Axes: U unit, R row, K sample, P unknown number.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from stcnn.errors import ConfigError, ShapeError
from stcnn.experiments.design.candidates import Candidates
from stcnn.experiments.design.criteria import Criterion, worth_of
from stcnn.experiments.design.gaussian import Array, Gaussian, by_rank
from stcnn.metrics.regression import CORRELATION_S

RATIOS = 2.0 ** np.arange(-10, 7)
"""Variances of the prior, against the expected one, among which the evidence chooses."""
PRIOR_SAMPLES = 4.0
"""Independent samples that the expected variance of the noise counts for."""


class ClosedLoop:
    """The state of an experiment.

    Args:
        candidates: stimuli, with what each would tell.
        criterion: what a stimulus is worth.
        grey_s: grey after every stimulus, which it costs too.
        most_times: how often a stimulus may be shown.
        aim: stimuli that are to be predicted in the end, for a criterion that heeds them; None is the candidates.
    """

    def __init__(
        self,
        candidates: Candidates,
        criterion: Criterion,
        grey_s: float = 1.0,
        most_times: int = 1,
        aim: Candidates | None = None,
    ) -> None:
        n_units = len(candidates.units)
        n_unknown = candidates.rows.shape[-1]
        self.candidates = candidates
        self.criterion = criterion
        self.most_times = most_times
        self.cost_s = candidates.duration_s + grey_s
        self.times = np.zeros(len(candidates.names), dtype=int)
        self.ratio = np.ones(n_units)
        """Variance of the prior over that of the noise, against the expected one, of each unit."""
        self.noise = np.ones(n_units)
        """Variance of the noise, against the expected one."""
        self._groups = by_rank(candidates.rows)
        self._predicted = (aim or candidates).predicted
        self._thinned = min(1.0, 1 / (candidates.sample_hz * CORRELATION_S))
        self._products = np.zeros((n_units, n_unknown, n_unknown))
        self._answers = np.zeros((n_units, n_unknown))
        self._squares = np.zeros(n_units)
        self._n = np.zeros(n_units)

    def next(self) -> str:
        """Return the stimulus that is worth most per second, with all that was told.

        Raises:
            ConfigError: every stimulus was shown as often as it may be.
        """
        return self.candidates.names[int(np.argmax(self.worth() / self.cost_s))]

    def worth(self) -> Array:
        """What every stimulus is worth now, ``(S,)``; less than anything where it may not be shown again.

        Raises:
            ConfigError: as :meth:`next`.
        """
        if (self.times >= self.most_times).all():
            raise ConfigError(
                f"all {len(self.times)} stimuli were shown {self.most_times} times", remedy="allow them more often"
            )
        root = np.sqrt(self.ratio)[:, None, None]
        known = Gaussian(np.eye(self._products.shape[-1]) + root**2 * self._products)
        groups = [(places, root * rows) for places, rows in self._groups]
        worth = worth_of(self.criterion, known, groups, root**2 * self._predicted)
        return np.where(self.times < self.most_times, worth, -np.inf)

    def tell(self, name: str, traces: Mapping[str, ArrayLike]) -> None:
        """Take in what was recorded while a stimulus was shown.

        Args:
            name: of the stimulus.
            traces: dF/F above grey of each unit, at ``candidates.sample_hz`` from its first frame on, ``(K,)``; not a
                number where nothing was recorded. Units that were not recorded are left out.

        Raises:
            ConfigError: there is no such stimulus or unit.
            ShapeError: a trace is no list of numbers, or longer than the stimulus.
        """
        number = self.candidates.number(name)
        for unit, trace in traces.items():
            if unit not in self.candidates.units:
                raise ConfigError(f"the loop has no unit '{unit}'", expected=", ".join(self.candidates.units))
            place = self.candidates.units.index(unit)
            self._add(place, number, np.asarray(trace, float) / self.candidates.noise_dff[place])
        self.times[number] += 1
        for place in range(len(self.ratio)):
            self._weigh(place)

    def _add(self, place: int, number: int, trace: Array) -> None:
        features = self.candidates.features[place][number]
        if trace.ndim != 1 or len(trace) > len(features):
            raise ShapeError(
                f"the trace of '{self.candidates.names[number]}' has shape {trace.shape}",
                expected=f"({len(features)},) or fewer samples",
            )
        recorded = np.isfinite(trace)
        x = features[: len(trace)][recorded]
        y = (trace - self.candidates.expected[place][number][: len(trace)])[recorded]
        self._products[place] += self._thinned * (x.T @ x)
        self._answers[place] += self._thinned * (x.T @ y)
        self._squares[place] += self._thinned * float(y @ y)
        self._n[place] += self._thinned * len(y)

    def _weigh(self, place: int) -> None:
        """Choose the ratio by the evidence, and the noise that goes with it."""
        strength, axes = np.linalg.eigh(self._products[place])
        strength = np.maximum(strength, 0)
        along = (axes.T @ self._answers[place]) ** 2
        shrunk = 1 + RATIOS[:, None] * strength
        n = self._n[place] + PRIOR_SAMPLES
        errors = self._squares[place] + PRIOR_SAMPLES - (RATIOS[:, None] * along / shrunk).sum(1)
        noise = np.maximum(errors, 1e-12) / n
        evidence = -0.5 * np.log(shrunk).sum(1) - 0.5 * n * np.log(noise)
        best = int(np.argmax(evidence))
        self.ratio[place] = RATIOS[best]
        self.noise[place] = noise[best]

    def weights(self) -> Array:
        """The most probable weights, ``(U, P)``."""
        n_unknown = self._products.shape[-1]
        precision = np.eye(n_unknown) / self.ratio[:, None, None] + self._products
        return np.asarray(np.linalg.solve(precision, self._answers[..., None])[..., 0], np.float64)

    def predict(self, name: str) -> dict[str, Array]:
        """Predict what each unit answers to a stimulus, dF/F above grey, ``(K,)``."""
        number = self.candidates.number(name)
        found = {}
        for place, (unit, weights) in enumerate(zip(self.candidates.units, self.weights(), strict=True)):
            rise = self.candidates.expected[place][number] + self.candidates.features[place][number] @ weights
            found[unit] = rise * self.candidates.noise_dff[place]
        return found
