"""Learning the answers of an ensemble: what is learned, what is recorded, and which teachers are refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stcnn.data import Dataset
from stcnn.data.batching import loader
from stcnn.data.splitting.splits import Split
from stcnn.errors import ConfigError, DataError
from stcnn.evaluate.ensemble import predict_together
from stcnn.metrics.likelihoods import LIKELIHOODS
from stcnn.run_folder import Run
from stcnn.training.ensemble import train_members
from stcnn.training.fit import train
from stcnn.training.module import TrainingModule
from stcnn.training.recipe import Recipe
from stcnn.training.teacher import Teacher
from tests.support.made_up_training import dataset, new_run, recipe


def taught(folder: Path, **training: Any) -> Recipe:
    """The small recipe with a teacher."""
    plain = recipe(epochs=1).model_dump()
    return Recipe.model_validate({**plain, "training": {**plain["training"], "teacher": folder, **training}})


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two small models in one run folder."""
    run = Run.create(tmp_path_factory.mktemp("teacher"), "teacher", {"n_models": 2})
    for _ in train_members(dataset(), recipe(epochs=1), run, 2):
        pass
    return run


@pytest.fixture
def train_data(ensemble: Run) -> Dataset:
    return dataset().subset(Split.from_json(ensemble.split(), dataset()).train)


@pytest.mark.parametrize("batching", [{}, {"kind": "recordings"}, {"piece_s": 2.0}])
def test_every_sample_that_is_scored_is_taught_the_mean_of_the_members(
    ensemble: Run, train_data: Dataset, batching: dict[str, Any]
):
    config = recipe().batching.model_copy(update=batching)
    teacher = Teacher.of(ensemble, train_data, config, weight=0.25)
    whole = predict_together(ensemble.models(), train_data, config).mean
    row_of = {int(item): row for row, item in enumerate(whole.item)}
    n_scored = 0
    for batch in loader(train_data, config, shuffle=True, seed=3):
        target = teacher.teach(batch).target
        for row, item in enumerate(batch.item.tolist()):
            columns = batch.first_sample + torch.arange(target.shape[1])
            mixed = 0.75 * batch.target[row] + 0.25 * whole.prediction[row_of[item], columns]
            scored = batch.weight[row] > 0
            assert torch.allclose(target[row][scored], mixed[scored], atol=1e-6)
            n_scored += int(scored.sum())
    assert n_scored == int((whole.weight > 0).sum())


@pytest.mark.parametrize("loss", sorted(LIKELIHOODS))
def test_the_gradient_of_the_mixture_is_the_mixture_of_the_gradients(loss: str):
    trace, answer, start = 0.1 + 3 * torch.rand(3, 4, 20, dtype=torch.float64)
    weight = torch.ones_like(trace)

    def gradient(target: torch.Tensor) -> torch.Tensor:
        prediction = start.clone().requires_grad_()
        LIKELIHOODS[loss].loss(prediction, target, weight).sum().backward()
        assert prediction.grad is not None
        return prediction.grad

    mixed = gradient(0.7 * trace + 0.3 * answer)
    assert torch.allclose(mixed, 0.7 * gradient(trace) + 0.3 * gradient(answer))


def test_a_model_that_is_its_own_teacher_has_nothing_to_learn(ensemble: Run, train_data: Dataset):
    itself = ensemble.members()[0]
    teacher = Teacher.of(itself, train_data, recipe().batching, weight=1.0)
    losses = []
    for teaches in (teacher, None):
        module = TrainingModule(itself.model(), recipe(), train_data, train_data, teaches)
        losses.append(module.training_step(next(iter(module.train_loader)), 0).item())
    assert losses[0] < 1e-9
    assert losses[1] > 0.1


def test_a_taught_training_goes_on_to_the_same_numbers_with_the_teacher_it_records_and_no_other(
    ensemble: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    teacher = tmp_path / "teacher"
    shutil.copytree(ensemble.path, teacher)
    run = new_run(tmp_path / "stopped")
    train(dataset(), taught(teacher, epochs=2), run)
    assert f"teacher: 2 models of {teacher}" in capsys.readouterr().out
    record = json.loads((run.path / "teacher.json").read_text())
    assert record["source"] == str(teacher)
    assert len(record["sha256"]) == 2
    last = run.path / "checkpoints" / "epoch_2.ckpt"
    whole = run.checkpoint_weights(2)
    last.unlink()
    train(dataset(), taught(teacher, epochs=2), run, resume=True)
    again = run.checkpoint_weights(2)
    assert all(torch.equal(again[name], value) for name, value in whole.items())
    last.unlink()
    shutil.copy(teacher / "members/1/model.safetensors", teacher / "members/2/model.safetensors")
    with pytest.raises(ConfigError, match="is not the one that this training was begun with"):
        train(dataset(), taught(teacher, epochs=2), run, resume=True)


def test_a_teacher_of_another_split_is_refused_since_it_would_tell_what_is_held_out(ensemble: Run, tmp_path: Path):
    other = taught(ensemble.path).model_copy(update={"split": recipe().split.model_copy(update={"seed": 5})})
    with pytest.raises(DataError, match=r"has another validation set than this training: .* recordings are in one"):
        train(dataset(), other, new_run(tmp_path))


def test_a_teacher_of_other_recordings_is_refused(ensemble: Run, tmp_path: Path):
    data = dataset()
    first = data.recordings[0]
    others = Dataset.of(dict(data.movies), [replace(first, trace=first.trace + 1), *data.recordings[1:]])
    with pytest.raises(DataError, match="learned from other recordings than those of this training"):
        train(others, taught(ensemble.path), new_run(tmp_path))


def test_a_teacher_that_is_not_finished_is_refused(ensemble: Run, tmp_path: Path):
    teacher = tmp_path / "teacher"
    shutil.copytree(ensemble.path, teacher)
    (teacher / "members/2/model.json").unlink()
    with pytest.raises(ConfigError, match=r"is not finished\. Finish it first: python train.py resume="):
        train(dataset(), taught(teacher), new_run(tmp_path / "student"))


def test_a_share_of_answers_needs_a_teacher():
    with pytest.raises(ValueError, match=r"teacher_weight is 0.7 without a teacher: name the run in training.teacher"):
        recipe(teacher_weight=0.7)
