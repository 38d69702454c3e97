"""Small inputs with something odd in them: taken as they are meant, or refused with a sentence; never in silence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from stcnn.commands.data import make_movie
from stcnn.data import Dataset
from stcnn.data.importers import open_import, read_import_config
from stcnn.errors import StcnnError
from stcnn.stimuli import read_movie
from tests.support.lab_files import ONSETS, STIMULI, SUITE2P, opened, opened_table, plane, samples

IN_P = SUITE2P | {"path": "p"}


def settings(path: Path, **values: object) -> None:
    np.save(path, np.array(values, object), allow_pickle=True)


def two(folder: Path, *sessions: Mapping[str, Any]) -> Dataset:
    """An import of several sessions of the folder's planes."""
    plane(folder / "p", 2)
    plane(folder / "q", 2, seed=3)
    (folder / "r").symlink_to(folder / "p")
    (folder / "on.csv").write_text(ONSETS)
    (folder / "late.csv").write_text("stimulus,onset_s\na,50\n")
    (folder / "i.yaml").write_text(yaml.safe_dump(SUITE2P | {"sessions": list(sessions)}))
    return open_import(read_import_config(folder / "i.yaml"), make_movie)


def test_a_region_without_probability_is_a_cell_unless_a_probability_is_asked_for(tmp_path: Path) -> None:
    folder = plane(tmp_path / "p", 3)
    cells = np.load(folder / "iscell.npy")
    cells[1, 1] = np.nan
    np.save(folder / "iscell.npy", cells)
    assert opened(tmp_path, IN_P).table.neuron.unique().tolist() == ["0", "1", "2"]
    with pytest.raises(StcnnError, match=r"iscell.npy has no probability for region 1"):
        opened(tmp_path, IN_P | {"cell_probability": "0.5"})


def test_two_imaging_rates_are_asked_for(tmp_path: Path) -> None:
    folder = plane(tmp_path / "p", 2, fs=10.0)
    settings(folder / "settings.npy", fs=20.0)
    with pytest.raises(StcnnError, match=r"two imaging rates, 10 Hz in ops.npy, 20 Hz in settings.npy.*Set rate_hz"):
        opened(tmp_path, IN_P)
    assert opened(tmp_path, IN_P | {"rate_hz": "10"}).table.rate_hz.unique().tolist() == [10.0]
    settings(folder / "settings.npy", fs=10.0)
    assert len(opened(tmp_path, IN_P)) == 8


def test_two_folders_of_one_plane_number_are_refused(tmp_path: Path) -> None:
    plane(tmp_path / "p" / "plane0", 2)
    plane(tmp_path / "p" / "plane00", 2, seed=5)
    with pytest.raises(StcnnError, match="are both called plane 0"):
        opened(tmp_path, IN_P)


@pytest.mark.parametrize("second", ["p", "r"])
def test_one_folder_under_two_names_is_refused_and_with_other_onsets_taken(second: str, tmp_path: Path) -> None:
    with pytest.raises(StcnnError, match="stands in two sessions"):
        two(tmp_path, {"path": "p", "animal": "f1", "session": "1"}, {"path": second, "animal": "f2", "session": "2"})


def test_two_blocks_of_one_folder_are_two_sessions(tmp_path: Path) -> None:
    data = two(tmp_path, {"path": "p", "session": "1"}, {"path": "p", "session": "2", "onsets": "late.csv"})
    assert data.table.groupby("session").stimulus.nunique().to_dict() == {"1": 2, "2": 1}
    assert data.table.neuron.nunique() == 4  # of which two are known to be two others only to the user


@pytest.mark.parametrize("hidden", ["\u200b", "\ufeff", "\u00ad", "\u202e"])
def test_a_name_with_a_character_that_nobody_sees_is_refused(hidden: str, tmp_path: Path) -> None:
    with pytest.raises(StcnnError, match=f"holds the character U\\+{ord(hidden):04X}, expected a name of visible"):
        opened_table(tmp_path, [samples("a"), samples(f"a{hidden}b", seed=1)], cell_type="x")


def test_a_joiner_is_part_of_a_name(tmp_path: Path) -> None:
    name = "می\u200cخواهم"
    assert opened_table(tmp_path, [samples(name)], cell_type="x").table.neuron.tolist() == [name]


def test_words_of_missing_values_and_ways_to_write_a_number_are_names(tmp_path: Path) -> None:
    names = ["NaN", "NA", "None", "null", "1", "01", "1.0", "1e0", "+1", "0x10", "1_0"]
    data = opened_table(tmp_path, [samples(n, seed=i) for i, n in enumerate(names)], cell_type="x")
    assert sorted(data.table.neuron) == sorted(names)


@pytest.mark.parametrize("animal", ["no", "2024-01-02", "0x1F", "1e3", "0o17", "12:30", "true", ".inf", "a/b", "."])
def test_yaml_words_are_names(animal: str, tmp_path: Path) -> None:
    plane(tmp_path / "p", 1)
    (tmp_path / "on.csv").write_text(ONSETS)
    keys = f"kind: suite2p\npath: p\nonsets: on.csv\ncell_type: x\nanimal: {animal}\n"
    (tmp_path / "i.yaml").write_text(keys + yaml.safe_dump({"stimuli": STIMULI}))
    data = open_import(read_import_config(tmp_path / "i.yaml"), make_movie)
    assert data.table.animal.unique().tolist() == [animal]


