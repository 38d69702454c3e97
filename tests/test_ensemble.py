"""Several trainings as one job: members are ordinary runs, their mean predicts, their spread and numbers are judged."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from stcnn import train
from stcnn.commands.report import app as report
from stcnn.errors import FileError
from stcnn.evaluate import Predictions, predict
from stcnn.evaluate.ensemble import EnsemblePredictions, calibration, predict_together, spread_to_error
from stcnn.runs import Run, open_run
from tests.made_up_data import write_published
from tests.test_train import folders


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("ensemble")
    write_published(folder / "data")
    return [*folders(folder / "data"), "training.epochs=1", "seed=5", f"experiments_dir={folder / 'runs'}"]


@pytest.fixture(scope="module")
def ensemble(arguments: list[str]) -> Run:
    assert train.main([*arguments, "n_models=2", "name=pair"]) == 0
    (folder,) = Path(arguments[-1].partition("=")[2]).glob("*pair")
    return open_run(folder)


def test_members_are_the_runs_that_their_seeds_give_alone(ensemble: Run, arguments: list[str]):
    assert train.main([*arguments[:-2], "seed=6", arguments[-1], "name=alone"]) == 0
    (alone,) = Path(arguments[-1].partition("=")[2]).glob("*alone")
    assert [member.environment()["seed"] for member in ensemble.members()] == [5, 6]
    for name, value in open_run(alone).model().state_dict().items():
        assert torch.equal(value, ensemble.models()[1].state_dict()[name])


def test_a_stopped_ensemble_goes_on_with_what_is_missing(ensemble: Run, capsys: pytest.CaptureFixture[str]):
    second = ensemble.members()[1]
    weights = second.model().state_dict()
    (second.path / "model.json").unlink()
    (second.path / "checkpoints" / "epoch_1.ckpt").unlink()
    kept = (ensemble.members()[0].path / "model.safetensors").stat().st_mtime_ns
    assert train.main([f"resume={ensemble.path}"]) == 0
    assert (ensemble.members()[0].path / "model.safetensors").stat().st_mtime_ns == kept
    assert all(torch.equal(value, second.model().state_dict()[name]) for name, value in weights.items())
    assert "95 % interval" in capsys.readouterr().out


def test_an_ensemble_is_no_single_model(ensemble: Run):
    with pytest.raises(FileError, match="is an ensemble of 2 models"):
        ensemble.model()


def test_an_ensemble_leaves_parameters_and_calibration(ensemble: Run):
    parameters = pd.read_csv(ensemble.path / "parameters.csv", keep_default_na=False)
    assert {"readout time constant", "calcium time constant", "receptive field width"} <= set(parameters.quantity)
    assert (pd.to_numeric(parameters.low) <= pd.to_numeric(parameters.high)).all()
    assert (ensemble.path / "calibration.png").stat().st_size > 10_000
    assert set(pd.read_csv(ensemble.path / "calibration.csv")) == {"spread_dff", "error_dff", "n_samples"}


def test_the_report_of_an_ensemble_is_written_again(ensemble: Run):
    (ensemble.path / "parameters.csv").unlink()
    result = CliRunner().invoke(report, [str(ensemble.path)])
    assert result.exit_code == 0, result.output
    assert "gains and offsets of neurons agree" in result.output
    assert (ensemble.path / "parameters.csv").is_file()


def test_mean_and_spread_are_those_of_the_members(ensemble: Run):
    from stcnn.config import judge

    config = judge(ensemble.config())
    held_out = config.open_dataset().subset(range(4))
    together = predict_together(ensemble.models(), held_out, config.batching)
    each = [predict(model, held_out, config.batching).prediction.numpy() for model in ensemble.models()]
    np.testing.assert_allclose(together.mean.prediction, np.mean(each, axis=0), rtol=1e-6)
    np.testing.assert_allclose(together.spread, np.std(each, axis=0, ddof=1), rtol=1e-4, atol=1e-7)


def drawn(n_members: int, error_scale: float) -> EnsemblePredictions:
    """Truth and members drawn alike around a centre, but the truth's deviation scaled."""
    generator = torch.Generator().manual_seed(1)
    sd = torch.linspace(0.01, 0.3, 200)[None, :, None]
    members = sd * torch.randn(n_members, 200, 100, generator=generator)
    target = error_scale * sd[0] * torch.randn(200, 100, generator=generator)
    index = torch.zeros(200, dtype=torch.long)
    mean = Predictions(members.mean(0), target, torch.ones_like(target), index, index, torch.arange(200))
    return EnsemblePredictions(mean, members)


def test_members_drawn_like_the_truth_are_calibrated():
    table = calibration(drawn(5, 1.0))
    assert spread_to_error(table) == pytest.approx(1, abs=0.03)
    assert table.error_dff.corr(table.spread_dff) > 0.9  # five members know their spread only roughly


def test_noise_of_the_recording_is_taken_out_of_the_error():
    clean = drawn(5, 1.0)
    noisy_target = clean.mean.target + 0.2 * torch.randn(200, 100, generator=torch.Generator().manual_seed(2))
    noisy = EnsemblePredictions(Predictions(**{**clean.mean.__dict__, "target": noisy_target}), clean.members)
    assert spread_to_error(calibration(noisy)) < 0.8
    assert spread_to_error(calibration(noisy, torch.full((200,), 0.04))) == pytest.approx(1, abs=0.03)


def test_overconfident_members_are_below_one():
    assert spread_to_error(calibration(drawn(5, 3.0))) == pytest.approx((1.2 / 9.2) ** 0.5, rel=0.05)


def test_a_single_member_has_no_spread():
    assert not drawn(1, 1.0).spread.any()
