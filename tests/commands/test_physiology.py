"""``stcnn physiology`` through the entry point: page, table, figures, of one model and of an ensemble, and refusals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import stcnn
from stcnn import cli
from stcnn.run_folder import Run

SMALL = [
    "dataset.n_animals=2",
    "dataset.rate_hz=30",
    "dataset.stimuli=[klapoetke2022_speed]",
    "model.hidden.channels=[2]",
    "training.max_batches=1",
    "training.epochs=1",
    "training.device=cpu",
    "report=false",
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An ensemble of two, either of which is a run of its own."""
    return stcnn.train(*SMALL, "n_models=2", f"experiments_dir={tmp_path_factory.mktemp('runs')}")


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["stcnn", "physiology", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_run_has_page_table_and_figures(pair: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    alone = pair.members()[0].path
    assert call(monkeypatch, alone, "--only", "size,direction") == 0
    folder = alone / "physiology"
    shown = capsys.readouterr()
    assert shown.out.strip() == str(folder / "physiology.html")
    assert shown.err.splitlines() == ["Size ...", "Direction ...", "page ..."]
    table = pd.read_csv(folder / "physiology.csv")
    assert set(table.analysis) == {"size", "direction"}
    assert set(table.cell_type) == {"lc11", "lc15", "lplc2"}
    known = table[table.measured.notna()]
    assert set(known[known.analysis == "size"].x_value) == {4.5}  # the one square that was recorded on this axis
    assert known.n_neurons.max() <= 4
    for name in ("size-1", "direction-1"):
        svg = (folder / "figures" / f"{name}.svg").read_text()
        assert svg.startswith("<?xml")
        assert "var(--" not in svg
    assert "1 of 9 stimuli were recorded" in (folder / "physiology.html").read_text()


def test_an_ensemble_has_intervals(pair: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert call(monkeypatch, pair.path, "--only", "size", "--to", tmp_path / "both") == 0
    table = pd.read_csv(tmp_path / "both" / "physiology.csv")
    assert (table.n_members == 2).all()
    curve = table[table.x.notna()]
    assert (curve.high > curve.low).any()
    np.testing.assert_allclose((curve.high + curve.low) / 2, curve.value, atol=1e-9)
    single = [pd.read_csv(f) for f in (pair.path / "members").glob("*/physiology/physiology.csv")]
    assert not single or single[0].low.isna().all()


def test_a_second_physiology_takes_the_place_of_the_first_and_nothing_elses(
    pair: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
):
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("all of it")
    assert call(monkeypatch, pair.path, "--only", "size", "--to", other) == 2
    assert "holds other files than an earlier physiology" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]
    for _ in range(2):
        assert call(monkeypatch, pair.path, "--only", "size", "--to", tmp_path / "again") == 0
    assert call(monkeypatch, pair.path, "--only", "size", "--to", other / "thesis.txt") == 2
    assert "exists already and is a file" in capsys.readouterr().err


def test_faults_of_the_user_end_with_a_sentence(
    pair: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
):
    assert call(monkeypatch, tmp_path / "nowhere") == 2
    assert "nowhere does not exist" in capsys.readouterr().err
    assert call(monkeypatch, pair.path, "--only", "sise") == 2
    assert "there is no analysis 'sise'" in capsys.readouterr().err
    assert not (pair.path / "physiology").exists()
