"""Configurations: one strict base, and one place where a value that cannot be becomes a sentence."""

from pathlib import Path

import pytest
from pydantic import Field

import stcnn
from stcnn.errors import ConfigError
from stcnn.validation import Config, Fault, validated

PACKAGE = Path(stcnn.__file__).parent


class Filter(Config):
    """A configuration inside another."""

    tau_s: float = Field(gt=0)


class Eye(Config):
    """A configuration."""

    filters: tuple[Filter, ...]
    name: str = ""


def explained(fault: Fault) -> ConfigError:
    return ConfigError(f"{fault.kind} at {fault.key} = {fault.value!r}, {fault.n_more} more", remedy=fault.rule)


def test_values_become_a_configuration():
    eye = validated(Eye, {"filters": [{"tau_s": 0.25}]}, explained)
    assert eye.filters[0].tau_s == 0.25


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"filters": [{"tau_s": 1}, {"tau_s": -1}]},
            "greater_than at filters.1.tau_s = -1, 0 more. Input should be greater than 0.",
        ),
        (
            {"filters": [{"tau_s": float("inf")}]},
            "finite_number at filters.0.tau_s = inf, 0 more. Input should be a finite number.",
        ),
        ({}, "missing at filters = {}, 0 more. Field required."),
        (
            {"filters": 3, "nam": "x"},
            "tuple_type at filters = 3, 1 more. Input should be a valid tuple.",
        ),
        ([], "model_type at  = [], 0 more. Input should be a valid dictionary or instance of Eye."),
    ],
)
def test_the_first_fault_is_a_sentence_with_its_place(values: object, sentence: str):
    with pytest.raises(ConfigError) as raised:
        validated(Eye, values, explained)
    assert str(raised.value) == sentence
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_an_unknown_key_may_come_first_and_has_its_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'name'"):
        validated(
            Eye,
            {"filters": 3, "nam": "x"},
            lambda fault: ConfigError(fault.key, remedy=fault.nearest(Eye)),
            unknown_first=True,
        )


def test_a_configuration_does_not_change():
    eye = Eye(filters=())
    with pytest.raises(ValueError, match="frozen"):
        eye.name = "left"  # type: ignore[misc]


def test_pydantic_is_translated_in_one_place():
    allowed = {"validation.py", "reading/faults.py"}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        text = path.read_text()
        assert "ValidationError" not in text or place in allowed, place
        assert "(BaseModel)" not in text or place in allowed, place
