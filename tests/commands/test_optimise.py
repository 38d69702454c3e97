"""``stcnn optimise``: a protocol that the other commands read, movies, traces, a record and a picture."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from stcnn.commands.optimise import app
from stcnn.errors import StcnnError
from stcnn.run_folder import Run
from stcnn.stimuli import Screen, load_protocol, read_movie
from stcnn.stimuli.patterns import decode_pattern
from tests.support.networks import network, run_of

QUICK = ("--start", "8", "--generations", "1", "--longest-s", "0.3")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_of([network(seed=1), network(seed=2)], tmp_path_factory.mktemp("runs"))


def ask(run: Run | Path, *arguments: object) -> str:
    path = run.path if isinstance(run, Run) else run
    result = CliRunner().invoke(app, [str(path), *map(str, arguments)])
    if result.exception:
        raise result.exception
    return result.output


def test_what_is_written_is_what_was_found(run: Run, tmp_path: Path) -> None:
    said = ask(run, "--criterion", "disputed", "--cell-type", "LC18", "--family", "flash", *QUICK, "--to", tmp_path)
    assert f"1 stimuli in {tmp_path}" in said
    record = json.loads((tmp_path / "record.json").read_text())
    (facts,) = record["stimuli"].values()
    protocol = load_protocol(tmp_path / "protocol.yaml")
    movie = protocol.movie("disputed_lc18", Screen(**record["screen"]))
    assert movie.parameters == protocol.parameters["disputed_lc18"]
    shown = read_movie(tmp_path / "disputed_lc18.mp4")
    np.testing.assert_allclose(shown.luminance(), movie.luminance(), atol=1 / 254)
    table = pd.read_csv(tmp_path / "traces.csv")
    mine = table[table.cell_type == "lc18"]
    assert facts["value"] == pytest.approx(np.sqrt((mine.spread**2).mean()), rel=1e-3)
    assert facts["peak_dff_above_grey"]["lc18"] == pytest.approx(mine.dff_above_grey.max(), rel=1e-4)
    assert record["seed"] == 0
    assert record["runs"][0]["n_models"] == 2
    assert (tmp_path / "stimuli.png").stat().st_size > 10_000


ARENA = "arena: {generation: G6, num_rows: 2, num_cols: 10, columns_installed: [2, 3, 4, 5, 6, 7]}"


def test_a_rig_gets_patterns(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(ARENA)
    options = ("--cell-type", "lc11", "--family", "flash", *QUICK, "--to", tmp_path, "--arena", tmp_path / "rig.yaml")
    ask(run, *options)
    pattern = decode_pattern((tmp_path / "strongest_lc11.pat").read_bytes())
    assert pattern.codes.shape[1:] == (40, 120)
    positions = pd.read_csv(tmp_path / "strongest_lc11_positions.csv")
    assert positions.x.max() == len(pattern.codes) - 1
    assert len(positions) >= read_movie(tmp_path / "strongest_lc11.mp4").n_frames


def test_free_movies_are_stimuli_of_a_protocol_too(run: Run, tmp_path: Path) -> None:
    options = ("--free", "--duration-s", 0.2, "--steps", 2, "--family", "flash", "--longest-s", 0.2)
    ask(run, "--cell-type", "lc11", *options, "--rms-contrast", 0.1, "--to", tmp_path)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["limits"]["rms_contrast"] == 0.1
    exact = read_movie(tmp_path / "strongest_lc11.npz")
    movie = load_protocol(tmp_path / "protocol.yaml").movie("strongest_lc11", Screen(**record["screen"]))
    np.testing.assert_allclose(movie.luminance(), exact.luminance(), atol=1e-6)
    assert np.sqrt((exact.contrast() ** 2).mean()) <= 0.1 * 0.498 * 1.0001


def test_cell_types_are_all_but_the_other_unless_said(run: Run, tmp_path: Path) -> None:
    ask(run, "--criterion", "discriminating", "--against", "lc11", "--family", "flash", *QUICK, "--to", tmp_path)
    assert list(load_protocol(tmp_path / "protocol.yaml").parameters) == ["discriminating_lc18_lc11"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--cell-type", "lc99"), "has a cell type 'lc99'"),
        (("--family", "loming_disc"), "Did you mean 'looming_disc'"),
        (("--criterion", "weakest"), "there is no criterion 'weakest'"),
    ],
)
def test_what_cannot_be_is_a_sentence(run: Run, tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(StcnnError) as caught:
        ask(run, *arguments, "--to", tmp_path / "none")
    assert sentence in str(caught.value)
    assert not (tmp_path / "none").exists()


def test_a_folder_that_is_no_run_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StcnnError, match="is not a run"):
        ask(tmp_path, *QUICK)
