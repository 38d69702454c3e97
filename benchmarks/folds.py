"""The default recipe and simple models over the folds of a cross-validation, every recording held out once.

    python benchmarks/folds.py t4_edges

What is not the test set is divided into five folds (``split.folds=5``); in each the network is trained and every simple
model fitted to the other four. The predictions of all folds are joined, so that each recording is foretold by models
that were not fitted to it, and scored once as ``stcnn compare`` does, by the same draws of animals for all models; and
with the neurons drawn again within their cell types, which says nothing about another animal. Trainings and predictions
are kept in ``experiments/comparisons``, so that a stopped call goes on. Results go to
``benchmarks/results/folds.json``, set by set.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from comparisons import ComparedSet, kept_of, with_difference
from record import environment, write, written
from recorded_sets import SETS, TO, make

from stcnn.baselines import named
from stcnn.baselines.comparison_table import ALL_TYPES, comparison_table, evaluation
from stcnn.evaluate import Evaluation, Predictions

N_FOLDS = 5
BASELINES = "linear filter,LN model,eye and linear filter"
SCORES = ("single_trial_correlation", "trial_mean_correlation", "neuron_single_trial_correlation", "neuron_correlation")


def joined(parts: Sequence[ComparedSet]) -> dict[str, Evaluation]:
    """Evaluate every model on the validation recordings of all folds together."""
    held_out: list[int] = []
    predictions: dict[str, list[Predictions]] = {}
    for part in parts:
        for name, each in part.predictions.items():
            predictions.setdefault(name, []).append(replace(each, item=each.item + len(held_out)))
        held_out += part.scored
    first = parts[0]
    return {
        name: evaluation(Predictions.concatenated(each), first.data.subset(held_out), first.config.split.families)
        for name, each in predictions.items()
        if len(each) == len(parts)
    }


def rows(name: str, members: Sequence[int], baselines: Sequence[str]) -> list[dict[str, Any]]:
    """Compare all models over the folds of a set, with animals drawn again and with neurons."""
    parts = []
    for fold in range(N_FOLDS):
        part = ComparedSet(name, members, more=[f"split.folds={N_FOLDS}", f"split.fold={fold}"])
        part.networks()
        part.simple(baselines)
        parts.append(part)
    models = joined(parts)
    reference = next(iter(models))
    of_neurons = {model: replace(each, table=each.table.assign(animal="all")) for model, each in models.items()}
    found = []
    for each in (models, of_neurons):
        for _, row in comparison_table(each, reference).iterrows():
            cpu_s = sum(part.cpu_s[row["model"]] for part in parts)
            found.append({"set": name, **kept_of(row, cpu_s, SCORES)})
    return found


def shown(found: Sequence[Mapping[str, Any]]) -> None:
    """Print the means of types as rows of a table."""
    single = found[0][SCORES[0]] == found[0][SCORES[0]]
    for row in found:
        if row["cell_type"] == ALL_TYPES:
            numbers = [with_difference(row, score) for score in (SCORES[::2] if single else SCORES[1::2])]
            print(f"| {row['model']} | {row['n_units']} x {row['unit']} | {' | '.join(numbers)} | {row['cpu_s']:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--members", type=int, default=1, help="seeds 1, 2, ...")
    parser.add_argument("--baselines", default=BASELINES, help="names, with commas between them")
    options = parser.parse_args()
    torch.manual_seed(0)
    for name in options.sets:
        if name in SETS and not (TO / f"{name}.zarr").exists():
            make(name, TO)
        found = rows(name, range(1, options.members + 1), named(options.baselines))
        shown(found)
        others = [row for row in written("folds") if row["set"] != name]
        write("folds", others + found, last={name: environment()["git"]})


if __name__ == "__main__":
    main()
