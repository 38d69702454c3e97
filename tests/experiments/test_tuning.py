"""Tuning curves: the peak of what the model answers to each stimulus of a protocol, in its order."""

import numpy as np
import pytest
import torch

from stcnn.experiments import TUNING_AXES, between_grey, tuning
from stcnn.experiments.tuning import TuningAxis
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.stimuli import Screen, load_protocol

SCREEN = Screen(rate_hz=30)


def model() -> STCNN:
    torch.manual_seed(0)
    config = ModelConfig.model_validate({"hidden": {"channels": [2]}})
    return STCNN(config, Population(neurons={"lc11": ("a",), "lplc2": ("b",)})).eval()


def test_a_curve_has_the_peak_of_each_stimulus_above_grey() -> None:
    asked = model()
    (size,) = (axis for axis in TUNING_AXES if axis.protocol == "size")
    found = tuning(asked, size, SCREEN)
    assert found.values.tolist() == [2, 5, 10, 20, 40, 60]
    movie = load_protocol("size").movie(list(load_protocol("size").parameters)[3], SCREEN)
    trace = asked.respond(between_grey(movie, 0.5, 1.0)).calcium["lplc2"]
    assert found.peaks["lplc2"][3] == pytest.approx(trace.max() - trace[0], abs=1e-6)


@pytest.mark.parametrize("axis", TUNING_AXES, ids=lambda axis: axis.protocol)
def test_every_axis_varies_one_parameter_alone(axis: TuningAxis) -> None:
    axes = load_protocol(axis.protocol).axes
    for name, value in axis.others.items():
        axes = axes[axes[name] == value]
    assert axes[axis.parameter].is_unique
    assert set(axes.columns) == {axis.parameter, *axis.others}
    assert (np.diff(axes[axis.parameter]) > 0).all()
