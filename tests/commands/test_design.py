"""``stcnn design``: the list of a rig within the time, a protocol of what it shows, and a record."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import stcnn
from stcnn.commands.design import app
from stcnn.errors import StcnnError
from stcnn.run_folder import Run
from stcnn.stimuli import Screen, load_protocol
from tests.support.networks import network, run_of

PROTOCOL = """
description: Flashes.
common: {kind: flash, duration_s: 0.3}
vary:
  patch_deg: [5, 20]
  luminance: [0, 1]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_of([network(seed=1), network(seed=2)], tmp_path_factory.mktemp("runs"))


@pytest.fixture
def flashes(tmp_path: Path) -> Path:
    path = tmp_path / "flashes.yaml"
    path.write_text(PROTOCOL)
    return path


def ask(run: Run | Path, *arguments: object) -> str:
    path = run if isinstance(run, Path) else run.path
    result = CliRunner().invoke(app, [str(path), *map(str, arguments)])
    if result.exception:
        raise result.exception
    return result.output


def test_the_list_keeps_the_time_and_the_protocol_shows_it(run: Run, flashes: Path, tmp_path: Path) -> None:
    said = ask(run, flashes, "--minutes", 0.2, "--grey-s", 0.5, "--noise-dff", 0.01, "--to", tmp_path / "list")
    table = pd.read_csv(tmp_path / "list" / "schedule.csv")
    assert list(table.columns[:5]) == ["order", "stimulus", "onset_s", "duration_s", "grey_after_s"]
    assert f"{len(table)} presentations of {table.stimulus.nunique()} stimuli" in said
    assert table.onset_s.iloc[-1] + 0.8 <= 12
    assert (table.gain > 0).all()
    protocol = load_protocol(tmp_path / "list" / "protocol.yaml")
    assert list(protocol.parameters) == table.stimulus.drop_duplicates().to_list()
    record = json.loads((tmp_path / "list" / "record.json").read_text())
    assert (record["by"], record["criterion"], record["unit"]) == ("members", "information", "bits")
    assert record["total_gain"] == pytest.approx(table.gain.sum(), rel=1e-4)
    assert record["noise_dff"] == {"lc18": 0.01, "lc11": 0.01}
    movie = protocol.movie(table.stimulus[0], Screen())
    assert movie.duration_s == pytest.approx(table.duration_s[0])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--minutes", 0.01, "--noise-dff", 1), "minutes are too short for any stimulus"),
        (("--by", "weights", "--noise-dff", 1), "there is no source 'weights'"),
        (("--criterion", "bits", "--noise-dff", 1), "there is no criterion 'bits'"),
        (("--aim", "size", "--noise-dff", 1), "Give --criterion variance too"),
        (("--cell-type", "lc99", "--noise-dff", 1), "has a cell type 'lc99'"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    run: Run, flashes: Path, tmp_path: Path, arguments: tuple[object, ...], sentence: str
) -> None:
    with pytest.raises(StcnnError) as caught:
        ask(run, flashes, *arguments, "--to", tmp_path / "none")
    assert sentence in str(caught.value)
    assert not (tmp_path / "none").exists()


def test_unknown_protocols_and_runs_and_stimuli_beyond_the_screen_are_sentences(run: Run, tmp_path: Path) -> None:
    with pytest.raises(StcnnError, match="there is no protocol 'sizes'"):
        ask(run, "sizes")
    with pytest.raises(StcnnError, match="does not exist"):
        ask(tmp_path / "nowhere", "size")
    fast = tmp_path / "fast.yaml"
    fast.write_text("description: Too fast.\nstimuli: {a: {kind: flicker, frequency_hz: 20, duration_s: 1}}")
    with pytest.raises(StcnnError, match="'a' has frequency_hz=20, expected 0 to 15 on a screen"):
        ask(run, fast, "--noise-dff", 1)


@pytest.mark.slow
def test_readouts_count_what_the_run_was_trained_on(tmp_path: Path) -> None:
    ask(stcnn.example_run().path, "size", "--minutes", 1, "--cell-type", "lc11", "--to", tmp_path)
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["by"], record["recorded"]) == ("readout", 24)
    assert 0.01 < record["noise_dff"]["lc11"] < 0.5
