"""A network and a recipe so small that an epoch takes a moment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from stcnn.config import compose
from stcnn.data import Dataset
from stcnn.run_folder import Run
from stcnn.training.fit import train
from stcnn.training.recipe import Recipe
from tests.support import made_up_data

SMALL_MODEL = {
    "eye": {"lattice": [5, 5]},
    "hidden": {"channels": [2, 2], "kernel_columns": 3},
    "cell_types": {"default": {"window_columns": 3}},
}


def recipe(**training: Any) -> Recipe:
    """A recipe on the CPU; keyword arguments are fields of ``training``."""
    return Recipe.model_validate(
        {
            "model": SMALL_MODEL,
            "split": {"validation": 0.2, "test": 0.1},
            "batching": {"batch_size": 1, "pre_grey_s": 0.1, "loss_start_s": -0.2},  # of its three movies
            "training": {"epochs": 3, "learning_rate": 1e-2, "device": "cpu", **training},
        }
    )


def dataset() -> Dataset:
    return made_up_data.dataset(neurons_per_type=3)


def trained(arguments: Sequence[str]) -> Run:
    """A run as ``python train.py`` leaves it, but for the report, which takes ten times as long as a small training."""
    config = compose(arguments)
    run = config.new_run()
    train(config.open_dataset(), config, run)
    return run


def new_run(folder: Path) -> Run:
    return Run.create(folder, "made up", {})


def same_weights(one: Run, other: Run, epoch: int) -> bool:
    a, b = one.checkpoint_weights(epoch), other.checkpoint_weights(epoch)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
