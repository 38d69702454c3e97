"""``stcnn stimuli``: what it lists, shows and renders."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from stcnn.commands.stimuli import app
from stcnn.errors import ConfigError, FileError
from stcnn.stimuli import kinds, protocol_names, read_movie
from stcnn.stimuli.patterns import decode_pattern

SMALL = ["--shape-px", "16", "16", "--deg-per-px", "4", "--rate-hz", "60"]


def answer(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_list_names_every_protocol_and_every_kind() -> None:
    words = answer("list").split()
    assert set(protocol_names()) | set(kinds()) <= set(words)


def test_show_prints_what_differs_as_a_table_and_the_rest_once() -> None:
    output = answer("show", "klapoetke2022_looming")
    assert "10.1016/j.neuron.2022.02.013" in output
    assert output.count("azimuth_deg") == 1
    row = next(line.split() for line in output.splitlines() if " 329 " in line)
    assert row[:4] == ["329", "looming_disc", "5", "60"]


def test_show_explains_a_kind() -> None:
    assert "diameter" in answer("show", "moving_spot")
    assert "``" not in answer("show", "drifting_grating")


def test_show_writes_the_whole_table(tmp_path: Path) -> None:
    answer("show", "klapoetke2022_size", "--csv", str(tmp_path / "size.csv"))
    table = pd.read_csv(tmp_path / "size.csv", index_col="stimulus")
    assert table["height_deg"][5667] == table["width_deg"][5667] == 90


ARENA = "arena: {generation: G6, num_rows: 2, num_cols: 10, columns_installed: [2, 3, 4, 5, 6, 7]}"


def test_render_writes_patterns_for_an_arena(tmp_path: Path) -> None:
    (tmp_path / "arena.yaml").write_text(ARENA)
    options = ["--to", str(tmp_path / "rig"), "--arena", str(tmp_path / "arena.yaml"), *SMALL]
    said = answer("render", "klapoetke2022_looming", "321", *options)
    assert "1 patterns of 60 frames per second" in said
    pattern = decode_pattern((tmp_path / "rig" / "321.pat").read_bytes())
    assert (pattern.generation, pattern.codes.shape[1:]) == ("G6", (40, 120))
    last = pattern.codes[-1]
    assert last[:, 58:62].mean() < 2  # the disc, ahead
    assert (last[:, :30] == 7).all()  # grey beside the screen of 64 degrees
    (tmp_path / "arena.yaml").write_text(ARENA.replace("G6", "G3"))
    answer("render", "klapoetke2022_looming", "321", *options)
    assert (tmp_path / "rig" / "321.mat").is_file()


def test_render_writes_a_file_per_stimulus_and_the_table(tmp_path: Path) -> None:
    answer("render", "klapoetke2022_looming", "321", "329", "--to", str(tmp_path), "--format", "npz", *SMALL)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["321.npz", "329.npz", "klapoetke2022_looming.csv"]
    movie = read_movie(tmp_path / "321.npz")
    assert (movie.shape_px, movie.deg_per_px, movie.rate_hz) == ((16, 16), 4, 60)


def test_faults_are_user_errors() -> None:
    with pytest.raises(FileError, match="Did you mean 'speed'"):
        answer("show", "sped")
    with pytest.raises(ConfigError, match=r"--rate-hz is -1\.0"):
        answer("render", "speed", "--rate-hz", "-1")
    with pytest.raises(ConfigError, match="no stimulus 'fast'"):
        answer("render", "speed", "fast")
