"""The published training, step by step, through our Lightning module (Klapoetke et al. 2022)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from stcnn.data import BatchingConfig, PublishedDataConfig, read_published
from stcnn.nn.model import STCNN
from stcnn.published import convert
from stcnn.reading import load_tensors
from stcnn.run_folder import Run
from stcnn.training.fit import fit
from stcnn.training.module import TrainingModule
from stcnn.training.recipe import Recipe
from tests.support.made_up_training import new_run


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "reference" / "tiny_dataset"


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict:
    return json.loads((folder / "expected_training.json").read_text())


def published_model(folder: Path, expected: dict, checkpoint: str) -> STCNN:
    return convert(load_tensors(folder / f"model_chkpnt_{checkpoint}.pt"), expected["config"], 180.0).model


def retrained(folder: Path, expected: dict, precision: str, run: Run) -> Run:
    """Train from the published start, batches of 5 in the published order, with the published recipe."""
    order: dict[str, list[str]] = {}
    for cell_type, file, *_ in expected["order"]:
        order.setdefault(cell_type, []).append(file)
    data = read_published(
        PublishedDataConfig(
            ca_path=folder / "ca",
            mov_path=folder / "mov",
            cell_types=tuple(order),
            file_order={cell_type: tuple(dict.fromkeys(files)) for cell_type, files in order.items()},
        )
    )
    assert [(r.cell_type, r.stimulus, int(r.neuron)) for r in data.recordings] == [
        (cell_type, stimulus, neuron) for cell_type, _, stimulus, neuron in expected["order"]
    ]
    model = published_model(folder, expected, "0")
    recipe = Recipe(
        model=model.config,
        batching=BatchingConfig(
            kind="recordings",
            batch_size=expected["batch_size"],
            pre_grey_s=expected["prepad"] / 180,
            loss_start_s=expected["loss_t_start"],
        ),
        training={
            "epochs": expected["epochs"],
            "learning_rate": expected["lr"],
            "schedule": "constant",
            "warmup_steps": 0,
            "start": "drawn",
            "balance": "none",
            "neurons": "gradient",
            "clip_norm": expected["clip_max_norm"],
            "shuffle": False,
            "precision": precision,
            "device": "cpu",
        },
    )
    fit(TrainingModule(model.train(), recipe, data, data.subset([])), run)
    return run


def difference(run: Run, right: STCNN) -> float:
    """Largest difference of any trained parameter after the last epoch."""
    found = run.checkpoint_weights(6)
    return max((found[name] - p).abs().max().item() for name, p in right.named_parameters() if p.requires_grad)


@pytest.mark.slow
def test_in_float64_every_loss_and_the_final_parameters_are_the_published_ones(
    folder: Path, expected: dict, tmp_path: Path
):
    run = retrained(folder, expected, "float64", new_run(tmp_path))
    recorded = run.losses()
    for cell_type, losses in expected["loss_history_float64"].items():
        np.testing.assert_allclose(recorded[recorded.cell_type == cell_type].loss, losses, rtol=1e-4)
    assert difference(run, published_model(folder, expected, "6_float64")) < 1e-6


def test_in_float32_the_final_parameters_are_the_published_ones(folder: Path, expected: dict, tmp_path: Path):
    run = retrained(folder, expected, "float32", new_run(tmp_path))
    assert torch.finfo(run.checkpoint_weights(6)["hidden.0.weight"].dtype).bits == 32
    assert difference(run, published_model(folder, expected, "6")) < 2e-4
