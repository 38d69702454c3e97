"""Bounds: projection onto them, and the report of what sits on one."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from stcnn.nn.bounds import Bounds, on_bounds, project
from stcnn.nn.model import STCNN
from tests.support.nn_twin import Case

POWER = {"filter": {"kind": "power_exponential"}}


def with_values(model: STCNN, **values: float) -> STCNN:
    """Set every parameter whose name ends in a key (dots as two underscores) to a value."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            for ending, value in values.items():
                if name.endswith(ending.replace("__", ".")):
                    parameter.fill_(value)
    return model


def test_parameters_outside_are_moved_onto_the_nearest_bound() -> None:
    model = with_values(Case(hidden=POWER).model(torch.float32), filter__tau_s=0.001, filter__n=20.0)
    with_values(model, calcium__tau_s=2.0)
    project(model, Bounds())
    state = model.state_dict()
    for name, value in (("hidden.0.filter.tau_s", 0.005), ("hidden.1.filter.n", 10.0), ("calcium.tau_s", 0.45)):
        torch.testing.assert_close(state[name], torch.full_like(state[name], value))


def test_parameters_inside_and_without_bounds_stay_as_they_are() -> None:
    model = with_values(Case().model(torch.float32), filter__tau_s=0.1, calcium__tau_s=0.4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    project(model, Bounds())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_is_not_trained_is_left_alone() -> None:
    model = Case(calcium={"tau": "per_type"}).model(torch.float32)
    with_values(model, tau_s=5.0)
    project(model, Bounds())
    assert float(model.calcium.tau_s.detach()) == 5.0
    assert all(float(neurons.tau_s.detach()) == 1.0 for neurons in model.calcium.each)


def test_the_report_names_parameter_channel_and_bound() -> None:
    model = with_values(Case().model(torch.float32), filter__tau_s=0.1, calcium__tau_s=0.4)
    with torch.no_grad():
        model.get_parameter("hidden.1.filter.tau_s")[2] = 0.005
        model.get_parameter("calcium.tau_s").fill_(0.45)
    found = [(sits.name, sits.element, sits.bound) for sits in on_bounds(model, Bounds())]
    assert found == [("hidden.1.filter.tau_s", 2, "lower"), ("calcium.tau_s", 0, "upper")]


def test_bounds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"lower bound 0\.2 lies above the upper bound 0\.1"):
        Bounds(filter_tau_s=(0.2, 0.1))
