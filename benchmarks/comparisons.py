"""The comparisons of docs/results.md: the default recipe and simple models on one split, with paired differences.

    python benchmarks/comparisons.py simulated t4_stripes t4_edges t5_voltage --members 3
    python benchmarks/comparisons.py simulated t4_stripes --draw       # docs/images/comparison_SET.png of what is kept

Imports the recordings unless ``recordings/SET.zarr`` is there, and trains the members of each set unless
``experiments/comparisons/SET`` has them (a stopped call goes on), fits every
simple model to the same training set, and scores all of them on the same validation recordings, as ``stcnn compare``
does; on the test set where that is a family of stimuli (``ketkar_l2l3``: a light level, each call a look). Models are
kept as predictions, so that a stopped call goes on with the next one; ``--again`` fits them anew.
Differences are given both to the ensemble and to its first member alone. CPU seconds are those of training and of
fitting, on one thread. Results go to ``benchmarks/results/comparisons.json``, set by set.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from record import ROOT, environment, write, written
from recorded_sets import SETS, TO, make

from stcnn.baselines import BASELINES, Workbench
from stcnn.baselines.comparison_table import comparison_table, evaluation
from stcnn.config import Config, validate
from stcnn.data import Dataset
from stcnn.data.splitting.splits import split_recordings
from stcnn.errors import StcnnError
from stcnn.evaluate import Evaluation, Predictions
from stcnn.evaluate.ensemble import predict_together
from stcnn.run_folder import Run, open_run
from stcnn.viz.comparison import comparison_figure

OVERRIDES = {"t5_voltage": ["model=t5"], "ketkar_l2l3": ["model=light_levels"]}
"""What is said beside ``dataset=SET``."""
SCORED = {"ketkar_l2l3": "test"}
"""Part of the split on which models are compared, where it is not the validation set: a family of its own."""
SCORES = (
    "single_trial_correlation",
    "trial_mean_correlation",
    "normalised_correlation",
    "feve",
    "neuron_correlation",
    "neuron_single_trial_correlation",
)
CEILINGS = ("single_trial_ceiling", "trial_mean_ceiling", "neuron_ceiling", "neuron_single_trial_ceiling")
ABOUT = ("model", "cell_type", "n_neurons", "n_recordings", "unit", "n_units")
ENDS = ("", "_low", "_high", "_difference", "_difference_low", "_difference_high")


def folder_of(name: str, more: Sequence[str] = ()) -> Path:
    """Folder of what is trained and fitted on a set with some more overrides."""
    label = "_".join([name, *(re.sub(r"[^\w.]+", "_", each).strip("_") for each in more)])
    return ROOT / "experiments" / "comparisons" / label


def trained(name: str, seed: int, more: Sequence[str] = ()) -> tuple[Run, float]:
    """Train one member unless it is there, or go on with it; returns it and the CPU seconds it took.

    Args:
        name: of the set.
        seed: of the training.
        more: overrides beside those of the set.
    """
    folder = folder_of(name, more) / f"seed_{seed}"
    spent = folder / "cpu_s.json"
    cpu_s = json.loads(spent.read_text()) if spent.exists() else 0.0
    runs = [open_run(path.parent) for path in folder.glob("*/config.yaml")]
    if not (runs and runs[0].is_finished()):
        overrides = [*chosen(name), *more, f"seed={seed}", "resume=auto", "report=false"]
        command = [sys.executable, "train.py", f"experiments_dir={folder}", *overrides]
        before_s = os.times()
        folder.mkdir(parents=True, exist_ok=True)
        status = subprocess.run(command, check=False, cwd=ROOT / "stcnn").returncode
        after_s = os.times()
        cpu_s += after_s.children_user + after_s.children_system - before_s.children_user - before_s.children_system
        spent.write_text(json.dumps(cpu_s))
        if status:
            raise SystemExit(status)
        runs = [open_run(path.parent) for path in folder.glob("*/config.yaml")]
    return runs[0], cpu_s


def chosen(name: str) -> list[str]:
    """Overrides that choose a set, and what its trainings differ in from the default recipe."""
    return [f"dataset={name}", *OVERRIDES.get(name, [])]


def kept(path: Path, predictions: Predictions, cpu_s: float) -> None:
    """Keep predictions, and what they cost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    each = {field.name: getattr(predictions, field.name) for field in fields(Predictions)}
    torch.save({**each, "cpu_s": torch.tensor(cpu_s)}, path)


def opened(path: Path) -> tuple[Predictions, float]:
    """Predictions that were kept, and what they cost."""
    each = torch.load(path, weights_only=True)
    return Predictions(*(each[field.name] for field in fields(Predictions))), float(each["cpu_s"])


