"""Run folders: made, opened again, and damaged."""

from pathlib import Path

import pytest
import torch

import stcnn
from stcnn.errors import FileError
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.run_folder import Run, open_run
from tests.support.made_up_training import SMALL_MODEL


@pytest.fixture
def model() -> STCNN:
    population = Population(neurons={"lc4": ("a", "b"), "lc11": ("c",)})
    return STCNN(ModelConfig.model_validate(SMALL_MODEL), population, 2.0)


@pytest.fixture
def run(tmp_path: Path, model: STCNN) -> Run:
    """A run with two checkpoints, of which the second is kept."""
    run = Run.create(tmp_path / "deep" / "experiments", "a b/c", {"seed": 3})
    for epoch in range(2):
        with torch.no_grad():
            model.get_parameter("hidden.0.weight").add_(1)
        state = {f"model.{name}": value for name, value in model.state_dict().items()}
        torch.save({"state_dict": state}, run.path / "checkpoints" / f"epoch_{epoch}.ckpt")
    run.finish(model, 1)
    return run


def test_a_run_folder_is_dated_and_named_and_holds_its_configuration(run: Run):
    date, time, name = run.path.name.split("_")
    assert (len(date), len(time), name) == (10, 8, "a-b-c")
    assert run.config() == {"seed": 3}


def test_runs_of_one_second_have_folders_of_their_own(tmp_path: Path):
    assert len({Run.create(tmp_path, "x", {}).path for _ in range(5)}) == 5


def test_the_finished_model_and_every_epoch_open_without_the_program_that_made_them(run: Run, model: STCNN):
    finished, first = stcnn.open_run(run.path).model(), open_run(str(run.path)).model(epoch=0)
    assert not finished.training
    assert finished.population == model.population
    assert finished.deg_per_px == 2.0
    assert all(torch.equal(a, b) for a, b in zip(finished.parameters(), model.parameters(), strict=True))
    weights = [m.get_parameter("hidden.0.weight") for m in (first, finished)]
    torch.testing.assert_close(weights[0], weights[1] - 1)
    assert run.finished_epoch() == 1


def test_an_epoch_that_is_not_there_is_refused_with_those_that_are(run: Run):
    with pytest.raises(FileError, match=r"no checkpoint of epoch 7, expected one of 0, 1\."):
        run.model(epoch=7)


def test_an_unfinished_run_says_how_it_goes_on(tmp_path: Path, model: STCNN):
    run = Run.create(tmp_path, "x", {})
    with pytest.raises(FileError, match=r"has no model\.json"):
        run.model()
    run.save_network(model)
    with pytest.raises(FileError, match="Resume its training"):
        run.model()
    with pytest.raises(FileError, match=r"did not come to its end.*resume="):
        run.finished_epoch()


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "checkpoints/epoch_0.ckpt"])
def test_a_truncated_file_is_a_sentence(run: Run, name: str):
    path = run.path / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FileError, match="cannot be read"):
        run.model(epoch=0 if "ckpt" in name else None)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(FileError, match="is not a run"):
        open_run(tmp_path)
    with pytest.raises(FileError, match="does not exist"):
        open_run(tmp_path / "gone")
    (tmp_path / "film.mp4").touch()
    with pytest.raises(FileError, match=r"film.mp4 is not a folder, expected a folder made by a training"):
        open_run(tmp_path / "film.mp4")


def test_a_place_where_no_folder_can_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"cannot be made.*experiments_dir"):
        Run.create(tmp_path / "file", "x", {})


def test_tables_read_back_exactly(run: Run):
    values = torch.randn(500, dtype=torch.float64).exp().tolist()
    run.write_table("losses.csv", [{"cell_type": "01", "loss": value} for value in values])
    assert run.losses().loss.tolist() == values
    assert set(run.losses().cell_type) == {"01"}
