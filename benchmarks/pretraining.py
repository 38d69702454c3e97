"""Learning curves on recordings of an animal with and without pretraining of the core, on t4_edges.

    python benchmarks/recorded_sets.py t4_edges
    python benchmarks/pretraining.py --seeds 3
    python benchmarks/pretraining.py --draw      # docs/images/pretraining.png of what is kept

One animal is left out. Two fifths of its neurons are never trained on; of the others 10, 25, 50 or 100 % of each cell
type are (at least one, smaller shares within the larger ones), with the recipe of the set, in three ways: from a random
start; from the core of a training on ten simulated cell types (``init_from``: hidden layers and indicator, readouts
drawn); from a training on the other two animals (readouts too, new neurons start as the average one). Two more ways go
on from the other animals: with steps of a tenth, and with the core frozen; and their model is scored as it is, without
any neuron of the animal. Scored are the
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
from types import MappingProxyType
from typing import Any, NamedTuple

import comparisons
import matplotlib.pyplot as plt
import numpy as np
import torch
from numpy.typing import NDArray
from record import ROOT, write, written

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
from stcnn.viz import theme

ANIMAL = "191210bg_fly2"
"""Left out: the one with most neurons."""
SHARES = (0.1, 0.25, 0.5, 1.0)
TYPES = "[lc4,lc11,lc12,lc15,lc17,lc18,lc21,lc25,lplc1,lplc2]"


class Way(NamedTuple):
    """Where a training starts, and what it does otherwise than the recipe of the set."""

    start: str = ""
    """``simulated``, ``others``, or empty for a random start."""
    training: Mapping[str, Any] = MappingProxyType({})
    """Settings of ``training``."""


RANDOM, OTHERS = "random start", "other animals"
AS_THEY_ARE = "other animals, as they are"
"""Not trained on the animal, so that its score is one number for all shares."""
WAYS: Mapping[str, Way] = {
    RANDOM: Way(),
    "simulated types": Way("simulated"),
    OTHERS: Way("others"),
    "other animals, small steps": Way("others", {"learning_rate": 3e-4}),
    "other animals, core frozen": Way("others", {"freeze": "core"}),
}
FOLDER = ROOT / "experiments" / "pretraining"
HELD_OUT = SplitConfig(kind="neuron", validation=0, test=0.4)
N_DRAWS = 2000
Found = dict[str, Any]
"""Scores of a training, its number of neurons and CPU seconds."""
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


def of_training(data: Dataset, learned: Sequence[int], recipe: Config, start: Path | None, held_out: Dataset) -> Found:
    """Train on some recordings of an animal, and score the neurons that were held out."""
    begun_s = time.process_time()
    scores = scored(trained(data, learned, recipe, start, recipe.new_run()), held_out, recipe)
    n_neurons = len({data.recordings[i].neuron for i in learned})
    return {"scores": scores, "n_neurons": n_neurons, "cpu_s": time.process_time() - begun_s}


def as_they_are(others: Path, held_out: Dataset, config: Config) -> Found:
    """Score the model of the other animals on neurons that it does not know, as the average one of each type."""
    population = population_of(held_out, config.model)
    model = STCNN(network_for(held_out, config), population, held_out.deg_per_px)
    take(model, read_weights(others))
    return {"scores": scored(model.eval(), held_out, config), "n_neurons": 0, "cpu_s": 0.0}


def path_of(key: str) -> Path:
    """Where a result is kept."""
    return FOLDER / "scores" / f"{key.replace(' ', '_')}.json"


def opened(key: str) -> Found | None:
    """Open a result that was kept; None where there is none."""
    path = path_of(key)
    found: Found | None = json.loads(path.read_text()) if path.exists() else None
    return found


def keep(key: str, found: Found) -> Found:
    """Keep a result."""
    path = path_of(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))
    print(key, [round(x, 3) for x in mean_of_types([found["scores"]])], flush=True)
    return found


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
    others = other_animals(data, config, seed)
    starts: dict[str, Path | None] = {"": None, "others": others}
    if any(WAYS[way].start == "simulated" for way in ways):
        starts["simulated"] = simulated_core(seed)
    found: dict[str, dict[str, Any]] = {}
    for share in shares:
        learned = shared_out(left_out, split.train, share)
        for way in ways:
            start, changed = WAYS[way]
            own = recipe.model_copy(update={"training": recipe.training.model_copy(update=dict(changed))})
            key = f"{seed} {share:g} {way}"
            found[key] = opened(key) or keep(key, of_training(left_out, learned, own, starts[start], held_out))
    key = f"{seed} 0 {AS_THEY_ARE}"
    found[key] = opened(key) or keep(key, as_they_are(others, held_out, config))
    return found


def rows(
    found: Mapping[str, Found], seeds: Sequence[int], shares: Sequence[float], ways: Sequence[str]
) -> list[dict[str, Any]]:
    """Mean of types of every share and way, and its differences to random starts.

    ``to_all`` is the difference to a random start that learns from all neurons: half the recordings are enough where
    its interval at a share of 0.5 holds zero or lies above.
    """
    table = []
    whole = of_seeds(found, seeds, 1.0, RANDOM) if 1.0 in shares else []
    points = [(share, way) for share in shares for way in ways] + [(0.0, AS_THEY_ARE)]
    for share, way in points:
        each = of_seeds(found, seeds, share, way)
        scores = [one["scores"] for one in each]
        about = {"share": share, "neurons": each[0]["n_neurons"], "start": way, "seeds": len(seeds)}
        cpu_s = float(np.mean([one["cpu_s"] for one in each]))
        by_seed = [round(mean_of_types([one])[0], 4) for one in scores]
        plain = of_seeds(found, seeds, share, RANDOM) if share else []
        table.append(
            {
                **about,
                **dict(zip(("correlation", "low", "high"), mean_of_types(scores), strict=True)),
                **less("difference", scores, plain),
                **less("to_all", scores, whole),
                "by_seed": by_seed,
                "cpu_s": cpu_s,
            }
        )
    return table


def of_seeds(found: Mapping[str, Found], seeds: Sequence[int], share: float, way: str) -> list[Found]:
    """Pick the results of all seeds."""
    return [found[f"{seed} {share:g} {way}"] for seed in seeds]


def less(name: str, scores: Sequence[Scores], others: Sequence[Found]) -> dict[str, float]:
    """Return the difference to other results with its interval, by name; nothing where there are none."""
    if not others:
        return {}
    found = mean_of_types(scores, [one["scores"] for one in others])
    return dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))


def draw() -> None:
    """Draw the curves from the results."""
    table = written("pretraining")
    with theme.themed():
        figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
        ways = [way for way in WAYS if any(row["start"] == way for row in table)]
        for i, way in enumerate(ways):
            mine = [row for row in table if row["start"] == way]
            place = [row["neurons"] * 1.03 ** (i - (len(ways) - 1) / 2) for row in mine]
            middle = np.array([row["correlation"] for row in mine])
            ends = np.abs([[row[end] for row in mine] - middle for end in ("low", "high")])
            axes.errorbar(place, middle, ends, marker="o", capsize=2, label=way)
        alone = next(row for row in table if row["start"] == AS_THEY_ARE)
        axes.axhline(alone["correlation"], color="0.5", linestyle="--", label=AS_THEY_ARE)
        axes.set(
            xscale="log", xlabel="neurons of the animal that are trained on", ylabel="correlation, neurons held out"
        )
        ticks = sorted({row["neurons"] for row in table if row["neurons"]})
        axes.set_xticks(ticks, labels=[str(n) for n in ticks])
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize="small")
        figure.savefig(ROOT / "docs" / "images" / "pretraining.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="seeds 1, 2, ...")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=SHARES, help="of the neurons that may be learned from"
    )
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS, help="beside the random start")
    parser.add_argument("--draw", action="store_true", help="train nothing: draw what is kept")
    options = parser.parse_args()
    if options.draw:
        draw()
        return
    ways = list(dict.fromkeys([RANDOM, *options.ways]))
    seeds = range(1, options.seeds + 1)
    config = compose(["dataset=t4_edges"])
    found: dict[str, Any] = {}
    for seed in seeds:
        found |= curve(config, seed, options.shares, ways)
    write("pretraining", rows(found, seeds, options.shares, ways), animal=ANIMAL)


if __name__ == "__main__":
    main()
