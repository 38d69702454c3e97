"""Several trainings as one job: members are ordinary runs, their mean predicts, their spread and numbers are judged."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer import Typer
from typer.testing import CliRunner

from stcnn import command_line
from stcnn.commands.compare import app as compare
from stcnn.commands.evaluate import app as evaluate
from stcnn.commands.fit_neuron import app as fit_neuron
from stcnn.commands.predict import app as ask
from stcnn.commands.report import app as report
from stcnn.commands.stream import app as stream
from stcnn.errors import DataError, FileError
from stcnn.evaluate import Predictions, predict
from stcnn.evaluate.ensemble import EnsemblePredictions, calibration, predict_together, spread_to_error
from stcnn.run_folder import Run, open_run
from stcnn.training.held_out import score_part
from tests.support.made_up_data import write_published
from tests.support.made_up_training import trained
from tests.test_train import folders


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("ensemble")
    write_published(folder / "data")
    learned = ["model.readout.place=learned", "model.readout.place_sd_deg=1"]
    return [*folders(folder / "data"), *learned, "training.epochs=1", "seed=5", f"experiments_dir={folder / 'runs'}"]


@pytest.fixture(scope="module")
def ensemble(arguments: list[str]) -> Run:
    assert command_line.main([*arguments, "n_models=2", "name=pair"]) == 0
    (folder,) = Path(arguments[-1].partition("=")[2]).glob("*pair")
    return open_run(folder)


def test_members_are_the_runs_that_their_seeds_give_alone(ensemble: Run, arguments: list[str]):
    alone = trained([*arguments[:-2], "seed=6", arguments[-1], "name=alone"])
    assert [member.environment()["seed"] for member in ensemble.members()] == [5, 6]
    for name, value in alone.model().state_dict().items():
        assert torch.equal(value, ensemble.models()[1].state_dict()[name])


def test_a_stopped_ensemble_goes_on_with_what_is_missing(ensemble: Run, capsys: pytest.CaptureFixture[str]):
    second = ensemble.members()[1]
    weights = second.model().state_dict()
    (second.path / "model.json").unlink()
    (second.path / "checkpoints" / "epoch_1.ckpt").unlink()
    kept = (ensemble.members()[0].path / "model.safetensors").stat().st_mtime_ns
    assert command_line.main([f"resume={ensemble.path}"]) == 0
    assert (ensemble.members()[0].path / "model.safetensors").stat().st_mtime_ns == kept
    assert all(torch.equal(value, second.model().state_dict()[name]) for name, value in weights.items())
    assert "95 % interval" in capsys.readouterr().out


def test_an_ensemble_is_no_single_model(ensemble: Run):
    with pytest.raises(FileError, match="is an ensemble of 2 models"):
        ensemble.model()


def test_an_ensemble_leaves_parameters_and_calibration(ensemble: Run):
    parameters = pd.read_csv(ensemble.path / "parameters.csv", keep_default_na=False)
    assert {"readout time constant", "calcium time constant"} <= set(parameters.quantity)
    assert parameters.quantity.str.startswith("receptive field width by ").any()
    low, high = (pd.to_numeric(parameters[end]) for end in ("low", "high"))
    assert ((low <= high) | (parameters.caution == "not defined in every model")).all()
    assert (ensemble.path / "calibration.png").stat().st_size > 10_000
    assert set(pd.read_csv(ensemble.path / "calibration.csv")) == {"spread_dff", "error_dff", "n_samples"}


def test_learned_places_are_written_and_those_of_an_ensemble_have_intervals_and_a_map(ensemble: Run):
    of_members = [pd.read_csv(member.path / "places.csv") for member in ensemble.members()]
    assert (of_members[0].azimuth_deg != of_members[0].recorded_azimuth_deg).all()
    together = pd.read_csv(ensemble.path / "places.csv")
    for axis in ("azimuth", "elevation"):
        both = np.stack([table[f"{axis}_deg"] for table in of_members])
        np.testing.assert_allclose(together[f"{axis}_deg"], both.mean(0), atol=1e-6)
        half = 12.7062 * 1.5**0.5 * both.std(0, ddof=1)  # t(1), of one training more
        np.testing.assert_allclose(together[f"{axis}_high_deg"] - together[f"{axis}_low_deg"], 2 * half, rtol=1e-3)
    assert (ensemble.path / "places.png").stat().st_size > 10_000


def test_the_report_of_an_ensemble_is_written_again(ensemble: Run):
    (ensemble.path / "parameters.csv").unlink()
    result = CliRunner().invoke(report, [str(ensemble.path)])
    assert result.exit_code == 0, result.output
    assert "gains and offsets of neurons agree" in result.output
    assert (ensemble.path / "parameters.csv").is_file()


def command(app: Typer, *arguments: object) -> str:
    """What a command prints; its errors are raised."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(map(str, arguments)), catch_exceptions=False).output


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npz"])
def test_predict_gives_the_mean_of_the_members_and_their_spread(ensemble: Run, tmp_path: Path, ending: str):
    flash = ("flash:luminance=0,duration_s=0.1", "--after-s", 0.2)
    tables = [tmp_path / f"{number}.csv" for number in (1, 2)]
    for member, path in zip(ensemble.members(), tables, strict=True):
        command(ask, member.path, *flash, "--to", path)
    one, other = map(pd.read_csv, tables)
    assert list(one.columns) == ["stimulus", "cell_type", "time_s", "voltage", "dff"]
    path = tmp_path / f"both{ending}"
    assert "mean and spread of 2 models" in command(ask, ensemble.path, *flash, "--to", path)
    assert path.with_suffix(".png").stat().st_size > 1000
    for name in ("voltage", "dff"):
        mean, spread = (one[name] + other[name]) / 2, (one[name] - other[name]).abs() / 2**0.5
        assert spread.max() > 0
        if ending == ".npz":
            with np.load(path) as arrays:
                found = [
                    np.concatenate([arrays[f"{flash[0]}|{cell_type}|{name}{what}"] for cell_type in ("lc11", "lc4")])
                    for what in ("", "_spread")
                ]
        else:
            table = pd.read_csv(path) if ending == ".csv" else pd.read_parquet(path)
            found = [table[name].to_numpy(), table[f"{name}_spread"].to_numpy()]
        np.testing.assert_allclose(found[0], mean, rtol=1e-5)
        np.testing.assert_allclose(found[1], spread, rtol=1e-3, atol=1e-6)


