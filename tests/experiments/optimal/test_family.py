"""Families of stimuli: their bounds are never left, whatever the screen, and what cannot be is a sentence."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stcnn.errors import ConfigError, FileError
from stcnn.experiments.optimal import Family, family_names, load_family
from stcnn.stimuli import Screen, render
from stcnn.stimuli.showable import require_showable

SCREEN = Screen(shape_px=(31, 35), rate_hz=30)


@given(data=st.data())
@settings(max_examples=60)
def test_every_place_of_a_family_is_a_stimulus_within_bounds_that_the_screen_can_show(data: st.DataObject) -> None:
    family = load_family(data.draw(st.sampled_from(family_names()))).within(SCREEN)
    corner = st.sampled_from([0.0, 1.0])
    place = [data.draw(st.floats(0, 1) | corner) for _ in family.search]
    parameters = family.parameters(np.array(place))
    assert family.holds(parameters)
    require_showable(family.name, parameters, SCREEN)


@pytest.mark.parametrize("name", family_names())
def test_the_middle_of_every_family_can_be_drawn(name: str) -> None:
    family = load_family(name).within(SCREEN)
    movie = render(SCREEN, family.parameters(np.full(len(family.search), 0.5)))
    assert np.abs(movie.contrast()).max() > 0 or family.parameters(np.full(9, 0.5)[: len(family.search)])["luminance"]


def test_values_are_spread_by_their_scale() -> None:
    family = load_family("moving_rectangle")
    parameters = family.parameters(np.full(len(family.search), 0.5))
    assert parameters["width_deg"] == pytest.approx((2 * 60) ** 0.5, rel=1e-3)
    assert parameters["direction_deg"] == 180
    assert parameters["luminance"] == 0.5


def test_bounds_come_inside_what_the_screen_can_show() -> None:
    slow = load_family("drifting_grating").within(Screen(deg_per_px=4, rate_hz=20))
    assert slow.search["frequency_hz"].high == 10
    assert slow.search["period_deg"].low == 8


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kind: moving_rectangel\nsearch: {width_deg: {low: 1, high: 2}}", "Did you mean 'moving_rectangle'"),
        ("kind: moving_rectangle\nsearch: {widht_deg: {low: 1, high: 2}}", "Did you mean 'width_deg'"),
        ("kind: moving_rectangle\nsearch: {width_deg: {low: 1, high: 2}}", "lacks its argument 'height_deg'"),
        ("kind: moving_edge\nsearch: {luminance: {low: 1, high: 0}}", "low must be below high"),
        ("kind: moving_edge\nsearch: {luminance: {low: 0, high: 1, scale: log}}", "must be above 0"),
        ("kind: moving_edge\nserch: {luminance: {low: 0, high: 1}}", "serch"),
        ("kind: moving_edge\nsearch: {}", "search"),
    ],
)
def test_a_family_that_cannot_be_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_family(written(tmp_path, text))
    assert sentence in str(caught.value)


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(FileError, match="Did you mean 'looming_disc'"):
        load_family("looming_disk")


def test_an_interval_of_which_nothing_can_be_shown_is_a_sentence() -> None:
    family = Family.model_validate(
        {"name": "fine", "kind": "moving_bar", "search": {"width_deg": {"low": 0.1, "high": 0.5}}}
    )
    with pytest.raises(ConfigError, match=r"'fine' varies width_deg from 0.1 to 0.5"):
        family.within(SCREEN)
