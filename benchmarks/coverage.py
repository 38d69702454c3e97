"""How often a 95 % interval holds the true score: simulated experiments whose true scores are known.

    python benchmarks/coverage.py           200 experiments of each size, three minutes on one core
    python benchmarks/coverage.py --sets 1000   what docs/scores.md shows, a quarter of an hour

An experiment has a few animals with a few neurons each, six stimuli and three trials; gains, noise and how well a fixed
model fits differ between animals and neurons, noise lasts from sample to sample and drifts. The true score is that of
1,000 animals at least. Results go to ``benchmarks/results/coverage.json``.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from record import arguments, write
from scipy import stats
from scipy.signal import lfilter

from stcnn.evaluate.metric import METRICS
from stcnn.evaluate.responses import Response
from stcnn.evaluate.tables import Evaluation
from stcnn.metrics.intervals import SCALES, bootstrap_counts, interval

N_STIMULI, N_TRIALS, N_SAMPLES, RATE_HZ = 6, 3, 60, 30.0
LEAST_ANIMALS = 1000  # of the truth
GOOD, POOR = (1.0, 0.0, 0.03), (0.6, 0.15, 0.2)
"""How a model is wrong: in gain, by an offset (dF/F), by a delay (s)."""
SIZES = {
    "5 animals": (5, 1, GOOD),
    "8 animals": (8, 1, GOOD),
    "16 animals": (16, 1, GOOD),
    "5 animals of 8 neurons": (5, 8, GOOD),
    "8 animals, poor model": (8, 1, POOR),
}


def responses_to_stimuli(wrong_by: tuple[float, float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Noise-free responses and what a model that is wrong in strength and timing predicts, ``(stimuli, S)``, dF/F."""
    factor, offset_dff, delay_s = wrong_by
    rng = np.random.default_rng(7)
    time_s = np.arange(N_SAMPLES) / RATE_HZ - 0.3
    peak_s, strength = rng.uniform(0.4, 1.0, N_STIMULI), rng.uniform(0, 1, N_STIMULI)
    strength[0] = 0
    wrong = strength * rng.uniform(0.7, 1.3, N_STIMULI)
    course = partial(_course, time_s)
    signal = np.stack([a * course(at_s) for a, at_s in zip(strength, peak_s, strict=True)])
    late = np.stack([a * course(at_s + delay_s) for a, at_s in zip(wrong, peak_s, strict=True)])
    return signal, offset_dff + factor * late


def _course(time_s: NDArray[np.float64], peak_s: float) -> NDArray[np.float64]:
    return np.exp(-0.5 * ((time_s - peak_s) / 0.2) ** 2)


def experiment(
    n_animals: int, n_neurons: int, wrong_by: tuple[float, float, float], rng: np.random.Generator
) -> Evaluation:
    """Record an experiment and evaluate the model on it."""
    signal, predicted = responses_to_stimuli(wrong_by)
    time_s = np.arange(N_SAMPLES) / RATE_HZ - 0.3
    rows, found = [], []
    for animal in range(n_animals):
        animal_gain, own = rng.lognormal(0, 0.2), 0.15 * rng.standard_normal((N_STIMULI, 1))
        for neuron in range(n_neurons):
            gain, sigma = animal_gain * rng.lognormal(0, 0.2), 0.3 * rng.lognormal(0, 0.3)
            truth = gain * (1 + own) * signal
            white = rng.standard_normal((N_STIMULI, N_TRIALS, N_SAMPLES))
            noise = sigma * lfilter([np.sqrt(1 - 0.6**2)], [1, -0.6], white)
            trials = truth[:, None] + noise + 0.05 * rng.standard_normal((N_STIMULI, N_TRIALS, 1))
            for stimulus in range(N_STIMULI):
                guess, mean = gain * predicted[stimulus], trials[stimulus].mean(0)
                found.append(Response(0, time_s, guess, mean, trials[stimulus], N_TRIALS, RATE_HZ))
                rows.append(("type", f"{animal}_{neuron}", str(animal), str(stimulus), N_TRIALS, "family"))
    table = pd.DataFrame(rows, columns=["cell_type", "neuron", "animal", "stimulus", "n_trials", "family"])
    return Evaluation.of_responses(found, table)


def ends(method: str, score: float, draws: NDArray[np.float64], n_units: int, scale: str) -> tuple[float, float]:
    """The interval of a method: ours, or one that is held against it."""
    if method == "t":
        return interval(score, draws, n_units, scale)  # type: ignore[arg-type]
    finite = draws[np.isfinite(draws)]
    if method == "percentile":
        low, high = np.quantile(finite, (0.025, 0.975))
    elif method == "expanded percentile":
        tail = stats.norm.cdf(np.sqrt(n_units / (n_units - 1)) * stats.t.ppf(0.025, n_units - 1))
        low, high = np.quantile(finite, (tail, 1 - tail))
    else:  # normal, on the same scale
        forth, back = SCALES[scale]
        reach = 1.96 * forth(finite).std()
        low, high = back(forth(np.float64(score)) - reach), back(forth(np.float64(score)) + reach)
    return float(low), float(high)


METHODS = ("t", "expanded percentile", "percentile", "normal")


def coverage(
    n_sets: int, size: tuple[int, int, tuple[float, float, float]], truth: dict[str, float], seed: int
) -> dict[str, dict[str, float]]:
    """Share of experiments whose interval holds the true score, by method and score."""
    held: dict[str, dict[str, list[bool]]] = {method: {score: [] for score in METRICS} for method in METHODS}
    for number in range(n_sets):
        evaluation = experiment(*size, np.random.default_rng([seed, number]))
        (group,) = evaluation.groups("cell_type")
        n_units = group.n_units
        score = evaluation.scores(group)
        draws = evaluation.scores(group, bootstrap_counts(n_units, seed=number))
        for method in METHODS:
            for name, metric in METRICS.items():
                low, high = ends(method, float(score[name][0]), draws[name], n_units, metric.scale)
                held[method][name].append(bool(low <= truth[name] <= high))
    return {m: {name: float(np.mean(hits)) for name, hits in by_score.items()} for m, by_score in held.items()}


def main() -> None:
    options = arguments(__doc__, sets=(200, "experiments of each size"), name=("coverage", "name of the results"))
    rows = []
    for number, (name, size) in enumerate(SIZES.items()):
        n_animals = max(2000 // size[1], LEAST_ANIMALS)
        whole = experiment(n_animals, *size[1:], np.random.default_rng(99))
        truth = {score: float(value[0]) for score, value in whole.scores(next(whole.groups("cell_type"))).items()}
        by_method = coverage(options.sets, size, truth, number)
        for score in METRICS:
            shares = {method: by_method[method][score] for method in METHODS}
            rows.append({"experiment": name, "score": score, "truth": truth[score], **shares})
    write(options.name, rows, sets=options.sets, level=0.95)


if __name__ == "__main__":
    main()
