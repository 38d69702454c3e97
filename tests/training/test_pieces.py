"""Long movies in pieces: what a batch of a piece holds, predictions, and trainings that can be resumed between two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import pytest
import torch

from stcnn.config import compose
from stcnn.data import BatchingConfig, Dataset, loader
from stcnn.errors import ConfigError
from stcnn.evaluate import predict
from stcnn.nn.model import STCNN
from stcnn.training.callbacks import Checkpoints
from stcnn.training.fit import population_of, train
from stcnn.training.module import TrainingModule
from stcnn.training.places import network_for
from stcnn.training.recipe import Recipe
from tests.support import made_up_data
from tests.support.made_up_training import SMALL_MODEL, new_run, same_weights

WHOLE = BatchingConfig(kind="movies", batch_size=2, pre_grey_s=0.2, loss_start_s=-0.3)
PIECES = WHOLE.model_copy(update={"piece_s": 0.4})


def recipe(**training: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "model": {**SMALL_MODEL, "hidden": {**SMALL_MODEL["hidden"], "norm": {"kind": "none"}}},  # type: ignore[dict-item]
            "split": {"validation": 0.2, "test": 0.1},
            "batching": PIECES.model_dump(),
            "training": {"steps": 14, "validate_every": 7, "learning_rate": 1e-2, "device": "cpu", **training},
        }
    )


def at_their_own_clock(data: Dataset) -> Dataset:
    """The same recordings at 11 Hz, each sample exposed for 0.09 s."""
    apart = []
    for r in data.recordings:
        time_s = np.arange(r.time_s[0] + 0.05, r.time_s[-1] - 0.05, 1 / 11)
        apart.append(
            replace(r, trace=np.interp(time_s, r.time_s, r.trace).astype(np.float32), time_s=time_s, exposure_s=0.09)
        )
    return Dataset.of(data.movies, apart)


@pytest.mark.parametrize("clock", ["frames", "own"])
def test_pieces_hold_every_frame_and_sample_once(clock: str) -> None:
    data = made_up_data.dataset()
    if clock == "own":
        data = at_their_own_clock(data)
    wholes = list(loader(data, WHOLE))
    pieces = list(loader(data, PIECES))
    assert max(batch.n_frames for batch in pieces) <= 0.4 * made_up_data.RATE_HZ
    assert len(pieces) == len(loader(data, PIECES)) > len(wholes)
    for whole in wholes:
        mine = [batch for batch in pieces if torch.equal(batch.item, whole.item)]
        assert [batch.piece for batch in mine] == list(range(len(mine)))
        assert torch.equal(torch.cat([batch.contrast() for batch in mine], 1), whole.contrast())
        assert [batch.n_grey for batch in mine[1:]] == [0] * (len(mine) - 1)
        found = torch.zeros_like(whole.weight)
        for batch in mine:
            columns = slice(batch.first_sample, batch.first_sample + batch.weight.shape[1])
            found[:, columns] += batch.weight
            scored = batch.weight > 0
            assert torch.equal(batch.target[scored], whole.target[:, columns][scored])
        assert torch.equal(found, whole.weight)


@pytest.mark.parametrize("clock", ["frames", "own"])
def test_predictions_in_pieces_are_those_of_whole_movies(clock: str) -> None:
    data = made_up_data.dataset()
    if clock == "own":
        data = at_their_own_clock(data)
    torch.manual_seed(0)
    model = STCNN(network_for(data, recipe()), population_of(data, recipe().model))
    right = predict(model, data, WHOLE)
    found = predict(model, data, PIECES)
    order = [found.item.tolist().index(item) for item in right.item.tolist()]
    n = min(right.weight.shape[1], found.weight.shape[1])
    scored = right.weight[:, :n] > 0
    assert int(scored.sum()) == int((right.weight > 0).sum()) == int((found.weight > 0).sum())
    torch.testing.assert_close(found.prediction[order][:, :n][scored], right.prediction[:, :n][scored])
    torch.testing.assert_close(found.target[order][:, :n][scored], right.target[:, :n][scored], rtol=0, atol=0)


def test_a_training_goes_on_between_two_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its seventh step is in the middle of a movie: the state of the piece before is in the checkpoint."""
    data = made_up_data.dataset()
    whole = new_run(tmp_path / "whole")
    train(data, recipe(), whole)
    passes = next(iter(loader(data, PIECES)))
    assert passes.piece == 0
    stopped = new_run(tmp_path / "stopped")
    save = Checkpoints.on_train_epoch_end

    class Stopped(Exception):
        pass

    def and_stop(self: Checkpoints, trainer: L.Trainer, module: L.LightningModule) -> None:
        save(self, trainer, module)
        assert isinstance(module, TrainingModule)
        assert module.passes.before is not None
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "on_train_epoch_end", and_stop)
        with pytest.raises(Stopped):
            train(data, recipe(), stopped)
    train(data, recipe(), stopped, resume=True)
    assert same_weights(whole, stopped, 2)
    assert whole.scores().equals(stopped.scores())


def test_pieces_are_of_movies() -> None:
    with pytest.raises(ConfigError, match="piece_s is for kind 'movies', not 'presentations'"):
        compose(["batching.piece_s=2", "batching.kind=presentations"])


def test_a_recording_that_ends_before_a_piece_leaves_the_gradient_finite(tmp_path: Path) -> None:
    data = made_up_data.dataset()
    short = [replace(r, trace=r.trace[:40], time_s=r.time_s[:40]) if r.neuron == "0" else r for r in data.recordings]
    run = new_run(tmp_path)
    train(Dataset.of(data.movies, short), recipe(steps=12, validate_every=6), run)
    assert run.losses().loss.notna().all()
    assert all(weight.isfinite().all() for weight in run.model().state_dict().values())
