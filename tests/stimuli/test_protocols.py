"""Protocols: the published sets are what was published, all of them render, and faults are named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from stcnn.errors import ConfigError, FileError, StcnnError
from stcnn.stimuli import Protocol, Screen, load_protocol, protocol_names

COARSE = Screen(shape_px=(21, 21), deg_per_px=4, rate_hz=30)
FLASH = {"kind": "flash", "duration_s": 1}
SIZES = [2, 4.5, 9, 15, 30, 45, 90]


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_renders_and_has_a_row_per_stimulus(name: str) -> None:
    protocol = load_protocol(name)
    table = protocol.table()
    assert list(table.index) == list(protocol.parameters)
    assert table["kind"].notna().all()
    for stimulus in list(protocol.parameters)[:: max(1, len(table) // 10)]:
        movie = protocol.movie(stimulus, COARSE)
        assert movie.n_frames > 1
        assert movie.contrast().any()


def test_the_issue_s_generic_protocols_are_there() -> None:
    wanted = "size aspect speed direction contrast looming_rv receptive_field flicker temporal_spatial_frequency"
    assert set(wanted.split()) <= set(protocol_names())


def test_the_published_sizes_are_numbered_by_height_then_width() -> None:
    protocol = load_protocol("klapoetke2022_size")
    for row, height in enumerate(SIZES):
        for column, width in enumerate(SIZES):
            stimulus = protocol.parameters[str(5619 + 7 * row + column)]
            assert (stimulus["height_deg"], stimulus["width_deg"]) == (height, width)
    assert {stimulus["speed_deg_s"] for stimulus in protocol.parameters.values()} == {100}


def test_the_published_sizes_are_those_of_the_measured_table(shared: Path) -> None:
    measured = pd.read_csv(shared / "data" / "lc_tuning_klapoetke2022.csv", dtype={"protocol": str})
    sizes = measured[measured["protocol"].between("5619", "5667")].set_index("protocol")[["height_deg", "width_deg"]]
    ours = load_protocol("klapoetke2022_size").axes
    pd.testing.assert_frame_equal(
        sizes[~sizes.index.duplicated()].sort_index(), ours, check_names=False, check_index_type=False
    )


@pytest.mark.parametrize(
    ("name", "duration_s", "first_deg", "last_deg"),
    [("321", 1.65, 0, 60), ("322", 0.75, 0, 60), ("325", 0.75, 0, 60), ("327", 0.8, 60, 0), ("329", 1.797, 5, 60)],
)
def test_the_published_looming_set_has_its_durations_and_sizes(
    name: str, duration_s: float, first_deg: float, last_deg: float
) -> None:
    movie = load_protocol("klapoetke2022_looming").movie(name, Screen())
    size = movie.track["size_deg"]
    assert movie.duration_s == pytest.approx(duration_s, abs=0.01)
    assert size[0] == pytest.approx(first_deg, abs=0.01)
    assert size[-1] == pytest.approx(last_deg, abs=1.2)


def test_the_published_gratings_stand_then_drift_then_stand() -> None:
    movie = load_protocol("klapoetke2022_gratings").movie("5688", Screen())
    changes = np.any(np.diff(movie.luminance(), axis=0), axis=(1, 2))
    assert movie.duration_s == 2
    assert (np.flatnonzero(changes)[0], np.flatnonzero(changes)[-1]) == (90, 269)
    assert movie.luminance().max() == pytest.approx(0.498, abs=1e-6)
    assert movie.luminance().min() == pytest.approx(0, abs=1e-6)


def test_the_published_receptive_field_map_covers_its_grid() -> None:
    protocol = load_protocol("klapoetke2022_receptive_field")
    assert len(protocol.parameters) == 63
    movie = protocol.movie("480101090", Screen())
    seen = np.argwhere(movie.contrast().any(axis=0))
    assert movie.duration_s == 1
    assert np.ptp(seen, axis=0).tolist() == [15, 14]  # 16 rows, two of them by half
    assert (seen.mean(axis=0) < 41).all()  # upper left


def test_the_stripes_are_those_that_were_recorded_with(shared: Path) -> None:
    protocol = load_protocol("henning2022_stripes")
    files = sorted((shared / "data" / "t4_stripes" / "mov").glob("*.pt"))
    assert {file.stem for file in files} == set(protocol.parameters)
    for file in files[::7]:
        recorded = torch.load(file, weights_only=True)[file.stem]["rect_mov"]
        ours = protocol.movie(file.stem, Screen(rate_hz=60)).luminance()
        np.testing.assert_allclose(ours, np.asarray(recorded), atol=1e-6)


def protocol_file(folder: Path, content: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
    return path


def test_a_protocol_of_one_s_own_varies_combines_and_names(tmp_path: Path) -> None:
    content = {
        "description": "mine",
        "background": 0.3,
        "common": {"kind": "moving_spot", "speed_deg_s": 50, "timing": {"before_s": 0.2}},
        "vary": {"size_deg": [5, 10], "way": {"left": {"direction_deg": 180}, "late": {"timing": {"after_s": 0.1}}}},
        "label": "{way}{size_deg_n:02d}",
        "stimuli": {7: {"size_deg": 3}},
    }
    protocol = load_protocol(protocol_file(tmp_path, content))
    assert list(protocol.parameters) == ["left01", "late01", "left02", "late02", "7"]
    assert protocol.axes.to_dict("list") == {"size_deg": [5, 5, 10, 10], "way": ["left", "late"] * 2}
    late = protocol.parameters["late02"]
    assert (late["timing"]["before_s"], late["timing"]["after_s"], late["size_deg"]) == (0.2, 0.1, 10)
    assert protocol.movie("7", COARSE).background == 0.3
    assert [name for name, _ in protocol.movies(COARSE)] == list(protocol.parameters)
    row = protocol.table().loc["left01"]
    assert (row["direction_deg"], row["before_s"]) == (180, 0.2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- a\n- b", "holds no keys"),
        ("a: [1", "not valid YAML"),
        ({"description": "x"}, "has no stimuli"),
        ({"stimuli": {}}, "description"),
        ({"description": "x", "stimulli": {}}, "Did you mean 'stimuli'"),
        ({"description": "x", "background": 3}, "background"),
        ({"description": "x", "stimuli": {"a": {"kind": "flush"}}}, "in protocol 'mine', stimulus of kind 'flush'"),
        ({"description": "x", "vary": {"luminance": [0, 9]}, "common": FLASH}, "luminance=9"),
        (
            {"description": "x", "vary": {"luminance": [0]}, "common": FLASH, "label": "{lum}"},
            "a format of luminance",
        ),
        (
            {"description": "x", "vary": {"luminance": [0, 1]}, "common": FLASH, "label": "a"},
            "two stimuli named 'a'",
        ),
    ],
)  # fmt: skip
def test_faults_of_a_protocol_are_named(tmp_path: Path, content: object, said: str) -> None:
    with pytest.raises(StcnnError, match=said):
        load_protocol(protocol_file(tmp_path, content))


def test_unknown_protocols_and_stimuli_are_answered_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="Did you mean 'klapoetke2022_size'"):
        load_protocol("klapoetke2022_sizes")
    with pytest.raises(FileError, match=r"absent.yaml does not exist, expected a protocol"):
        load_protocol(tmp_path / "absent.yaml")
    with pytest.raises(ConfigError, match="has no stimulus '6000'"):
        load_protocol("klapoetke2022_size").movie("6000", COARSE)


def test_a_protocol_can_be_made_without_a_file() -> None:
    protocol = Protocol(name="one", description="one", stimuli={"a": {**FLASH, "luminance": 0}})
    assert protocol.movie("a", COARSE).duration_s == 1
    assert protocol.axes.empty
