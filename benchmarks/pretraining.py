"""Learning curves on recordings of an animal with and without pretraining of the core, on t4_edges.

    python benchmarks/recorded_sets.py t4_edges
    python benchmarks/pretraining.py --seeds 3

One animal is left out. Two fifths of its neurons are never trained on; of the others 10, 25, 50 or 100 % of each cell
type are (at least one, smaller shares within the larger ones), with the recipe of the set, in three ways: from a random
start; from the core of a training on ten simulated cell types (``init_from``: hidden layers and indicator, readouts
drawn); from a training on the other two animals (readouts too, new neurons start as the average one). Scored are the
single trials of the neurons that were held out: correlation of each, mean of neurons of a type, mean of types.
Differences are paired by neuron, means over seeds; the interval draws neurons again within types (one animal is one
draw of animals: it says nothing about another one). Results go to ``benchmarks/results/pretraining.json``; trainings
are kept in ``experiments/pretraining``, so that a stopped call goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import comparisons
import numpy as np
import torch
from numpy.typing import NDArray
from record import ROOT, write

from stcnn.config import Config, compose
from stcnn.data import Dataset
from stcnn.data.splitting.split_config import SplitConfig
from stcnn.data.splitting.splits import split_recordings
from stcnn.evaluate.ensemble import predict_together
from stcnn.nn.model import STCNN
from stcnn.run_folder import Run, open_run
from stcnn.training.batches import EpochBatches
from stcnn.training.fit import fit, population_of, train
from stcnn.training.from_weights import take
from stcnn.training.module import TrainingModule
from stcnn.training.places import network_for
from stcnn.training.start import fit_neurons_to_traces, scale_to_movies
from stcnn.training.weights_files import read_weights

ANIMAL = "191210bg_fly2"
"""Left out: the one with most neurons."""
SHARES = (0.1, 0.25, 0.5, 1.0)
TYPES = "[lc4,lc11,lc12,lc15,lc17,lc18,lc21,lc25,lplc1,lplc2]"
WAYS = ("random start", "simulated types", "other animals")
FOLDER = ROOT / "experiments" / "pretraining"
HELD_OUT = SplitConfig(kind="neuron", validation=0, test=0.4)
N_DRAWS = 2000
Scores = dict[str, dict[str, float]]
"""Correlation of every held-out neuron, by cell type and name."""


def simulated_core(seed: int) -> Path:
    """Train on ten simulated types, unless it is done; returns the run."""
    run, _ = comparisons.trained("simulated", seed, [f"dataset.cell_types={TYPES}"])
    return run.path


def other_animals(data: Dataset, config: Config, seed: int) -> Path:
    """Train on all animals but one, unless it is done; returns the run."""
    folder = FOLDER / f"others_{seed}"
    done = [path.parent for path in folder.glob("*/config.yaml") if open_run(path.parent).is_finished()]
    if done:
        return done[0]
    recipe = config.model_copy(
        update={"seed": seed, "split": SplitConfig(kind="neuron", validation=0.15, test=0), "experiments_dir": folder}
    )
    run = recipe.new_run()
    train(of_animals(data, others=True), recipe, run)
    return run.path


def of_animals(data: Dataset, others: bool) -> Dataset:
    """Recordings of the animal that is left out, or of the others."""
    return data.subset(np.flatnonzero((data.table.animal.to_numpy() == ANIMAL) != others).tolist())


def shared_out(data: Dataset, learned: Sequence[int], share: float) -> list[int]:
    """Recordings of a share of the neurons of each type; smaller shares lie within larger ones."""
    table = data.table.iloc[list(learned)]
    kept: set[str] = set()
    for _, of_type in table.groupby("cell_type"):
        names = np.random.default_rng(0).permutation(sorted(of_type.neuron.unique()))
        kept |= set(names[: max(1, round(share * len(names)))])
    return [i for i, neuron in zip(learned, table.neuron, strict=True) if neuron in kept]


def trained(data: Dataset, learned: Sequence[int], recipe: Config, start: Path | None, run: Run) -> STCNN:
    """Train on some recordings and nothing held out, as ``stcnn train`` does."""
    torch.manual_seed(recipe.seed)
    model = STCNN(network_for(data, recipe), population_of(data, recipe.model), data.deg_per_px)
    module = TrainingModule(model, recipe, data.subset(learned), data.subset([]))
    drawn_types = None
    if start is None:
        scale_to_movies(model, EpochBatches(module.train_loader, epoch=0))
    else:
        drawn_types = take(model, read_weights(start)).drawn_types
    fit_neurons_to_traces(model, module.train_data, drawn_types, module.offsets)
    module.offsets.keep()
    fit(module, run)
    return module.model.eval()


def scored(model: STCNN, held_out: Dataset, config: Config) -> Scores:
    """Correlation of every neuron over its single trials."""
    said = predict_together([model], held_out, config.batching).mean
    pairs: dict[str, dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64]]]]] = {}
    rows = zip(said.item.tolist(), said.prediction.double(), said.target.double(), said.weight, strict=True)
    for item, prediction, target, weight in rows:
        recording = held_out.recordings[item]
        mine = pairs.setdefault(recording.cell_type, {}).setdefault(recording.neuron, [])
        mine.append((prediction[weight > 0].numpy(), target[weight > 0].numpy()))
    return {
        name: {neuron: correlation(*map(np.concatenate, zip(*each, strict=True))) for neuron, each in neurons.items()}
        for name, neurons in pairs.items()
    }


def correlation(said: NDArray[np.float64], measured: NDArray[np.float64]) -> float:
    """Correlation; zero for a prediction that is flat."""
    return float(np.corrcoef(said, measured)[0, 1]) if said.std() > 0 else 0.0


def mean_of_types(scores: Sequence[Scores], less: Sequence[Scores] | None = None) -> tuple[float, float, float]:
    """Mean over seeds, neurons and types, or of the difference to others, with its 95 % interval over neurons."""
    rng = np.random.default_rng(0)
    means, draws = [], []
    for name in scores[0]:
        values = np.mean([list(each[name].values()) for each in scores], 0)
        if less is not None:
            values = values - np.mean([list(each[name].values()) for each in less], 0)
        n = len(values)
        means.append(values.mean())
        draws.append(
            means[-1] + (values[rng.integers(n, size=(N_DRAWS, n))].mean(1) - means[-1]) * np.sqrt(n / (n - 1))
        )
    low, high = np.quantile(np.mean(draws, 0), [0.025, 0.975])
    return float(np.mean(means)), float(low), float(high)


def curve(config: Config, seed: int, shares: Sequence[float], ways: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Scores and CPU seconds by share and way, of one seed; those that are there are kept."""
    data = config.open_dataset()
    left_out = of_animals(data, others=False)
    split = split_recordings(left_out, HELD_OUT)
    held_out = left_out.subset(split.test)
    recipe = config.model_copy(
        update={
            "seed": seed,
            "split": SplitConfig(kind="neuron", validation=0, test=0),
            "training": config.training.model_copy(update={"patience": None, "keep": "last"}),
            "experiments_dir": FOLDER / "curves",
        }
    )
    starts: dict[str, Path | None] = {WAYS[0]: None}
    if WAYS[1] in ways:
        starts[WAYS[1]] = simulated_core(seed)
    if WAYS[2] in ways:
        starts[WAYS[2]] = other_animals(data, config, seed)
    found: dict[str, dict[str, Any]] = {}
    for share in shares:
        learned = shared_out(left_out, split.train, share)
        for way, start in starts.items():
            key = f"{seed} {share:g} {way}"
            path = FOLDER / "scores" / f"{key.replace(' ', '_')}.json"
            if not path.exists():
                begun_s = time.process_time()
                model = trained(left_out, learned, recipe, start, recipe.new_run())
                scores = scored(model, held_out, config)
                path.parent.mkdir(parents=True, exist_ok=True)
                n = len({left_out.recordings[i].neuron for i in learned})
                cpu_s = time.process_time() - begun_s
                path.write_text(json.dumps({"scores": scores, "n_neurons": n, "cpu_s": cpu_s}))
            found[key] = json.loads(path.read_text())
            print(key, [round(x, 3) for x in mean_of_types([found[key]["scores"]])], flush=True)
    return found