@pytest.mark.parametrize(
    ("onsets", "sentence"),
    [
        ("stimulus,onset_s\nA,10\na,20\n", "stimulus 'A' has no movie"),
        ("stimulus,onset_s\na\u00a0,10\n", "begins or ends with a space"),
        ('stimulus,onset_s\na,"10,5"\n', "Write decimals with a point"),
        ("stimulus;onset_s\na;10.5\n", "has ';' between its columns"),
        ("stimulus,onset_s\na,00:00:10\n", "has '00:00:10' in row 2"),
        ("stimulus,onset_s\na,0x10\n", "has '0x10' in row 2"),
        ("stimulus,onset_s\na,1_0\n", "has '1_0' in row 2"),
        ("stimulus,onset_ms\na,10000\n", "has no column 'onset_s'"),
        ("stimulus,onset_s\na,10000\n", "was shown at 10000.000 s, but"),
        ("stimulus,onset_s,trial\na,10,1e30\n", "column 'trial', expected a whole number"),
    ],
)
def test_presentations_that_mean_nothing_are_a_sentence(onsets: str, sentence: str, tmp_path: Path) -> None:
    plane(tmp_path / "p", 1)
    with pytest.raises(StcnnError, match=sentence):
        opened(tmp_path, IN_P, onsets)


def test_columns_of_presentations_that_nothing_reads_are_said(tmp_path: Path) -> None:
    """A contrast there may make two stimuli of what is taken as repeats of one."""
    plane(tmp_path / "p", 1)
    data = opened(tmp_path, IN_P, "stimulus,onset_s,contrast,lamp\na,10,0.5,on\na,20,1,on\n")
    assert data.table.trials.tolist() == [(0,), (1,)]
    assert any("the columns contrast, lamp are not used; presentations of one stimulus" in n for n in data.notes)


def test_columns_of_a_table_that_nothing_reads_are_said(tmp_path: Path) -> None:
    data = opened_table(tmp_path, [samples("a", contrast=0.5)], cell_type="x")
    assert any("the columns contrast are not used" in note for note in data.notes)


def test_a_trace_in_percent_that_does_not_say_so_is_said(tmp_path: Path) -> None:
    whole = samples("a")
    data = opened_table(tmp_path, [whole.assign(trace=whole.trace.clip(-0.9)), samples("b", seed=2)], cell_type="x")
    below = int((samples("b", seed=2).trace < -1).sum())
    assert any(f"{below} samples are below -1, which is no dF/F (percent" in note for note in data.notes)


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ({"azi_shift_px": 1.5, "ele_shift_px": 0}, "row 2 has azi_shift_px of 1.5, expected whole pixels"),
        ({"azimuth_deg": 400, "elevation_deg": 0}, "has azimuth_deg of 400, expected degrees from -360 to 360"),
        ({"azimuth_deg": 0, "elevation_deg": -91}, "has elevation_deg of -91, expected degrees from -90 to 90"),
    ],
)
def test_a_place_that_there_is_not_is_refused(place: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(StcnnError, match=sentence):
        opened_table(tmp_path, [samples("a", **place)], cell_type="x")


def test_a_neuron_that_looks_beyond_the_pictures_is_said(tmp_path: Path) -> None:
    parts = [samples("a", azi_shift_px=5, ele_shift_px=0), samples("b", seed=1, azi_shift_px=4, ele_shift_px=-3)]
    data = opened_table(tmp_path, parts, cell_type="x")
    said = "1 of 2 neurons look beyond the edge of the pictures, which are 8 px wide and 6 px high; the first is a "
    assert any(said in note for note in data.notes)


PICTURES = np.random.default_rng(0).random


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        (PICTURES((8, 8, 60)), "the last axis looks like time.*axes: YXT"),
        (PICTURES((8, 12, 180)), "the last axis looks like time.*axes: YXT"),
        (PICTURES((5, 4, 6)) * 255, "luminance runs from .* to 25"),
        (PICTURES((5, 4, 6)) * 2 - 1, "luminance runs from -"),
        ((PICTURES((5, 4, 6)) * 4095).astype("u2"), "Say white: 4095 if it has 12 bits"),
        ((PICTURES((5, 4, 6)) * 100).astype("i1"), "whole numbers .int8."),
        (np.where(PICTURES((5, 4, 6)) > 0.9, np.inf, 0.5), "not finite"),
        (PICTURES((40, 60)), r"frames have shape \(40, 60\)"),
        (PICTURES((0, 4, 6)), r"frames have shape \(0, 4, 6\)"),
    ],
)
def test_an_array_that_may_be_something_else_is_asked_for(frames: NDArray, sentence: str, tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", frames)
    with pytest.raises(StcnnError, match=sentence):
        read_movie(tmp_path / "m.npy", rate_hz=60, deg_per_px=1, background=0.5)


def test_an_arena_of_panels_is_wide(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", PICTURES((20, 16, 96)))
    assert read_movie(tmp_path / "m.npy", rate_hz=60, deg_per_px=1, background=0.5).shape_px == (16, 96)