class ComparedSet:
    """One data set: its parts, and every model as it is done.

    Args:
        name: of the set.
        members: seeds of the trainings.
        again: fit simple models anew.
        more: overrides beside those of the set.
    """

    def __init__(self, name: str, members: Sequence[int], again: bool = False, more: Sequence[str] = ()) -> None:
        self.name, self.members, self.again = name, members, again
        self.runs = [trained(name, seed, more) for seed in members]
        self.config: Config = validate(self.runs[0][0].config())
        self.data: Dataset = self.config.open_dataset()
        split = split_recordings(self.data, self.config.split)
        self.train = self.data.subset(split.train)
        self.scored: Sequence[int] = getattr(split, SCORED.get(name, "validation"))
        self.held_out = self.data.subset(self.scored)
        self.folder = folder_of(name, more)
        self.predictions: dict[str, Predictions] = {}
        self.cpu_s: dict[str, float] = {}
        self.left_out: dict[str, str] = {}
        self.models: dict[str, Evaluation] = {}

    def add(self, name: str, predictions: Predictions, cpu_s: float) -> None:
        """Score a model."""
        self.predictions[name] = predictions
        self.models[name] = evaluation(predictions, self.held_out, self.config.split.families)
        self.cpu_s[name] = cpu_s

    def networks(self) -> None:
        """Score the mean of the members, and each of them alone."""
        batching = self.config.batching
        models = [run.model() for run, _ in self.runs]
        spent_s = [cpu_s for _, cpu_s in self.runs]
        self.add(f"ours, mean of {len(models)}", predict_together(models, self.held_out, batching).mean, sum(spent_s))
        for seed, model, cpu_s in zip(self.members, models, spent_s, strict=True):
            self.add(f"ours, seed {seed}", predict_together([model], self.held_out, batching).mean, cpu_s)

    def simple(self, names: Sequence[str]) -> None:
        """Fit simple models that are asked for, one after the other, and score them and all that were kept."""
        bench = Workbench(self.train, self.config.batching, self.config.split)
        for name in BASELINES:
            path = self.folder / f"{name.replace(' ', '_')}.pt"
            if name not in names and not path.exists():
                continue
            if (self.again and name in names) or not path.exists():
                start = time.process_time()
                try:
                    predictions = BASELINES[name](bench).predict(self.held_out, self.config.batching)
                except StcnnError as error:
                    self.left_out[name] = str(error)
                    continue
                kept(path, predictions, time.process_time() - start)
                print(f"{self.name}: {name}, {time.process_time() - start:.0f} CPU s", flush=True)
            self.add(name, *opened(path))

    def rows(self) -> list[dict[str, Any]]:
        """Scores of every model and cell type, differences to the ensemble and to its first member."""
        references = list(self.models)[:2]  # the mean of the members and the first of them, also where it is one
        tables = [comparison_table(self.models, reference) for reference in references]
        found = []
        for (_, row), (_, other) in zip(tables[0].iterrows(), tables[1].iterrows(), strict=True):
            ceilings = {name: float(row[name]) for name in CEILINGS}
            to_first = {
                f"{score}{end}_to_single": float(other[f"{score}{end}"]) for score in SCORES for end in ENDS[3:]
            }
            cpu_s = self.cpu_s[row["model"]]
            found.append({"set": self.name, **kept_of(row, cpu_s), **ceilings, **to_first})
        return found


def kept_of(row: pd.Series, cpu_s: float, scores: Sequence[str] = SCORES) -> dict[str, Any]:
    """What is written of a row of a comparison: subject, cost, and scores with their ends and differences."""
    about = {key: row[key] for key in ABOUT}
    return {**about, "cpu_s": cpu_s, **{f"{s}{end}": float(row[f"{s}{end}"]) for s in scores for end in ENDS}}


def with_difference(row: Mapping[str, Any], score: str) -> str:
    """A score and its difference with the interval, as two cells of a table."""
    difference, low, high = (row[f"{score}{end}"] for end in ENDS[3:])
    return f"{row[score]:.3f} | {difference:+.3f} [{low:+.3f}, {high:+.3f}]"


def shown(rows: Sequence[dict[str, Any]]) -> None:
    """Print the means of types."""
    score = next(s for s in ("trial_mean_correlation", "single_trial_correlation") if rows[0][s] == rows[0][s])
    for row in rows:
        if row["cell_type"] == "mean of types":
            value, low, high, *difference = (row[f"{score}{end}"] for end in ENDS)
            print(
                f"{row['set']:11} {row['model']:26} {score} {value:.3f} [{low:.3f}, {high:.3f}]  "
                f"to ensemble {difference[0]:+.3f} [{difference[1]:+.3f}, {difference[2]:+.3f}]  "
                f"to single {row[f'{score}_difference_to_single']:+.3f} "
                f"[{row[f'{score}_difference_low_to_single']:+.3f}, {row[f'{score}_difference_high_to_single']:+.3f}]  "
                f"{row['cpu_s']:.0f} CPU s"
            )


def draw(name: str) -> None:
    """Draw the comparison of a set from its results."""
    rows = pd.DataFrame(written("comparisons"))
    table = rows[rows.set == name]
    means = table.model.unique()
    if means[0] == "ours, mean of 1":  # the same as its only member
        table = table[table.model != means[0]]
    averaged = table[SCORES[1]].notna().any()
    figure = comparison_figure(table, SCORES[1] if averaged else SCORES[0])
    figure.savefig(ROOT / "docs" / "images" / f"comparison_{name}.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--members", type=int, default=3, help="seeds 1, 2, ...")
    parser.add_argument("--baselines", default=",".join(BASELINES), help="names, with commas between them")
    parser.add_argument("--again", action="store_true", help="fit simple models anew")
    parser.add_argument("--draw", action="store_true", help="train and fit nothing: draw what is kept")
    options = parser.parse_args()
    torch.manual_seed(0)
    for name in options.sets:
        if options.draw:
            draw(name)
            continue
        if name in SETS and not (TO / f"{name}.zarr").exists():
            make(name, TO)
        compared = ComparedSet(name, range(1, options.members + 1), options.again)
        compared.networks()
        compared.simple([each for each in options.baselines.split(",") if each])
        rows = compared.rows()
        shown(rows)
        about = {name: environment()["git"], "left_out": compared.left_out}
        write("comparisons", [row for row in written("comparisons") if row["set"] != name] + rows, last=about)


if __name__ == "__main__":
    main()
