"""Experiments on an LED arena: their movies are what the fly saw, on the clock of the imaging; doubts are sentences."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stcnn.commands.data import make_movie
from stcnn.data.importers import import_config
from stcnn.data.importers.arena_log import read_arena_log
from stcnn.errors import ConfigError, DataError, FileError, RateError, ShapeError, StcnnError
from stcnn.stimuli.patterns import Pattern, PositionFunction, encode_pattern, write_function
from tests.support.arena_rig import (
    OFFSET_S,
    PICTURE,
    TICK_S,
    TRIALS,
    Trial,
    keys,
    log_of,
    opened,
    patterns_and_functions,
    stepping,
    suite2p,
    tdms_of,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    patterns_and_functions(tmp_path)
    suite2p(tmp_path / "plane0")
    log_of(tmp_path / "log.mat")
    return tmp_path


def rendered(folder: Path, number: int, **moves: Any) -> np.ndarray:
    """What a fly sees of a pattern, rendered directly."""
    files = {"path": str(folder / "Patterns" / f"pat{number:04d}_bar.pat"), "arena": str(folder / "arena.yaml")}
    return make_movie({"kind": "arena_pattern", **files, **PICTURE, **moves}).luminance()


def test_the_movies_are_those_that_pattern_and_function_make(folder: Path) -> None:
    data = opened(folder)
    assert sorted(data.movies) == ["pat0001_bar+fun0001", "pat0002_bar+fun0001"]
    for number in (1, 2):
        seen = data.movies[f"pat000{number}_bar+fun0001"]
        function = str(folder / "Functions" / "fun0001.pfn")
        np.testing.assert_array_equal(seen.luminance(), rendered(folder, number, positions=function))
        assert len(np.unique(seen.luminance(), axis=0)) == 10  # ten steps
        assert (seen.rate_hz, seen.n_frames) == (50, 50)


def test_onsets_stand_on_the_clock_of_the_imaging_and_repeats_are_repeats(folder: Path) -> None:
    data = opened(folder)
    rows = data.table[data.table.neuron == "0"]
    assert list(zip(rows.stimulus, rows.trials, strict=True)) == [
        ("pat0001_bar+fun0001", (0,)),
        ("pat0001_bar+fun0001", (1,)),
        ("pat0002_bar+fun0001", (0,)),
    ]
    assert set(data.table.animal) == {"01"}
    for recording, start_s in zip(data.recordings[:3], (2.0, 8.0, 5.0), strict=True):
        np.testing.assert_allclose(recording.trace, recording.time_s + start_s + OFFSET_S, atol=1e-5)


def test_two_clocks_go_together_by_moments_that_both_saw(folder: Path) -> None:
    log_s = np.array([0.5, 4.0, 10.5])
    lines = [f"{a},{1.001 * a + 0.3}" for a in log_s]
    (folder / "clock.csv").write_text("\n".join(["log_s,imaging_s", *lines]))
    values = {name: value for name, value in keys().items() if name != "offset_s"} | {"clock": "clock.csv"}
    data = opened(folder, values)
    np.testing.assert_allclose(data.recordings[1].trace, data.recordings[1].time_s + 1.001 * 8 + 0.3, atol=1e-5)
    assert any("brought to that of the imaging by 3 moments" in note for note in data.notes)
    (folder / "clock.csv").write_text("log_s,imaging_s\n0,0\n4,4.05\n9,9\n")
    with pytest.raises(DataError, match=r"clocks that run .* and lie up to .* ms off a line"):
        opened(folder, values)
    with pytest.raises(
        ConfigError, match=r"nothing says how the clock of .*log.mat and that of the imaging go together"
    ):
        opened(folder, {name: value for name, value in keys().items() if name != "offset_s"})


def test_a_pattern_that_moves_late_moves_the_onset(folder: Path) -> None:
    log_of(folder / "log.mat", late_s=(0.0, 0.0, 0.03))
    data = opened(folder)
    np.testing.assert_allclose(data.recordings[1].trace, data.recordings[1].time_s + 8.03 + OFFSET_S, atol=1e-4)
    assert any("onsets of 1 of 3 presentations were moved by up to 30.0 ms" in note for note in data.notes)


def test_the_tdms_files_of_a_rig_say_what_the_mat_made_of_them_says(folder: Path) -> None:
    pytest.importorskip("nptdms", reason="needs npTDMS (pip install 'stcnn[tdms]')")
    tdms_of(folder / "log.mat", folder / "Log Files")
    read = read_arena_log(folder / "Log Files")
    converted = read_arena_log(folder / "log.mat")
    assert read.positions is not None
    assert converted.positions is not None
    assert read.trials is not None
    assert converted.trials is not None
    for one, other in zip(read.positions, converted.positions, strict=True):
        np.testing.assert_array_equal(one, other)
    pd.testing.assert_frame_equal(read.trials, converted.trials)
    assert sorted(opened(folder, keys() | {"path": "Log Files"}).movies) == sorted(opened(folder).movies)


def test_tdms_files_that_are_no_log_are_sentences(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nptdms", reason="needs npTDMS (pip install 'stcnn[tdms]')")
    tdms_of(folder / "log.mat", folder / "Log Files")
    one = folder / "Log Files" / "Frame Time.tdms"
    with pytest.raises(FileError, match=r"Frame Time.tdms is one file of a log.* Give the folder"):
        read_arena_log(one)
    (folder / "Log Files" / "other.tdms").write_bytes(one.read_bytes())
    with pytest.raises(DataError, match=r"other.tdms has the groups Pattern Position, expected 'Commands Received'"):
        read_arena_log(folder / "Log Files")
    (folder / "Log Files" / "other.tdms").unlink()
    position = folder / "Log Files" / "Frame Position.tdms"
    position.write_bytes(position.read_bytes()[:-4000])
    with pytest.raises(DataError, match=r"Log Files has 5500 times and 4500 positions of frames"):
        read_arena_log(folder / "Log Files")
    position.write_bytes(b"TDSm" + bytes(range(256)))
    with pytest.raises(StcnnError):
        read_arena_log(folder / "Log Files")
    monkeypatch.setitem(sys.modules, "nptdms", None)
    with pytest.raises(FileError, match=r"the package npTDMS is not installed. Pip install 'stcnn\[tdms\]'"):
        read_arena_log(folder / "Log Files")


def test_other_positions_are_another_movie(folder: Path) -> None:
    log_of(folder / "log.mat", [*TRIALS[:2], (8.0, 9.0, 1, 1, stepping(steps_hz=5))])
    data = opened(folder)
    assert sorted(data.movies) == ["pat0001_bar+fun0001", "pat0001_bar+fun0001_2", "pat0002_bar+fun0001"]
    slow = data.movies["pat0001_bar+fun0001_2"].luminance()
    assert len(np.unique(slow, axis=0)) == 5
    assert any(
        "positions differed between presentations of pat0001_bar+fun0001: 1 more movies" in n for n in data.notes
    )


def test_a_presentation_whose_frames_were_not_logged_is_left_out(folder: Path) -> None:
    log_of(folder / "log.mat", lost=range(round(5.4 / TICK_S), round(5.6 / TICK_S)))
    data = opened(folder)
    assert list(data.movies) == ["pat0001_bar+fun0001"]
    said = (
        "1 of 3 presentations were left out, because the log lacks positions in them: pat0002_bar+fun0001 at 5.000 s "
    )
    assert any(said + "(none for 0.202 s from 5.398 s on)" in note for note in data.notes)
    log_of(folder / "log.mat", lost=[2600, 2601])  # two ticks, between which nothing was shown anew
    assert len(opened(folder).movies) == 2


def test_a_table_of_positions_and_one_of_presentations_do_as_well(folder: Path) -> None:
    rows = [f"{2 + 0.1 * step},{step},0" for step in range(10)]
    (folder / "log.csv").write_text("\n".join(["time_s,x,y", "0,3,0", *rows]))
    (folder / "trials.csv").write_text("onset_s,duration_s,pattern,stimulus\n2,1,pat0001_bar.pat,bar\n")
    data = opened(folder, keys() | {"path": "log.csv", "trials": "trials.csv"})
    function = str(folder / "Functions" / "fun0001.pfn")
    np.testing.assert_array_equal(data.movies["bar"].luminance(), rendered(folder, 1, positions=function))


def test_without_a_log_functions_say_what_was_shown(folder: Path) -> None:
    (folder / "trials.csv").write_text("onset_s,pattern,function,trial\n2,1,1,4\n5,2,fun0001,0\n8,1,1,5\n")
    data = opened(folder, keys() | {"path": "trials.csv"})
    assert sorted(set(zip(data.table.stimulus, data.table.trials, strict=True))) == [
        ("pat0001_bar+fun0001", (4,)),
        ("pat0001_bar+fun0001", (5,)),
        ("pat0002_bar+fun0001", (0,)),
    ]
    function = str(folder / "Functions" / "fun0001.pfn")
    seen = data.movies["pat0001_bar+fun0001"].luminance()
    np.testing.assert_array_equal(seen, rendered(folder, 1, positions=function))


def test_presentations_name_functions_along_both_axes(folder: Path) -> None:
    """A pattern of one row of frames stands still along y, and goes on along x."""
    write_function(PositionFunction(np.zeros(500, int), name="up"), folder / "Functions" / "fun0002.pfn")
    row = "onset_s,duration_s,pattern,function,function_y\n"
    (folder / "trials.csv").write_text(f"{row}2,1,1,1,2\n5,1,1,,2\n")
    data = opened(folder, keys() | {"path": "trials.csv"})
    moved, still = (data.movies[f"pat0001_bar+{name}"].luminance() for name in ("fun0001+fun0002", "fun0002"))
    np.testing.assert_array_equal(moved, rendered(folder, 1, positions=str(folder / "Functions" / "fun0001.pfn")))
    assert (still == still[0]).all()


def test_tables_of_traces_name_their_stimuli(folder: Path) -> None:
    lines = [f"a,bar,{k % 2},{time_s:.1f},{time_s}" for k in range(2) for time_s in np.arange(0, 1.2, 0.1)]
    (folder / "traces.csv").write_text("\n".join(["neuron,stimulus,trial,time_s,trace", *lines]))
    (folder / "trials.csv").write_text("onset_s,stop_s,pattern,stimulus\n2,3,1,bar\n8,9,1,bar\n")
    traces = {"kind": "tables", "path": "traces.csv", "rate_hz": 10, "constants": {"cell_type": "t4"}}
    values = keys() | {"trials": "trials.csv", "traces": traces}
    assert opened(folder, values).movies["bar"].n_frames == 50
    log_of(folder / "log.mat", [*TRIALS[:2], (8.0, 9.0, 1, 1, stepping(steps_hz=5))])
    with pytest.raises(DataError, match=r"presentations of 'bar' in .* showed different positions, and a table"):
        opened(folder, values)


def test_two_flies_on_one_rig_are_two_flies(folder: Path) -> None:
    suite2p(folder / "plane1")
    first = keys()
    both = [{"traces": first["traces"] | {"path": f"plane{k}", "animal": animal}} for k, animal in enumerate("ab")]
    data = opened(folder, {name: value for name, value in first.items() if name != "traces"} | {"sessions": both})
    assert sorted(data.neurons["t4"]) == ["a/0", "a/1", "b/0", "b/1"]
    same = [one | {"traces": one["traces"] | {"animal": "a"}} for one in both]
    data = opened(folder, {name: value for name, value in first.items() if name != "traces"} | {"sessions": same})
    assert sorted(data.neurons["t4"]) == ["plane0/0", "plane0/1", "plane1/0", "plane1/1"]


@pytest.mark.parametrize(
    ("trial", "sentence"),
    [
        ((5.0, 6.0, 7, 0, stepping()), r"log.mat, presentation 2 names the pattern 7, of which .* has none"),
        (
            (5.0, 6.0, 2, 0, [*stepping()[:-5], *[12] * 5]),
            r"stimulus 'pat0002_bar' \(.*presentation 2\): .*pat0002_bar.pat has the position x=12 at 0.990 s, "
            "expected 0 to 11, the frames of the pattern along x",
        ),
    ],
)
def test_what_a_pattern_does_not_have_is_refused(folder: Path, trial: Trial, sentence: str) -> None:
    log_of(folder / "log.mat", [TRIALS[0], trial])
    with pytest.raises(DataError, match=sentence):
        opened(folder)


def test_patterns_of_another_arena_are_refused(folder: Path) -> None:
    wide = Pattern(np.zeros((12, 16, 112), np.uint8), 16, "G4")
    (folder / "Patterns" / "pat0002_bar.pat").write_bytes(encode_pattern(wide))
    said = r"stimulus 'pat0002_bar\+fun0001' .*: a pattern of 16 x 112 pixels, expected 16 x 96"
    with pytest.raises(ShapeError, match=said):
        opened(folder)


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"traces": {"kind": "store", "path": "x.zarr"}}, ConfigError, "traces.kind is 'store', expected suite2p"),
        (
            {"traces": {"kind": "suite2p", "path": "x", "pth": "x"}},
            ConfigError,
            "traces: 'pth' is no key of kind suite2p",
        ),
        ({"path": "log.tdms"}, FileError, "is one file of a log.* Give the folder"),
        ({"path": "positions.csv"}, DataError, "does not say which pattern was shown when"),
        ({"path": "back.csv"}, RateError, "the time in row 3 is 0.000000 s after 1.000000 s before it"),
        ({"trials": "twice.csv"}, DataError, "lists two presentations at 2 s, the second in row 3"),
        ({"trials": "endless.csv"}, DataError, "endless.csv, row 2 does not say when it ended"),
        (
            {"trials": "no_function.csv", "functions": None},
            DataError,
            "names the function 1, and nothing says where",
        ),
        ({"patterns": "nowhere"}, FileError, "nowhere.* does not exist"),
    ],
)
def test_doubts_are_sentences(folder: Path, changes: dict[str, Any], error: type[StcnnError], sentence: str) -> None:
    (folder / "positions.csv").write_text("time_s,x\n0,1\n1,2\n")
    (folder / "back.csv").write_text("time_s,x\n1,1\n0,2\n")
    (folder / "twice.csv").write_text("onset_s,stop_s,pattern\n2,3,1\n2,3,1\n")
    (folder / "endless.csv").write_text("onset_s,pattern\n2,1\n")
    (folder / "no_function.csv").write_text("onset_s,pattern,function\n2,1,1\n")
    if "no_function.csv" in changes.values():
        changes = changes | {"path": changes["trials"], "trials": None}
    with pytest.raises(error, match=sentence):
        opened(folder, keys() | changes)


def test_a_key_of_the_import_that_is_misspelt_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'patern' is no key of kind arena. Did you mean 'patterns'"):
        import_config(keys() | {"patern": "x"})
