"""Explained variance and correlation of one known model, estimated from two to ten trials: which scores are biased.

    python benchmarks/few_trials.py

400 neurons, noise as strong as the signal that lasts from sample to sample and drifts; the model has the right time
course and 0.6 of the strength, so that it explains 84 % of the explainable variance and correlates perfectly with the
noise-free response. Results go to ``benchmarks/results/few_trials.json``, the figure to ``docs/images/few_trials.png``.
"""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
from record import ROOT, arguments, write

from stcnn.metrics import Moments
from stcnn.viz.theme import LIGHT, PALETTE, themed

STRENGTH = 0.6
TRUTH = {"explained": 1 - (1 - STRENGTH) ** 2, "correlation": 1.0}
SCORES = {
    "feve": ("explained", "FEVE"),
    "naive": ("explained", "variance explained, noise and all"),
    "normalised_correlation": ("correlation", "normalised correlation"),
    "correlation": ("correlation", "correlation with the trial mean"),
}


def neurons(n_trials: int, n_neurons: int, n_stimuli: int, rng: np.random.Generator) -> Iterator[Moments]:
    """Sums of each neuron over all its stimuli."""
    time = np.arange(60)
    for _ in range(n_neurons):
        parts = []
        for _ in range(n_stimuli):
            signal = np.sin(time / 5 + rng.uniform(0, 6))
            drift = 0.2 * rng.standard_normal((n_trials, 1)) + 0.01 * rng.standard_normal((n_trials, 1)) * time
            noise = np.repeat(0.6 * rng.standard_normal((n_trials, 20)), 3, axis=1)
            parts.append(Moments.of_trial_mean(STRENGTH * signal, signal + drift + noise))
        yield Moments.stacked(parts).weighted(np.ones(n_stimuli))


def scores(sums: Moments) -> dict[str, float]:
    """The scores of a neuron."""
    return {
        "feve": float(sums.explained()),
        "naive": float(1 - sums.error / (sums.yy - sums.y**2 / sums.n)),
        "normalised_correlation": float(sums.normalised_correlation()),
        "correlation": float(sums.correlation()),
    }


def draw(rows: list[dict[str, float]]) -> None:
    """Draw mean and middle half of the neurons against the number of trials."""
    with themed():
        figure, panels = plt.subplots(1, 2, figsize=(7.4, 2.9), layout="constrained")
        for axes, kind in zip(panels, TRUTH, strict=True):
            axes.axhline(TRUTH[kind], color=LIGHT.ink, lw=1, ls=":", label="truth")
            for (name, (of, label)), place in zip(SCORES.items(), (0, 1, 0, 1), strict=True):
                if of == kind:
                    x = np.array([row["n_trials"] for row in rows]) + 0.12 * (2 * place - 1)
                    y = np.array([row[f"{name}_mean"] for row in rows])
                    ends = np.array([[row[f"{name}_{end}"] for row in rows] for end in ("low", "high")])
                    axes.errorbar(x, y, np.abs(ends - y), fmt="o-", ms=4, lw=1, color=PALETTE[place], label=label)
            axes.set(xlabel="trials", xticks=range(2, 11), ylabel="share" if kind == "explained" else "correlation")
            axes.legend(loc="lower right")
        figure.savefig(ROOT / "docs" / "images" / "few_trials.png", dpi=150)


def main() -> None:
    options = arguments(__doc__, neurons=(400, "neurons"), stimuli=(8, "stimuli of each neuron"))
    rows = []
    for n_trials in range(2, 11):
        rng = np.random.default_rng(n_trials)
        found = [scores(sums) for sums in neurons(n_trials, options.neurons, options.stimuli, rng)]
        row: dict[str, float] = {"n_trials": n_trials}
        for name in SCORES:
            values = np.array([score[name] for score in found])
            row |= {f"{name}_mean": float(np.nanmean(values))}
            row |= {
                f"{name}_low": float(np.nanquantile(values, 0.25)),
                f"{name}_high": float(np.nanquantile(values, 0.75)),
            }
        rows.append(row)
    write("few_trials", rows, truth=TRUTH, neurons=options.neurons, stimuli=options.stimuli)
    draw(rows)


if __name__ == "__main__":
    main()
