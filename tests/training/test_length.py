"""Length in steps: how it is divided into epochs, what is done in each, what the start says, and an early end."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.config import resumed
from stcnn.data.batching import loader
from stcnn.errors import ConfigError
from stcnn.run_folder import Run
from stcnn.training.batches import EpochBatches
from stcnn.training.fit import train
from stcnn.training.length import Length, length_of
from stcnn.training.module import learning_rate_factor
from stcnn.training.recipe import TrainingConfig
from tests.support import made_up_data
from tests.support.made_up_training import dataset, new_run, recipe, same_weights


def in_steps(n_steps: int, **training: object):
    return recipe(epochs=None, steps=n_steps, schedule="constant", **training)


@given(st.integers(1, 500), st.integers(1, 60), st.integers(1, 60))
def test_epochs_divide_the_steps(n_steps: int, epoch_steps: int, pass_steps: int):
    length = Length(n_steps, epoch_steps, pass_steps)
    steps = [step for epoch in range(length.n_epochs) for step in length.steps_of(epoch)]
    assert steps == list(range(n_steps))
    assert not length.steps_of(length.n_epochs)


def test_a_length_is_that_of_its_key_and_without_one_never_a_moment():
    assert length_of(TrainingConfig(epochs=3), 7) == Length(21, 7, 7)
    assert length_of(TrainingConfig(steps=100), 7) == Length(100, 5, 7)
    assert length_of(TrainingConfig(steps=100, validate_every=30), 7) == Length(100, 30, 7)
    assert length_of(TrainingConfig(), 2).n_steps == 600  # six stimuli in batches of four
    assert length_of(TrainingConfig(), 1000).n_steps == 5000


@pytest.mark.parametrize("n_steps", [10, 40, 400])
def test_warm_up_takes_at_most_a_tenth(n_steps: int):
    config = TrainingConfig(schedule="constant", warmup_steps=50)
    factors = [learning_rate_factor(step, n_steps, config) for step in range(n_steps)]
    assert sum(factor < 1 for factor in factors) <= n_steps / 10
    assert factors[-1] == 1


@pytest.mark.parametrize("n_workers", [0, 1])
def test_epochs_of_any_length_go_through_all_passes(n_workers: int):
    batches = loader(dataset(), recipe().batching, seed=3, shuffle=True, n_workers=n_workers)
    n_batches = len(batches)
    whole = [batch.item.tolist() for number in range(3) for batch in EpochBatches(batches, number)]
    length = Length(3 * n_batches - 1, 4, n_batches)
    cut = [b.item.tolist() for epoch in range(length.n_epochs) for b in EpochBatches(batches, epoch, length)]
    assert cut == whole[:-1]
    assert sorted(item for items in whole[:n_batches] for item in items) == list(range(len(dataset())))


def test_an_epoch_is_taken_up_in_the_middle_of_it():
    batches = loader(dataset(), recipe().batching, seed=3, shuffle=True)
    length = Length(100, 2 * len(batches) + 1, len(batches))
    for given_before in (0, 1, len(batches), 2 * len(batches)):
        first = EpochBatches(batches, 1, length)
        before = [batch.item.tolist() for batch in islice(first, given_before)]
        second = EpochBatches(batches, 1, length)
        second.load_state_dict({"n_given": given_before})
        after = [batch.item.tolist() for batch in second]
        assert before + after == [batch.item.tolist() for batch in EpochBatches(batches, 1, length)]
        assert second.state_dict() == {"n_given": len(second)}


def test_a_training_takes_its_steps_and_goes_on_to_more(tmp_path: Path):
    whole = new_run(tmp_path / "whole")
    train(dataset(), in_steps(7, validate_every=2), whole)
    assert whole.losses().step.max() == 7
    assert list(whole.checkpoints()) == [0, 1, 2, 3, 4]
    begun = new_run(tmp_path / "begun")
    train(dataset(), in_steps(4, validate_every=2), begun)
    train(dataset(), in_steps(7, validate_every=2), begun, resume=True)
    assert same_weights(whole, begun, 4)


def test_a_run_keeps_the_length_that_followed_from_its_recordings(tmp_path: Path):
    chosen = in_steps(3)
    run = Run.create(tmp_path, "made up", {"training": {"epochs": None, "steps": None}})
    train(dataset(), chosen, run)
    assert run.config()["training"] == {"epochs": None, "steps": 3, "validate_every": 1}
    sentence = r"'training\.epochs' cannot be given: the length of this training is in training\.steps"
    with pytest.raises(ConfigError, match=sentence):
        resumed(run.path, ["training.epochs=4"])


def test_the_start_says_what_is_trained_on_and_how_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = new_run(tmp_path)
    train(made_up_data.dataset(), recipe(epochs=2, warmup_steps=50), run)
    said = capsys.readouterr().out
    lines = dict(
        line.split(maxsplit=1) for line in said.splitlines() if line.split()[0] in {"training", "length", "run"}
    )
    assert "recordings of 6 neurons of 2 cell types, 3 movies" in lines["training"]
    assert "steps, which are 2 passes over the recordings; validation every" in lines["length"]
    assert lines["run"] == str(run.path)
    assert "device      CPU, " in said
    assert "engine      torch" in said
    assert "a tenth of the training, instead of training.warmup_steps=50" in said
    assert "steps are few" in said


def test_a_training_ends_when_the_held_out_loss_no_longer_falls(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = new_run(tmp_path)  # its traces are noise, which is learned by heart
    train(dataset(), recipe(epochs=None, steps=400, validate_every=4, patience=2), run)
    epochs = run.scores().epoch.max()
    assert epochs < 100
    assert run.finished_epoch() == epochs - 2
    assert f"stopped after epoch {epochs} of 100: the held-out loss has not fallen since" in capsys.readouterr().out
    ended = {name: (run.path / name).read_bytes() for name in ("losses.csv", "scores.csv", "model.safetensors")}
    run.save_network(run.model())  # as if it had been killed while the finished model was scored
    (run.path / "test_scores.parquet").unlink()
    train(dataset(), recipe(epochs=None, steps=400, validate_every=4, patience=2), run, resume=True)
    assert {name: (run.path / name).read_bytes() for name in ended} == ended
    assert run.finished_epoch() == epochs - 2