def test_evaluate_and_compare_score_the_mean_of_the_members(ensemble: Run, tmp_path: Path):
    from stcnn.config import validate

    assert "trial mean" in command(evaluate, ensemble.path)
    scores = pd.read_parquet(ensemble.path / "validation_scores.parquet")
    config = validate(ensemble.config())
    dataset = config.open_dataset()
    of_members = [score_part(member, dataset, config, "validation") for member in ensemble.members()]
    mse = [table.trial_mean_mse_dff2.to_numpy() for table in (scores, *of_members)]
    assert (mse[0] < (mse[1] + mse[2]) / 2).all()  # a square lies below its chord
    first = ensemble.members()[0].path
    command(compare, ensemble.path, first, "--to", tmp_path)
    comparison = pd.read_csv(tmp_path / "comparison.csv").query("model == 'pair' and cell_type in ('lc11', 'lc4')")
    of_types = scores[scores.level == "cell_type"].sort_values("cell_type")
    np.testing.assert_allclose(comparison.sort_values("cell_type").trial_mean_mse_dff2, of_types.trial_mean_mse_dff2)


def test_a_look_through_a_member_is_a_look_through_the_ensemble(ensemble: Run):
    command(evaluate, ensemble.members()[0].path, "--split", "test")
    for other in (ensemble, ensemble.members()[1]):
        with pytest.raises(DataError, match="was looked at before"):
            command(evaluate, other.path, "--split", "test")
    assert "look 2 at it" in command(evaluate, ensemble.path, "--split", "test", "--again")


@pytest.mark.parametrize("app", [fit_neuron, stream], ids=["fit-neuron", "stream"])
def test_what_takes_one_model_names_one_of_the_members(ensemble: Run, app: Typer):
    recordings = ["dataset=simulated"] if app is fit_neuron else []
    with pytest.raises(FileError, match=r"is an ensemble of 2 models. Open one of them, such as .*/members/1"):
        command(app, ensemble.path, *recordings)


def test_mean_and_spread_are_those_of_the_members(ensemble: Run):
    from stcnn.config import validate

    config = validate(ensemble.config())
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
