"""The names that ``import stcnn`` offers: what the commands do, as functions."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import stcnn
from stcnn.commands.compare import app as command
from stcnn.data.splitting.splits import Split
from stcnn.errors import ConfigError, FileError
from stcnn.run_summary import summary

SMALL = [
    "dataset.n_animals=1",
    "model.hidden.channels=[2]",
    "training.max_batches=1",
    "training.epochs=1",
    "training.device=cpu",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> "stcnn.Run":
    return stcnn.train(*SMALL, f"experiments_dir={tmp_path_factory.mktemp('runs')}")


def test_a_trained_run_answers_what_one_asks_of_it(run: "stcnn.Run"):
    assert run.report() == run.path / "report.html"
    assert run.report().is_file()
    dataset = run.dataset()
    name, movie = next(iter(dataset.movies.items()))
    response = run.respond(movie)
    np.testing.assert_array_equal(response.calcium["lc11"], run.model().predict(movie)["lc11"])
    table = run.predict({name: movie})
    assert set(table.cell_type) == set(dataset.cell_types)
    assert len(table) == len(movie.time_s) * len(dataset.cell_types)


def test_measured_responses_stand_under_predicted_ones_in_a_figure(run: "stcnn.Run"):
    figure = run.plot_responses("LC11")
    panels = [axes for axes in figure.axes if axes.get_visible()]
    data = run.dataset()
    split = Split.from_json(run.split(), data)
    rows = data.table.iloc[[*split.train, *split.validation]]  # the test set stays untouched
    assert {axes.get_title() for axes in panels} == set(rows[rows.cell_type == "lc11"].stimulus)
    for axes in panels:
        assert {"_neuron", "measured, mean of neurons", "predicted"} <= {line.get_label() for line in axes.lines}
    with pytest.raises(ConfigError, match=r"have no cell type 'lc99'. (Did you mean|Valid names)"):
        run.plot_responses("lc99")


def test_a_training_leaves_a_page_to_explore_that_the_report_links_to(run: "stcnn.Run"):
    assert '<script type="application/json" id="data">' in (run.path / "explore.html").read_text()
    assert '<a href="explore.html">Play with the model</a>' in (run.path / "report.html").read_text()
    again = stcnn.explore([run])
    assert again == run.path / "explore.html"


def test_a_run_says_what_it_is_in_a_line(run: "stcnn.Run"):
    correlation = summary(run)["by_cell_type"]
    assert repr(run) == f"Run('{run.path}': finished after 1 epoch, correlation {correlation})"
    shown = run._repr_html_()
    assert shown.startswith("<table><caption>")
    assert "<th>state</th><td>finished</td>" in shown


def test_compare_does_what_the_command_does(run: "stcnn.Run", tmp_path: Path):
    found = stcnn.compare([run], "grand mean of the type", folder=tmp_path / "function")
    assert list(found.table.model.unique())[1:] == ["grand mean of the type"]
    done = CliRunner().invoke(
        command, [str(run.path), "--baselines", "grand mean of the type", "--to", str(tmp_path / "command")]
    )
    assert done.exit_code == 0, done.output
    for name in ("comparison.csv", "comparison.svg"):
        assert (tmp_path / "function" / name).is_file()
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "function" / "comparison.csv"), pd.read_csv(tmp_path / "command" / "comparison.csv")
    )


def test_scores_are_those_that_the_training_noted_and_that_the_command_writes(run: "stcnn.Run"):
    noted = run.scores()
    assert list(noted.epoch.unique()) == [0, 1]
    assert set(noted.cell_type) == set(run.dataset().cell_types)
    assert set(noted.columns) >= {"training_loss", "loss", "correlation"}
    table = run.evaluate()
    pd.testing.assert_frame_equal(table, pd.read_parquet(run.path / "validation_scores.parquet"))


def test_runs_are_listed_and_the_latest_is_found(run: "stcnn.Run", tmp_path: Path):
    assert [found.path for found in stcnn.runs(run.path.parent)] == [run.path]
    assert stcnn.latest_run(run.path.parent).path == run.path
    with pytest.raises(FileError, match=r"there is no run in .*Train one with stcnn\.train"):
        stcnn.latest_run(tmp_path)


def test_simulated_recordings_are_written_and_opened(tmp_path: Path):
    simulation = stcnn.simulate(tmp_path / "set", cell_types=["lc11"], n_animals=1, stimuli=["klapoetke2022_speed"])
    data = stcnn.open_recordings(tmp_path / "set" / "recordings.zarr")
    assert data.cell_types == ("lc11",) or list(data.cell_types) == ["lc11"]
    assert set(data.movies) == set(simulation.movies)
    with pytest.raises(stcnn.ConfigError, match="a simulation has no key 'cell_type'"):
        stcnn.simulate(tmp_path / "other", cell_type=["lc11"])


def test_public_names_are_the_product_and_rooms_are_reached():
    assert dir(stcnn) == stcnn.__all__ or set(dir(stcnn)) == set(stcnn.__all__)
    assert all(getattr(stcnn, name) is not None for name in stcnn.__all__)
    code = "import sys, stcnn; stcnn.stimuli, stcnn.data; assert callable(stcnn.train) and callable(stcnn.runs)"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = stcnn.trian
