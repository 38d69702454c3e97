"""Patterns as they were played: where they are seen, positions over time, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stcnn.commands.data import make_movie
from stcnn.errors import ConfigError, DataError, ShapeError, StcnnError
from stcnn.movie import Movie
from stcnn.stimuli import Screen, render
from stcnn.stimuli.patterns import Pattern, PositionFunction, encode_pattern, write_function, write_mat_pattern

SCREEN = Screen(shape_px=(21, 45), deg_per_px=4, rate_hz=20, background=0.4)


def dark_columns(panel_px: int) -> NDArray[np.uint8]:
    """Six frames of two rows of six panels; of each frame one column is dark, from left to right."""
    codes = np.full((6, 2 * panel_px, 6 * panel_px), 15, np.uint8)
    for number, frame in enumerate(codes):
        frame[:, panel_px * number : panel_px * (number + 1)] = 0
    return codes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An arena that leaves out what is behind, and a pattern whose dark column of panels goes right frame by frame."""
    (tmp_path / "arena.yaml").write_text(
        "arena: {generation: G6, num_rows: 2, num_cols: 10, columns_installed: [2, 3, 4, 5, 6, 7]}"
    )
    (tmp_path / "bar.pat").write_bytes(encode_pattern(Pattern(dark_columns(20), 16, "G6")))
    return tmp_path


def shown(folder: Path, **arguments: object) -> Movie:
    files = {"path": str(folder / "bar.pat"), "arena": str(folder / "arena.yaml")}
    return render(SCREEN, {"kind": "arena_pattern", **files, **arguments})


def dark_azimuth_deg(movie: Movie, first: int = 0) -> list[float]:
    """Azimuth of what is dark at the horizon, from a frame on."""
    dark = np.where(movie.luminance()[first:, 10] < 0.2, 1.0, 0.0)
    return [float((row * SCREEN.x_deg).sum() / row.sum()) for row in dark]


def test_a_pattern_is_seen_where_the_arena_shows_it(folder: Path) -> None:
    movie = shown(folder, frames_hz=10.0, x=1)
    assert movie.n_frames == 12  # a round of six frames at 10 Hz
    assert dark_azimuth_deg(movie)[:8] == pytest.approx([-54, -54, -18, -18, 18, 18, 54, 54], abs=2)
    # Two rows of panels reach 32 degrees up where two columns meet, ahead; the upper row of pixels is at 40.
    light = movie.luminance()[0]
    assert light[10, 22] == pytest.approx(1, abs=1e-3)
    assert light[0, 22] == pytest.approx(0.4, abs=1e-3)
    turned = shown(folder, duration_s=0.1, x=4, azimuth_deg=54.0)
    assert dark_azimuth_deg(turned) == pytest.approx([0, 0], abs=1)


def test_positions_hold_until_the_next(folder: Path) -> None:
    (folder / "positions.csv").write_text("time_s,x,y\n0,2,0\n0.1,3,0\n0.3,9,0\n")
    movie = shown(folder, positions=str(folder / "positions.csv"), timing={"before_s": 0.1})
    assert movie.onset_s == pytest.approx(0.1)
    assert not movie.contrast()[:2].any()
    expected = [-18, -18, 18, 18, 18, 18, 18, 18, 18]  # frame 9 is frame 3 of a pattern of six
    assert dark_azimuth_deg(movie, 2) == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("file", ["move.pfn", "move.mat"])
def test_a_position_function_moves_the_pattern(folder: Path, file: str) -> None:
    positions = np.repeat([2, 3, 0], [50, 100, 50])  # at 500 Hz, which the 16 levels of the pattern say
    write_function(PositionFunction(positions, 500.0), folder / file)
    (folder / "positions.csv").write_text("time_s,x\n0,2\n0.1,3\n0.3,0\n")
    moved = shown(folder, positions=str(folder / file))
    assert moved.n_frames == 8
    listed = shown(folder, positions=str(folder / "positions.csv"), duration_s=0.4)
    np.testing.assert_array_equal(moved.luminance(), listed.luminance())
    again = shown(folder, positions=str(folder / file), duration_s=0.6)  # it begins anew
    np.testing.assert_array_equal(again.luminance()[8:], moved.luminance()[:4])
    course = [(0, 2, 0), (0.1, 3, 0), (0.3, 0, 0)]
    np.testing.assert_array_equal(shown(folder, course=course, duration_s=0.4).luminance(), moved.luminance())


def test_a_g3_function_is_added_to_where_the_pattern_starts(folder: Path) -> None:
    write_function(PositionFunction(np.array([0, 1, 2]), None, "G3"), folder / "move.mat")
    moved = shown(folder, positions=str(folder / "move.mat"), positions_hz=20, x=2)
    assert dark_azimuth_deg(moved) == pytest.approx([-18, 18, 54], abs=2)
    with pytest.raises(ConfigError, match=r"does not say how many positions are shown per second. Give positions_hz"):
        shown(folder, positions=str(folder / "move.mat"))
    write_function(PositionFunction(np.array([0, -1]), None, "G3"), folder / "move.mat")
    with pytest.raises(DataError, match=r"move.mat has the position x=-1 at 0.050 s, expected 0 to 5"):
        shown(folder, positions=str(folder / "move.mat"), positions_hz=20)


