"""Training of a small network: what a step does, what is kept, and that a resumed run ends with the same numbers."""

import math
import shutil
import signal
import time
from itertools import pairwise
from pathlib import Path

import lightning.pytorch as L
import numpy as np
import pandas as pd
import pytest
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from stcnn.data.batching import loader
from stcnn.data.splitting.splits import split_recordings
from stcnn.errors import ConfigError, DataError, TrainingError
from stcnn.evaluate import Predictions, predict, predict_batch
from stcnn.nn.bounds import Bounds
from stcnn.nn.kernels.native.compile import why_unavailable
from stcnn.nn.model import STCNN
from stcnn.nn.population import Population
from stcnn.run_folder import Run
from stcnn.training.callbacks import History, Stop, TrainingStopped
from stcnn.training.checkpoints import last_whole_checkpoint
from stcnn.training.fit import finished_epoch, fit, train
from stcnn.training.module import TrainingModule, learning_rate_factor
from stcnn.training.recipe import Recipe, TrainingConfig
from tests.support.made_up_training import dataset, new_run, recipe, same_weights


def module(chosen: Recipe, kind: type[TrainingModule] = TrainingModule) -> TrainingModule:
    data = dataset()
    parts = split_recordings(data, chosen.split)
    torch.manual_seed(chosen.seed)
    model = STCNN(chosen.model, Population(neurons={k: tuple(v) for k, v in data.neurons.items()}), data.deg_per_px)
    return kind(model, chosen, data.subset(parts.train), data.subset(parts.validation))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of three epochs."""
    run = new_run(tmp_path_factory.mktemp("runs"))
    train(dataset(), recipe(), run)
    return run


@pytest.mark.parametrize("balance", ["none", "variance"])
def test_loss_is_the_mean_over_recordings_of_a_type_summed_over_types(balance: str):
    trained = module(recipe(balance=balance))
    batch = next(iter(loader(trained.train_data, trained.recipe.batching)))
    loss = trained.training_step(batch, 0)
    prediction = predict_batch(trained.model, batch).detach().numpy()
    expected = 0.0
    for cell_type in batch.cell_type.unique().tolist():
        errors = [
            np.mean((prediction[i][batch.weight[i] > 0] - batch.target[i][batch.weight[i] > 0].numpy()) ** 2)
            for i in torch.nonzero(batch.cell_type == cell_type).flatten().tolist()
        ]
        recordings = [r for r in trained.train_data.recordings if r.cell_type == trained.model.cell_types[cell_type]]
        variance = np.var(np.concatenate([r.trace for r in recordings])) if balance == "variance" else 1.0
        expected += np.mean(errors) / variance
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_training_lowers_the_loss_and_records_every_step_and_epoch(finished: Run):
    losses, scores = finished.losses(), finished.scores()
    assert scores.query("epoch > 0").groupby("epoch").training_loss.sum().is_monotonic_decreasing
    assert sorted(losses.step.unique()) == list(range(1, losses.step.max() + 1))
    assert list(scores.epoch.unique()) == [0, 1, 2, 3]
    assert scores[scores.epoch > 0].notna().all(axis=None)


def test_training_loss_of_an_epoch_is_the_mean_over_its_recordings(finished: Run):
    losses, scores = finished.losses(), finished.scores()
    for (epoch, cell_type), steps in losses.groupby(["epoch", "cell_type"]):
        row = scores[(scores.epoch == epoch) & (scores.cell_type == cell_type)]
        assert row.training_loss.item() == pytest.approx(np.average(steps.loss, weights=steps.n_recordings))


def test_every_epoch_and_the_untrained_network_leave_a_checkpoint(finished: Run):
    assert list(finished.checkpoints()) == [0, 1, 2, 3]
    weights = [finished.checkpoint_weights(epoch)["hidden.0.weight"] for epoch in range(4)]
    assert not any(torch.equal(before, after) for before, after in pairwise(weights))


def test_the_run_opens_with_the_epoch_of_lowest_held_out_loss(finished: Run):
    importance = module(recipe()).importance
    scores = [finished.scores().query(f"epoch == {epoch}") for epoch in (1, 2, 3)]
    losses = [(table.loss * table.cell_type.map(importance)).sum() for table in scores]
    assert finished.finished_epoch() == 1 + int(np.argmin(losses))
    finished_model, of_epoch = finished.model().state_dict(), finished.checkpoint_weights(finished.finished_epoch())
    assert all(torch.equal(finished_model[name], of_epoch[name]) for name in of_epoch)


def test_the_last_epoch_is_kept_where_that_is_asked_for_or_nothing_is_held_out():
    scores = pd.DataFrame({"epoch": [0, 1, 2], "cell_type": "lc4", "loss": [3.0, 1.0, 2.0]})
    assert finished_epoch(scores, TrainingConfig(epochs=2), {"lc4": 1}) == 1
    assert finished_epoch(scores, TrainingConfig(epochs=2, keep="last"), {"lc4": 1}) == 2
    assert finished_epoch(scores.assign(loss=math.nan), TrainingConfig(epochs=2), {"lc4": 1}) == 2


def test_recorded_scores_are_those_of_the_saved_weights(finished: Run):
    chosen = recipe()
    held_out = dataset().subset(split_recordings(dataset(), chosen.split).validation)
    again = predict(finished.model(epoch=2), held_out, chosen.batching).scores(("lc11", "lc4"))
    recorded = finished.scores().query("epoch == 2")
    np.testing.assert_allclose(again.loss, recorded.loss, rtol=1e-6)
    np.testing.assert_allclose(again.correlation, recorded.correlation, rtol=1e-6)


def test_the_same_seed_gives_the_same_run(finished: Run, tmp_path: Path):
    again = new_run(tmp_path)
    train(dataset(), recipe(), again)
    assert same_weights(finished, again, 3)
    pd.testing.assert_frame_equal(finished.losses(), again.losses(), check_exact=True)


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_run_resumed_from_an_epoch_ends_with_the_very_same_numbers(finished: Run, tmp_path: Path, epoch: int):
    shutil.copytree(finished.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    for number, checkpoint in run.checkpoints().items():
        if number > epoch:
            checkpoint.unlink()
    train(dataset(), recipe(), run, resume=True)
    assert same_weights(finished, run, 3)
    pd.testing.assert_frame_equal(finished.losses(), run.losses(), check_exact=True)
    pd.testing.assert_frame_equal(finished.scores(), run.scores(), check_exact=True)


class StoppedIn2Of2(TrainingModule):
    """Receives a signal while the second batch of the second epoch runs."""

    batch = 2

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        if (self.current_epoch, batch_idx) == (1, self.batch - 1):
            signal.raise_signal(signal.SIGTERM)


class StoppedIn3Of2(StoppedIn2Of2):
    """Receives it in the last batch, so that the epoch ends first."""

    batch = 3


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kind", "place", "checkpoint"),
    [(StoppedIn2Of2, "epoch 2, batch 2", "interrupted.ckpt"), (StoppedIn3Of2, "epoch 2", "epoch_2.ckpt")],
)
def test_a_run_stopped_by_a_signal_goes_on_to_the_very_same_numbers(
    tmp_path: Path, precision: str, kind: type[TrainingModule], place: str, checkpoint: str
):
    chosen = recipe(precision=precision)
    whole, stopped = new_run(tmp_path / "a"), new_run(tmp_path / "b")
    fit(module(chosen), whole)
    with pytest.raises(TrainingStopped, match=rf"SIGTERM after {place}\. Go on with: .*resume="):
        fit(module(chosen, kind), stopped)
    latest = last_whole_checkpoint(stopped)
    assert latest is not None
    assert latest.name == checkpoint
    torch.manual_seed(99)
    fit(module(chosen), stopped, latest)
    assert same_weights(whole, stopped, 3)
    assert last_whole_checkpoint(stopped) == stopped.checkpoints()[3]
    pd.testing.assert_frame_equal(whole.losses(), stopped.losses(), check_exact=True)
    pd.testing.assert_frame_equal(whole.scores(), stopped.scores(), check_exact=True)


def test_a_stopped_run_gives_the_signals_back_and_says_so_in_its_exit_status(tmp_path: Path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingStopped) as stopped:
        fit(module(recipe(), StoppedIn2Of2), new_run(tmp_path))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert stopped.value.exit_code == 128 + signal.SIGTERM


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_every_signal_of_a_scheduler_stops_with_its_own_exit_status(name: str, tmp_path: Path):
    number = signal.Signals[name]
    stop = Stop(new_run(tmp_path), History(new_run(tmp_path)))
    with stop.listening():
        stop.on_sanity_check_start(L.Trainer(logger=False, plugins=[LightningEnvironment()]), module(recipe()))
        signal.raise_signal(number)
        if name != "SIGINT":  # a scheduler may repeat its signals
            signal.raise_signal(number)
        else:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
    with pytest.raises(TrainingStopped, match=f"training stopped by {name} after here") as stopped:
        stop._stop("here")
    assert stopped.value.exit_code == 128 + number


def test_a_training_that_meets_its_time_limit_again_and_again_ends_with_the_very_same_numbers(tmp_path: Path):
    whole, limited = new_run(tmp_path / "a"), new_run(tmp_path / "b")
    train(dataset(), recipe(), whole)
    n_stops = whole.losses().step.max() - 1  # one step, then the limit, but for the last
    for number in range(n_stops):
        with pytest.raises(TrainingStopped, match="training stopped by its time limit after epoch") as stopped:
            train(dataset(), recipe(), limited, resume=number > 0, deadline_s=time.monotonic())
        assert stopped.value.exit_code == 75
        assert not limited.is_finished()
    train(dataset(), recipe(), limited, resume=True, deadline_s=time.monotonic())
    assert limited.is_finished()
    assert same_weights(whole, limited, 3)
    pd.testing.assert_frame_equal(whole.losses(), limited.losses(), check_exact=True)
    pd.testing.assert_frame_equal(whole.scores(), limited.scores(), check_exact=True)
    assert (whole.path / "test_scores.csv").read_text() == (limited.path / "test_scores.csv").read_text()


@pytest.mark.parametrize("compute", ["torch", "native"])
def test_what_computes_can_be_chosen_and_changes_no_number(compute: str):
    if compute == "native" and (reason := why_unavailable()):
        pytest.skip(f"there is no native core: {reason}")
    losses = []
    for trained in (module(recipe(compute=compute)), module(recipe())):
        batch = next(iter(loader(trained.train_data, trained.recipe.batching)))
        losses.append(trained.training_step(batch, 0).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_what_cannot_compute_is_refused_with_the_reason(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"compute='native' cannot run: it computes in float32.*compute='auto'"):
        train(dataset(), recipe(compute="native", precision="float64"), new_run(tmp_path))


def test_bfloat16_trains_and_keeps_float32_weights(finished: Run, tmp_path: Path):
    run = new_run(tmp_path)
    train(dataset(), recipe(precision="bfloat16"), run)
    assert {value.dtype for value in run.checkpoint_weights(3).values()} == {torch.float32}
    np.testing.assert_allclose(run.losses().loss, finished.losses().loss, rtol=0.02)


def test_batches_prepared_by_other_processes_are_the_same(finished: Run, tmp_path: Path):
    run = new_run(tmp_path)
    train(dataset(), recipe(n_workers=1), run)
    assert same_weights(finished, run, 3)


def test_resume_refuses_recordings_that_changed(finished: Run, tmp_path: Path):
    shutil.copytree(finished.path, tmp_path / "run")
    changed = dataset()
    changed.recordings[0].trace[3] += 1
    with pytest.raises(DataError, match="recordings differ"):
        train(changed, recipe(), Run(tmp_path / "run"), resume=True)


def test_a_loss_that_is_not_finite_stops_before_the_step_and_names_type_batch_and_recording(tmp_path: Path):
    spoilt = module(recipe())
    offset = dict(spoilt.model.named_parameters())["calcium.types.lc4.offset"]
    offset.data[0] = math.nan
    with pytest.raises(TrainingError, match=r"'lc4' is nan in epoch 1, batch \d \(.*neuron '0', stimulus '\w+'\)"):
        fit(spoilt, new_run(tmp_path))
    assert spoilt.global_step < spoilt.trainer.num_training_batches
    assert all(torch.isfinite(p).all() for p in spoilt.model.parameters() if p is not offset)


def test_a_gradient_that_is_not_finite_stops_before_the_step(tmp_path: Path):
    class Steep(TrainingModule):
        def on_after_backward(self) -> None:
            gradient = self.model.get_parameter("hidden.0.weight").grad
            assert gradient is not None
            gradient.fill_(math.inf)

    with pytest.raises(TrainingError, match=r"gradient of 'hidden.0.weight' is (inf|nan) in epoch 1"):
        fit(module(recipe(), Steep), new_run(tmp_path))


def test_the_gradient_is_scaled_down_to_the_norm_asked_for():
    clipped = module(recipe(clip_norm=0.05))
    optimiser = clipped.configure_optimizers()["optimizer"]
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    clipped.configure_gradient_clipping(optimiser)
    norm = torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in parameters]))
    assert norm.item() == pytest.approx(0.05, rel=1e-4)


def test_parameters_are_within_their_bounds_after_every_epoch(tmp_path: Path):
    bounds = Bounds(filter_tau_s=(0.03, 0.031))
    run = new_run(tmp_path)
    fit(module(recipe(learning_rate=0.1).model_copy(update={"bounds": bounds})), run)
    for epoch in (1, 2, 3):
        for name, value in run.checkpoint_weights(epoch).items():
            if name.endswith("filter.tau_s"):
                assert value.min() >= 0.03 - 1e-7
                assert value.max() <= 0.031 + 1e-7


def test_a_cell_type_that_is_not_in_the_batch_stays_as_it_is():
    trained = module(recipe())
    only = [i for i, r in enumerate(trained.train_data.recordings) if r.cell_type == "lc11"]
    batch = next(iter(loader(trained.train_data.subset(only), trained.recipe.batching)))
    trained.training_step(batch, 0).backward()
    trained.on_after_backward()
    without = {name for name, p in trained.model.named_parameters() if p.requires_grad and p.grad is None}
    assert without == {n for n, p in trained.model.named_parameters() if ".lc4." in n and p.requires_grad}


def test_nothing_need_be_held_out(tmp_path: Path):
    alone = recipe(epochs=1).model_copy(update={"split": recipe().split.model_copy(update={"validation": 0.0})})
    run = new_run(tmp_path)
    train(dataset(), alone, run)
    assert run.finished_epoch() == 1
    assert run.scores().correlation.isna().all()


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match="finds no GPU here"):
        fit(module(recipe(device="gpu")), new_run(tmp_path))


def test_schedules_start_and_end_where_they_should():
    cosine = TrainingConfig(schedule="cosine", warmup_steps=4)
    factors = [learning_rate_factor(step, 100, cosine) for step in range(101)]
    assert factors[0] == pytest.approx(0.2)
    assert max(factors) == pytest.approx(1, abs=0.01)
    assert factors[50] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0)
    assert learning_rate_factor(77, 100, TrainingConfig(schedule="constant")) == 1


def test_joined_predictions_pad_what_is_short_without_scoring_it():
    def part(n_samples: int) -> Predictions:
        torch.manual_seed(n_samples)
        traces = torch.randn(2, 2, n_samples)
        index = torch.zeros(2, dtype=torch.long)
        return Predictions(traces[0], traces[1], torch.ones(2, n_samples), index, torch.arange(2), index)

    short, long = part(5), part(9)
    joined = Predictions.concatenated([short, long])
    assert joined.target.shape == (4, 9)
    assert joined.weight.sum() == short.weight.sum() + long.weight.sum()
    alone = (short.scores(["lc4"]).loss + long.scores(["lc4"]).loss) / 2
    assert joined.scores(["lc4"]).loss.item() == pytest.approx(alone.item())
