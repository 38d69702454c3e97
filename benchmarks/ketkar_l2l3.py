"""L2 and L3 at a light level no model has seen: explained variance of the mean over flies, paired over flies.

    python benchmarks/recorded_sets.py ketkar_l2l3 ketkar_l2l3_spaced
    python benchmarks/comparisons.py ketkar_l2l3 --members 3 --baselines "linear filter,eye and linear filter,LN model"
    python benchmarks/ketkar_l2l3.py

The first two commands train three members and fit simple models; this one trains the variants of :data:`VARIANTS` that
are not there yet, and scores all of them on the light levels of ``split.test_families``: explained variance and
correlation of all samples of a type, and what is the most that the scatter of flies allows. Intervals draw flies with
replacement, the same for every model. Each call is a look at the held-out light levels. Results go to
``benchmarks/results/ketkar_l2l3.json``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from comparisons import ROOT, opened, trained
from luminance_steps import BEFORE_S, KEPT_BEFORE_S, RATE_HZ, levels
from numpy.typing import NDArray
from record import write
from recorded_sets import DATA, TO

from stcnn.config import validate
from stcnn.data import Dataset
from stcnn.data.splitting.splits import split_recordings
from stcnn.evaluate import Predictions
from stcnn.evaluate.ensemble import predict_together

VARIANTS = {
    "ours": [],
    "ours, no adaptation": ["model.eye.filter.adaptation_weight_init=[0,0]"],
    "ours, luminances equally spaced": [f"dataset.path={TO / 'ketkar_l2l3_spaced.zarr'}"],
}
SIMPLE = ("linear filter", "eye and linear filter", "LN model")
MOST_MEMBERS = {"ours, luminances equally spaced": 1}
N_DRAWS = 2000
Traces = dict[str, NDArray[np.float64]]
"""Cell type to what was predicted for all samples of all steps, one after the other."""


def held_out(overrides: Sequence[str], seed: int) -> tuple[Any, Dataset, Any]:
    """A trained run, its test set and how its batches are made."""
    run, _ = trained("ketkar_l2l3", seed, overrides)
    config = validate(run.config())
    data = config.open_dataset()
    return run, data.subset(split_recordings(data, config.split).test), config.batching


def joined(predictions: Predictions, data: Dataset) -> Traces:
    """Predictions of every type in the order of the names of stimuli."""
    each: dict[str, dict[str, NDArray[np.float64]]] = defaultdict(dict)
    for row, number in enumerate(predictions.item.tolist()):
        recording = data.recordings[number]
        scored = predictions.weight[row] > 0
        each[recording.cell_type][recording.stimulus] = predictions.prediction[row][scored].double().numpy()
    return {name: np.concatenate([traces[key] for key in sorted(traces)]) for name, traces in each.items()}


def measured(data: Dataset, n_samples: dict[str, int]) -> Traces:
    """Traces of every fly ``(flies, samples)`` in the same order, of every type."""
    names = {recording.stimulus for recording in data.recordings}
    found: Traces = {}
    for level in levels(DATA / "ketkar_l2l3"):
        if f"{level.name}_to0" in names:
            dropped = round((BEFORE_S[level.cell_type] - KEPT_BEFORE_S) * RATE_HZ)
            flies = level.traces[:, dropped:]
            scored = n_samples[level.cell_type] // flies.shape[2]
            found[level.cell_type] = flies[:, :scored].transpose(0, 2, 1).reshape(len(flies), -1)
    return found


def explained(predicted: NDArray[np.float64], flies: NDArray[np.float64], draws: NDArray[np.intp]) -> Any:  # noqa: ANN401
    """Share of the variance of the mean over flies that is explained, of every draw of flies."""
    means = np.stack([flies[draw].mean(0) for draw in draws])
    return 1 - np.square(means - predicted).mean(1) / means.var(1)


def predicted(seeds: Sequence[int]) -> tuple[dict[str, Traces], Dataset]:
    """What every variant, its members and their mean, and every simple model that was kept say; and the test set."""
    models: dict[str, Traces] = {}
    for name, overrides in VARIANTS.items():
        runs = []
        for seed in seeds[: MOST_MEMBERS.get(name)]:
            run, data, batching = held_out(overrides, seed)
            runs.append(run.model())
            models[f"{name}, seed {seed}"] = joined(predict_together([runs[-1]], data, batching).mean, data)
        models[f"{name}, mean of {len(runs)}"] = joined(predict_together(runs, data, batching).mean, data)
    for name in SIMPLE:
        path = ROOT / "experiments" / "comparisons" / "ketkar_l2l3" / f"{name.replace(' ', '_')}.pt"
        if path.exists():
            models[name] = joined(opened(path)[0], data)
    return models, data


def rows(
    models: Mapping[str, Traces], cell_type: str, flies: NDArray[np.float64], draws: NDArray[np.intp], reference: str
) -> list[dict[str, Any]]:
    """Scores of every model on the flies ``(flies, samples)`` of a type, and their differences to one of them."""
    mean = flies.mean(0)
    most = float(1 - flies.var(0, ddof=1).mean() / len(flies) / mean.var())
    ours = explained(models[reference][cell_type], flies, draws)
    table = []
    for name, traces in models.items():
        found = explained(traces[cell_type], flies, draws)
        low, high = np.quantile(found[1:], [0.025, 0.975])
        less_low, less_high = np.quantile((found - ours)[1:], [0.025, 0.975])
        table.append(
            {
                "model": name,
                "cell_type": cell_type,
                "n_flies": len(flies),
                "explained_variance": float(found[0]),
                "low": float(low),
                "high": float(high),
                "difference": float(found[0] - ours[0]),
                "difference_low": float(less_low),
                "difference_high": float(less_high),
                "correlation": float(np.corrcoef(traces[cell_type], mean)[0, 1]),
                "most": most,
            }
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=3, help="seeds 1, 2, ...")
    seeds = range(1, parser.parse_args().members + 1)
    models, data = predicted(seeds)
    reference = f"ours, mean of {len(seeds)}"
    flies = measured(data, {name: len(trace) for name, trace in models[reference].items()})
    rng = np.random.default_rng(0)
    table = []
    for cell_type, each in flies.items():
        n = len(each)
        draws = np.vstack([np.arange(n), rng.integers(n, size=(N_DRAWS, n))])  # the flies as they are, then drawn
        table += rows(models, cell_type, each, draws, reference)
    write("ketkar_l2l3", table)


if __name__ == "__main__":
    main()