def rows(
    found: Mapping[str, Mapping[str, Any]], seeds: Sequence[int], shares: Sequence[float], ways: Sequence[str]
) -> list[dict[str, Any]]:
    """Mean of types of every share and way, and its difference to the random start."""
    table = []
    for share in shares:
        plain = [found[f"{seed} {share:g} {WAYS[0]}"]["scores"] for seed in seeds]
        for way in (WAYS[0], *(way for way in ways if way != WAYS[0])):
            each = [found[f"{seed} {share:g} {way}"] for seed in seeds]
            scores = [one["scores"] for one in each]
            about = {"share": share, "neurons": each[0]["n_neurons"], "start": way, "seeds": len(seeds)}
            numbers = dict(zip(("correlation", "low", "high"), mean_of_types(scores), strict=True))
            others = dict(
                zip(("difference", "difference_low", "difference_high"), mean_of_types(scores, plain), strict=True)
            )
            table.append({**about, **numbers, **others, "cpu_s": float(np.mean([one["cpu_s"] for one in each]))})
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="seeds 1, 2, ...")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=SHARES, help="of the neurons that may be learned from"
    )
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS, help="beside the random start")
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    config = compose(["dataset=t4_edges"])
    found: dict[str, Any] = {}
    for seed in seeds:
        found |= curve(config, seed, options.shares, options.ways)
    write("pretraining", rows(found, seeds, options.shares, options.ways), animal=ANIMAL)


if __name__ == "__main__":
    main()