def test_functions_move_a_pattern_along_both_axes(folder: Path) -> None:
    """Six frames as two rows of three: one further along y is three frames further."""
    (folder / "arena.yaml").write_text(
        "arena: {generation: G4, num_rows: 2, num_cols: 12, columns_installed: [3, 4, 5, 6, 7, 8]}"
    )
    write_mat_pattern(Pattern(dark_columns(16), 16, "G4", n_y=2), folder / "bar.mat")
    files = {"path": str(folder / "bar.mat"), "arena": str(folder / "arena.yaml")}
    for name, positions in (("x", [0, 1, 2, 1]), ("y", [0, 1])):
        write_function(PositionFunction(np.array(positions), None, "G3"), folder / f"{name}.mat")
    both = {"positions": str(folder / "x.mat"), "positions_y": str(folder / "y.mat"), "positions_hz": 20}
    moved = render(SCREEN, {"kind": "arena_pattern", **files, **both})
    course = [(0, 0, 0), (0.05, 1, 1), (0.1, 2, 0), (0.15, 1, 1)]  # the shorter one begins anew
    listed = render(SCREEN, {"kind": "arena_pattern", **files, "course": course, "duration_s": 0.2})
    np.testing.assert_array_equal(moved.luminance(), listed.luminance())
    along_y = render(SCREEN, {"kind": "arena_pattern", **files, "x": 1, **(both | {"positions": None})})
    assert dark_azimuth_deg(along_y) == pytest.approx([-45, 45], abs=2)  # frames 1 and 4
    write_function(PositionFunction(np.array([0, 2]), None, "G3"), folder / "y.mat")
    with pytest.raises(ConfigError, match="positions and frames_hz, x or y"):
        render(SCREEN, {"kind": "arena_pattern", **files, **both, "frames_hz": 2})


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (
            {"course": [(0, 6, 0)], "duration_s": 1},
            DataError,
            r"pat has the position x=6 at 0.000 s, expected 0 to 5",
        ),
        ({"course": [(0, 0, 1)], "duration_s": 1}, DataError, "has the position y=1 at 0.000 s, expected 0 to 0"),
        (
            {"course": [(0, 1, 0), (0, 2, 0)], "duration_s": 1},
            ConfigError,
            "of an arena_pattern does not ascend",
        ),
        ({"course": [(0, 1, 0)]}, ConfigError, "has no end. Give duration_s"),
        ({"course": [(0, 1, 0)], "x": 1, "duration_s": 1}, ConfigError, "a course and positions, frames_hz, x or y"),
    ],
)
def test_an_odd_course_is_refused(
    folder: Path, arguments: dict[str, object], error: type[StcnnError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        shown(folder, **arguments)


def test_an_import_takes_it_as_the_movie_of_a_stimulus(folder: Path) -> None:
    files = {"path": str(folder / "bar.pat"), "arena": str(folder / "arena.yaml")}
    keys = {"rate_hz": 20, "shape_px": (21, 45), "deg_per_px": 4, "background": 0.4}
    movie = make_movie({"kind": "arena_pattern", **files, "frames_hz": 10, **keys})
    np.testing.assert_array_equal(movie.luminance(), shown(folder, frames_hz=10.0).luminance())


@pytest.mark.parametrize(
    ("table", "error", "sentence"),
    [
        ("time_s,x\n0,1\n0,2\n", DataError, "holds no positions over time"),
        ("time_s,x\n0,0.5\n", DataError, "holds no positions over time"),
        ("time_s,x\n0,1\n", ConfigError, "has a single position. Give duration_s"),
        ("time_s,position\n0,1\n", DataError, "has no column 'x'"),
    ],
)
def test_odd_positions_are_refused(folder: Path, table: str, error: type[StcnnError], sentence: str) -> None:
    (folder / "positions.csv").write_text(table)
    with pytest.raises(error, match=sentence):
        shown(folder, positions=str(folder / "positions.csv"))


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="stands still for no time that is said"):
        shown(folder)
    with pytest.raises(ConfigError, match="has positions and frames_hz, x or y, expected one or the other"):
        shown(folder, positions="positions.csv", x=2)
    (folder / "bar.pat").write_bytes(encode_pattern(Pattern(np.zeros((1, 40, 200), np.uint8), 2, "G6")))
    with pytest.raises(ShapeError, match="a pattern of 40 x 200 pixels, expected 40 x 120, the pixels of the arena"):
        shown(folder, duration_s=0.1)
