"""``stcnn runs`` lists what there is, the best first if asked, and says what is wrong with the rest."""

import shutil
import webbrowser
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from stcnn import cli
from stcnn.commands.runs import app as runs_app
from stcnn.commands.runs import chosen
from stcnn.errors import ConfigError
from stcnn.run_folder import Run
from stcnn.run_summary import differences, summaries
from stcnn.training.fit import train
from tests.support.made_up_training import dataset, new_run, recipe


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = new_run(tmp_path_factory.mktemp("runs"))
    train(dataset(), recipe(epochs=2), run)
    return run


@pytest.fixture
def folder(finished: Run, tmp_path: Path) -> Path:
    for name in ("2026-01-01_worse", "2026-01-02_better", "2026-01-03_stopped", "2026-01-04_damaged", "2026-01-05_new"):
        shutil.copytree(finished.path, tmp_path / name)
    for name, score in (("2026-01-01_worse", 0.2), ("2026-01-02_better", 0.8)):
        run = Run(tmp_path / name)
        run.write_table("scores.csv", run.scores().assign(correlation=score))
    (tmp_path / "2026-01-03_stopped" / "model.safetensors").unlink()
    (tmp_path / "2026-01-04_damaged" / "config.yaml").write_text("a: [")
    (tmp_path / "2026-01-05_new" / "scores.csv").unlink()
    return tmp_path


def test_a_row_for_every_run_with_its_state(folder: Path):
    table = summaries(folder).set_index("run")
    assert list(table.state.iloc[:3]) == ["finished", "finished", "stopped"]
    assert "config.yaml" in table.state["2026-01-04_damaged"]
    assert table.state["2026-01-05_new"] == "not begun"
    assert table.correlation["2026-01-02_better"] == pytest.approx(0.8)
    assert table.epochs["2026-01-02_better"] == 2
    assert table.by_cell_type["2026-01-01_worse"].split() == ["lc11", "0.20", "lc4", "0.20"]


def test_two_runs_side_by_side_show_the_keys_in_which_they_differ(folder: Path):
    for name, seed in (("2026-01-01_worse", 1), ("2026-01-02_better", 2)):
        config = f"seed: {seed}\ntraining: {{learning_rate: 0.1, steps: {seed * 10}}}\n"
        (folder / name / "config.yaml").write_text(config)
    table = differences([folder / "2026-01-01_worse", folder / "2026-01-02_better"])
    assert table.to_dict("index") == {
        "seed": {"2026-01-01_worse": "1", "2026-01-02_better": "2"},
        "training.steps": {"2026-01-01_worse": "10", "2026-01-02_better": "20"},
    }
    shown = CliRunner().invoke(runs_app, [str(folder), "--compare", "--state", "finished"])
    assert shown.exit_code == 0
    assert "training.steps" in shown.output
    assert "2 keys differ" in shown.output
    alone = CliRunner().invoke(runs_app, [str(folder), "--compare", "--name", "better"])
    assert isinstance(alone.exception, ConfigError)


def test_the_score_is_that_of_the_kept_epoch(finished: Run):
    (row,) = summaries(finished.path.parent).itertuples()
    scores = finished.scores()
    kept = scores[scores.epoch == finished.finished_epoch()]
    assert row.correlation == pytest.approx(kept.correlation.mean())


@pytest.mark.parametrize(("options", "first"), [([], "2026-01-05_new"), (["--best"], "2026-01-02_better")])
def test_newest_or_best_first(options: list[str], first: str, folder: Path, tmp_path: Path):
    cli._add_commands()
    result = CliRunner().invoke(cli.app, ["runs", str(folder), "--csv", str(tmp_path / "t.csv"), *options])
    assert result.exit_code == 0, result.output
    assert pd.read_csv(tmp_path / "t.csv").run[0] == first
    assert f"5 runs in {folder}" in result.output.replace("\n", "")


def test_chosen_by_name(folder: Path, tmp_path: Path):
    cli._add_commands()
    CliRunner().invoke(cli.app, ["runs", str(folder), "--csv", str(tmp_path / "t.csv"), "--name", "better"])
    assert list(pd.read_csv(tmp_path / "t.csv").run) == ["2026-01-02_better"]


def listed(folder: Path, tmp_path: Path, *options: str) -> list[str]:
    cli._add_commands()
    result = CliRunner().invoke(cli.app, ["runs", str(folder), "--csv", str(tmp_path / "t.csv"), *options])
    assert result.exit_code == 0, result.output
    return [name[:10] for name in pd.read_csv(tmp_path / "t.csv").run]


def test_chosen_by_state_and_sorted_by_a_cell_type(folder: Path, tmp_path: Path):
    assert listed(folder, tmp_path, "--state", "finished", "--by", "lc4") == ["2026-01-02", "2026-01-01"]
    assert listed(folder, tmp_path, "--state", "not-begun") == ["2026-01-05"]
    assert listed(folder, tmp_path, "--state", "damaged") == ["2026-01-04"]
    assert listed(folder, tmp_path, "--by", "epochs", "--name", "2026-01-0")[0] in ("2026-01-03", "2026-01-02")
    with pytest.raises(ConfigError, match=r"runs cannot be sorted by 'lc5'\. Did you mean 'lc4'\?"):
        chosen(summaries(folder), "", False, by="lc5")


def test_sorted_by_a_cell_type_whose_name_has_a_space_and_by_every_digit(folder: Path):
    for name, score in (("2026-01-01_worse", 0.801), ("2026-01-02_better", 0.804)):
        scores = Run(folder / name).scores()
        named = scores.cell_type.replace("lc4", "T4 layer 1")
        Run(folder / name).write_table("scores.csv", scores.assign(correlation=score, cell_type=named))
    table = chosen(summaries(folder), "", False, by="T4 layer 1")
    assert list(table.run[:2]) == ["2026-01-02_better", "2026-01-01_worse"]


def test_only_what_holds_no_trained_epoch_is_removed_and_only_when_confirmed(folder: Path):
    new = folder / "2026-01-05_new"
    shutil.rmtree(new / "checkpoints")
    cli._add_commands()
    command = ["runs", str(folder), "--remove-broken"]
    asked = CliRunner().invoke(cli.app, command, input="n\n")
    assert "delete 1 runs that hold no trained epoch?" in asked.output
    assert new.is_dir()
    CliRunner().invoke(cli.app, command, input="y\n")
    assert not new.exists()
    assert len(list(folder.iterdir())) == 4  # the damaged one has trained epochs


def test_a_folder_without_runs(tmp_path: Path):
    cli._add_commands()
    assert "0 runs in" in CliRunner().invoke(cli.app, ["runs", str(tmp_path)]).output


def test_open_shows_the_report(finished: Run, monkeypatch: pytest.MonkeyPatch):
    cli._add_commands()
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    (finished.path / "report.html").write_text("the report")
    assert CliRunner().invoke(cli.app, ["open", str(finished.path)]).exit_code == 0
    assert shown == [(finished.path / "report.html").resolve().as_uri()]
