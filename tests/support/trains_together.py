"""Trains recipes as one of several processes: ``torchrun tests/support/trains_together.py FOLDER NAME...``."""

import os
import sys
from pathlib import Path
from typing import Any

import torch

from stcnn.data import Dataset
from stcnn.ranks import joined
from stcnn.run_folder import Run
from stcnn.training.fit import train
from stcnn.training.recipe import Recipe
from tests.support import made_up_data
from tests.support.made_up_training import SMALL_MODEL, recipe

NORMALISED = {"hidden": {"channels": [2, 2], "kernel_columns": 3, "norm": {"kind": "batch"}}}
PLAIN = {"hidden": {"channels": [2, 2], "kernel_columns": 3, "norm": {"kind": "none"}}}
EXACT = {"precision": "float64", "compute": "torch"}
CASES: dict[str, dict[str, Any]] = {
    "default": {"training": EXACT, "model": PLAIN},
    "reference": {"training": {**EXACT, "compute": "reference"}, "model": PLAIN},
    "native": {"training": {"compute": "native"}, "model": PLAIN},
    "normalised": {"training": EXACT, "model": NORMALISED},
    "normalised reference": {"training": {**EXACT, "compute": "reference"}, "model": NORMALISED},
    "normalised native": {"training": {"compute": "native"}, "model": NORMALISED},
    "presentations": {"training": EXACT, "model": PLAIN, "batching": {"kind": "presentations", "batch_size": 3}},
    "recordings": {
        "training": {**EXACT, "neurons": "gradient", "start": "drawn", "balance": "none", "keep": "last"},
        "model": NORMALISED,
        "batching": {"kind": "recordings", "batch_size": 5},
    },
    "one clip": {"training": EXACT, "model": NORMALISED, "batching": {"batch_size": 1}},
    "places": {
        "training": {**EXACT, "smoothness": 0.01},
        "model": {**PLAIN, "readout": {"place": "learned", "place_sd_deg": 4.0}},
    },
    "gamma": {
        "training": {**EXACT, "loss": "gamma"},
        "model": {**PLAIN, "calcium": {"rectifier": "softplus"}},
    },
}
"""What differs from the small recipe of the other tests; of three clips in a batch two processes have two and one."""


def case(name: str) -> tuple[Dataset, Recipe]:
    """Recordings and recipe of a case."""
    change = CASES[name]
    base = recipe().model_dump()
    base["model"] = {**SMALL_MODEL, **change["model"]}
    base["training"] |= {"epochs": 3, **change["training"]}
    base["batching"] |= {"batch_size": 3, **change.get("batching", {})}
    dataset = made_up_data.dataset(neurons_per_type=3)
    if name == "gamma":
        for each in dataset.recordings:
            each.trace[:] = abs(each.trace) + 0.1
    return dataset, Recipe.model_validate(base)


def main(folder: str, *names: str) -> None:
    torch.set_num_threads(1)
    with joined(int(os.environ["WORLD_SIZE"]), 1, gpu=False, command=()) as here:
        for name in names:
            path = Path(folder) / name
            if here.is_first:
                Run.named(Path(folder), name, {})
            dataset, chosen = case(name)
            train(dataset, chosen, Run(path))


if __name__ == "__main__":
    main(*sys.argv[1:])
