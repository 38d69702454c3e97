"""``stcnn stimuli``: what it lists, shows and renders."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from stcnn.commands.stimuli import app
from stcnn.errors import ConfigError, FileError
from stcnn.stimuli import Screen, kinds, load_protocol, protocol_names, read_movie, render
from stcnn.stimuli.displays import Arena
from stcnn.stimuli.displays.playing import pattern_for
from stcnn.stimuli.displays.showing import as_picture, movie_on
from stcnn.stimuli.patterns import Generation, decode_pattern

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
    assert "1 patterns and their positions, of 60 frames per second," in said
    pattern = decode_pattern((tmp_path / "rig" / "321.pat").read_bytes())
    assert (pattern.generation, pattern.codes.shape[1:]) == ("G6", (40, 120))
    last = pattern.codes[-1]
    assert last[:, 58:62].mean() < 2  # the disc, ahead
    assert (last[:, :30] == 7).all()  # grey beside the screen of 64 degrees


@pytest.mark.parametrize(
    ("generation", "files"),
    [
        ("G3", ["321.mat", "321_function.mat"]),
        ("G4", ["321.pat", "321.pfn"]),
        ("G4.1", ["321.pat", "321.pfn"]),
        ("G6", ["321.pat", "321_positions.csv"]),
    ],
)
def test_what_is_rendered_for_a_rig_comes_back_as_the_movie(
    tmp_path: Path, generation: Generation, files: list[str]
) -> None:
    arena = Arena(generation=generation, num_rows=1, num_cols=10, columns_installed=(3, 4, 5, 6))
    (tmp_path / "arena.yaml").write_text(f"arena: {arena.model_dump_json(exclude={'kind'}, exclude_none=True)}")
    options = ["--to", str(tmp_path), "--arena", str(tmp_path / "arena.yaml"), *SMALL]
    answer("render", "klapoetke2022_looming", "321", *options)
    pattern, positions = (tmp_path / file for file in files)
    screen = Screen(shape_px=(12, 36), deg_per_px=4, rate_hz=60)
    shown = render(
        screen,
        {"kind": "arena_pattern", "path": str(pattern), "arena": str(tmp_path / "arena.yaml")}
        | {"positions": str(positions)}
        | ({"positions_hz": 60} if generation == "G3" else {}),
    )
    drawn = load_protocol("klapoetke2022_looming").movie("321", Screen(shape_px=(16, 16), deg_per_px=4, rate_hz=60))
    display = arena.geometry()
    frames = pattern_for(arena, movie_on(display, drawn)).codes / 15
    seen = as_picture(display, frames, screen).luminance()
    assert shown.n_frames == drawn.n_frames
    inside = slice(6, 30)  # of the rows at the horizon, where no pixel looks beyond the arena
    np.testing.assert_allclose(shown.luminance()[:, 5:7, inside], seen[:, 5:7, inside], atol=2e-3)
    assert len(np.unique(seen, axis=0)) > 5


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
