"""Where the stimuli of a protocol stand in rows and columns."""

from pathlib import Path

from stcnn.stimuli import load_protocol
from stcnn.stimuli.table import stimulus_table, table_of


def test_receptive_field_map_has_seven_rows_with_the_highest_on_top():
    table = stimulus_table(load_protocol("klapoetke2022_receptive_field"))
    assert table is not None
    assert [len(row) for row in table.rows.values()] == [9] * 7
    assert next(iter(table.rows)) == "elevation 22.5°"
    assert table.columns[0] == "azimuth -30°"
    assert table.rows["elevation 22.5°"][0] == "480101090"


def test_size_table_grows_upwards_and_to_the_right():
    table = table_of(["5619", "5667"])
    assert table is not None
    assert table.rows["height 90°"][-1] == "5667"
    assert list(table.rows)[-1] == "height 2°"
    assert table.columns == [f"width {w:g}°" for w in (2, 4.5, 9, 15, 30, 45, 90)]


def test_words_stand_for_themselves_and_speeds_have_their_unit():
    table = stimulus_table(load_protocol("speed"))
    assert table is not None
    assert list(table.rows) == ["dark", "bright"]
    assert table.columns[0] == "speed 10°/s"


def test_all_but_the_last_parameter_make_the_rows(tmp_path: Path):
    path = tmp_path / "three.yaml"
    path.write_text(
        "description: three\ncommon: {kind: moving_rectangle}\n"
        "vary: {height_deg: [1, 2], luminance: [0, 1], width_deg: [3, 4, 5]}\n"
    )
    table = stimulus_table(load_protocol(path))
    assert table is not None
    assert len(table.rows) == 4
    assert list(table.rows)[1] == "height 1°, luminance 1"


def test_stimuli_without_a_table_have_none():
    assert stimulus_table(load_protocol("mixed")) is None
    assert table_of(["5619", "my own"]) is None
