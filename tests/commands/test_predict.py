"""``stcnn predict`` and what it is made of: responses, receptive fields, tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import image
from typer.testing import CliRunner

from stcnn.commands.predict import app
from stcnn.errors import ConfigError, FileError
from stcnn.experiments import between_grey, receptive_fields, respond
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.norms.batch import WeightedBatchNorm
from stcnn.nn.population import Population
from stcnn.run_folder import Run
from stcnn.stimuli import Screen, load_protocol, write_movie
from stcnn.training.fit import train
from tests.support import made_up_training


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = made_up_training.new_run(tmp_path_factory.mktemp("runs"))
    train(made_up_training.dataset(), made_up_training.recipe(epochs=1), made)
    return made


@pytest.fixture
def model() -> STCNN:
    config = ModelConfig.model_validate(made_up_training.SMALL_MODEL)
    return STCNN(config, Population(neurons={"lc4": ("1",), "lc11": ("1", "2")})).eval()


def ask(run: Run, *arguments: object) -> pd.DataFrame:
    table = run.path / "table.csv"
    result = CliRunner().invoke(app, [str(run.path), *map(str, arguments), "--to", str(table), "--rate-hz", "30"])
    if result.exception:
        raise result.exception
    return pd.read_csv(table)


def test_grey_around_a_movie_keeps_the_onset():
    movie = Movie(np.zeros((3, 4, 5), np.float32), 10.0, background=0.5, onset_s=0.1)
    longer = between_grey(movie, 0.2, 0.3)
    assert longer.n_frames == 8
    assert longer.time_s[0] == pytest.approx(-0.3)
    assert (longer.contrast()[[0, 1, 5, 6, 7]] == 0).all()


def test_responses_are_those_of_the_model(model: STCNN):
    movie = Movie(np.random.default_rng(0).random((9, 20, 20), np.float32), 30.0)
    table = respond(model, [("noise", movie)])
    mine = table[table.cell_type == "lc11"]
    np.testing.assert_allclose(mine.dff, model.predict(movie)["lc11"])
    np.testing.assert_allclose(mine.time_s, movie.time_s)


def test_receptive_field_predicts_the_answer_to_a_faint_spot(model: STCNN):
    model = model.double()
    for layer in model.hidden:
        assert isinstance(layer.norm, WeightedBatchNorm)
        torch.nn.init.normal_(layer.norm.bias)  # away from zero, where the rectifier has no gradient
    rate_hz, faint = 50.0, 1e-5
    field = receptive_fields(model, rate_hz, shape_px=(20, 20), lags_s=0.2)["lc4"]
    grey = torch.zeros(1, 60, 20, 20, dtype=torch.float64)
    spot = grey.clone()
    lag, y, x = (int(i) for i in np.unravel_index(np.abs(field).argmax(), field.shape))
    spot[0, -1 - lag, y, x] = faint
    with torch.no_grad():
        change = (model.voltage_of(spot, rate_hz) - model.voltage_of(grey, rate_hz))[0, -1, 0]
    assert float(change) / faint == pytest.approx(field[lag, y, x], rel=1e-3)


def test_protocols_their_stimuli_parameters_and_files_are_understood(run: Run, tmp_path: Path):
    movie = Movie(np.full((12, 83, 83), 0.2, np.float32), 30.0, background=0.498)
    clip = write_movie(movie, tmp_path / "street.mp4")
    table = ask(run, "size/5", "flash:luminance=0,duration_s=0.2", clip, "--before-s", 0.1, "--after-s", 0.1)
    assert list(dict.fromkeys(table.stimulus)) == ["size/5", "flash:luminance=0,duration_s=0.2", "street.mp4"]
    assert set(table.cell_type) == {"lc4", "lc11"}
    assert np.isfinite(table[["voltage", "dff"]]).all(axis=None)
    assert table.groupby("stimulus").time_s.min().max() < 0


def test_the_answer_at_a_place_is_the_models_there(run: Run):
    away = ask(run, "size/2", "--at", 3.5, -8)
    middle = ask(run, "size/2")
    movie = between_grey(load_protocol("size").movie("2", Screen(rate_hz=30.0)), 0.5, 1.0)
    right = respond(run.model(), [("size/2", movie)], at=(3.5, -8.0))
    np.testing.assert_allclose(away.voltage, right.voltage, rtol=1e-4, atol=1e-5)
    assert not np.allclose(away.voltage, middle.voltage)
    with pytest.raises(ConfigError, match="the place is azimuth 400 and elevation 0 degrees"):
        ask(run, "size/2", "--at", 400, 0)


def test_figure_and_film_are_written(run: Run, tmp_path: Path):
    ask(run, "flash:luminance=0,duration_s=0.2", "--figure", tmp_path / "p.PNG", "--film", tmp_path / "p.GIF")
    assert image.imread(tmp_path / "p.PNG").std() > 0.01
    assert (tmp_path / "p.GIF").stat().st_size > 1000


def test_protocol_is_drawn_beside_the_table_in_its_rows_and_columns(run: Run, tmp_path: Path):
    protocol = tmp_path / "four.yaml"
    protocol.write_text(
        "description: four\ncommon: {kind: flash, duration_s: 0.1}\n"
        "vary: {polarity: {dark: {luminance: 0}, bright: {luminance: 1}}, patch_deg: [[5, 5], [40, 40]]}\n"
    )
    assert len(set(ask(run, protocol, "--film", tmp_path / "four.mp4").stimulus)) == 4
    height, width, _ = image.imread(run.path / "table.png").shape
    assert width > height
    assert (tmp_path / "four.mp4").stat().st_size > 1000


@pytest.mark.parametrize("option", ["--figure", "--film"])
def test_endings_are_refused_before_anything_is_computed(run: Run, option: str, tmp_path: Path):
    with pytest.raises(FileError, match=r"ends in '.docx'"):
        ask(run, "nowhere.mp4", option, tmp_path / "answer.docx")


def test_what_is_no_stimulus_is_named_with_the_nearest(run: Run):
    with pytest.raises(ConfigError, match="Did you mean 'flash'"):
        ask(run, "flush:luminance=0")
    with pytest.raises(ConfigError, match="expected NAME=VALUE"):
        ask(run, "flash:luminance")
    with pytest.raises(FileError, match=r"nowhere.mp4 does not exist"):
        ask(run, "nowhere.mp4")
