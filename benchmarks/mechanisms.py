"""Mechanisms against the default recipe on t4_edges, by paired differences: the table of docs/results.md.

    python benchmarks/mechanisms.py            # trains what is not there, writes the table
    python benchmarks/mechanisms.py --only "divisive normalisation" --seeds 1

Each mechanism is one setting beside the default recipe, trained from the seeds 1, 2, 3 and scored on the set's
validation recordings against the default's trainings from the same seeds: the mean of its members against the mean of
the default's, and seed by seed, by the same draws of animals (as ``stcnn compare``). A conductance readout has twice
the weights of a readout; with nine channels for ten it has about as many parameters as the default. Imports the
recordings unless ``recordings/t4_edges.zarr`` is there; members are kept in ``experiments/comparisons``, so that a
stopped call goes on, and rows of earlier calls with other mechanisms or seeds stay. CPU seconds are those of a whole
training, start and test scores included, on one thread (of one that was stopped by force, since it went on).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from comparisons import ENDS, trained, with_difference
from record import write, written
from recorded_sets import TO, make

from stcnn.baselines.comparison_table import ALL_TYPES, comparison_table, evaluation
from stcnn.config import validate
from stcnn.data.splitting.splits import split_recordings
from stcnn.evaluate import Evaluation
from stcnn.evaluate.ensemble import predict_together

SET = "t4_edges"
DEFAULT = "default"
CONDUCTANCE = "model.readout.filter.kind=conductance"
SLOPES = ",".join(["learned_leaky_relu"] * 3)
MECHANISMS: Mapping[str, Sequence[str]] = {
    DEFAULT: (),
    "photoreceptor adaptation": ("model.eye.filter.kind=adapting",),
    "conductance readout": (CONDUCTANCE,),
    "conductance readout, nine channels": (CONDUCTANCE, "model.hidden.channels=[9,9,9,9]"),
    "learned slope": (f"model.hidden.activation=[identity,{SLOPES}]",),
    "divisive normalisation": ("model.hidden.norm.kind=divisive",),
}
"""What is said beside ``dataset=t4_edges``."""
SCORES = {"joined": "single_trial_correlation", "by neuron": "neuron_single_trial_correlation"}
"""Of traces of a type joined, and of each neuron by itself."""


def scored(name: str, seeds: Sequence[int]) -> tuple[dict[str, Evaluation], dict[str, tuple[int, float]]]:
    """Evaluate the members of a mechanism and their mean; returns also parameters and CPU seconds, by the same keys."""
    runs = [trained(SET, seed, MECHANISMS[name]) for seed in seeds]
    config = validate(runs[0][0].config())
    data = config.open_dataset()
    held_out = data.subset(split_recordings(data, config.split).validation)
    models = [run.model() for run, _ in runs]
    of_members = {f"seed {seed}": [model] for seed, model in zip(seeds, models, strict=True)}
    if len(seeds) > 1:
        of_members[f"mean of {len(seeds)}"] = models
    spent_s = {f"seed {seed}": cpu_s for seed, (_, cpu_s) in zip(seeds, runs, strict=True)}
    found, cost = {}, {}
    for key, members in of_members.items():
        found[key] = evaluation(predict_together(members, held_out, config.batching).mean, held_out)
        cost[key] = (members[0].n_trained, spent_s.get(key, sum(spent_s.values())))
    return found, cost


def rows(names: Sequence[str], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Compare every mechanism with the default, member by member and their means."""
    each = {name: scored(name, seeds) for name in dict.fromkeys([DEFAULT, *names])}
    found = []
    for members in each[DEFAULT][0]:
        table = comparison_table({name: models[members] for name, (models, _) in each.items()}, DEFAULT)
        for _, row in table.iterrows():
            n_trained, cpu_s = each[row["model"]][1][members]
            about = {"mechanism": row["model"], "members": members, "cell_type": row["cell_type"]}
            scores = {f"{ours}{end}": float(row[f"{score}{end}"]) for ours, score in SCORES.items() for end in ENDS}
            units = {"unit": row["unit"], "n_units": row["n_units"]}
            found.append({**about, **units, "parameters": n_trained, "cpu_s": cpu_s, **scores})
    return found


def shown(found: Sequence[Mapping[str, Any]]) -> None:
    """Print the means of types as rows of a table."""
    for row in found:
        if row["cell_type"] == ALL_TYPES:
            numbers = [with_difference(row, score) for score in SCORES]
            about = [row["mechanism"], row["members"], str(row["parameters"]), f"{row['cpu_s']:.0f}"]
            print(f"| {' | '.join([*about, *numbers])} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", choices=MECHANISMS, help="these beside the default")
    options = parser.parse_args()
    torch.manual_seed(0)
    if not (TO / f"{SET}.zarr").exists():
        make(SET, TO)
    found = rows(options.only or list(MECHANISMS), options.seeds)
    shown(found)
    done = {(row["mechanism"], row["members"]) for row in found}
    others = [row for row in written("mechanisms") if (row["mechanism"], row["members"]) not in done]
    write("mechanisms", others + found, set=SET)


if __name__ == "__main__":
    main()
