"""Stimuli that a trained model says tell two cell types apart tell the simulated types apart that it was trained on."""

import numpy as np
import pytest

import stcnn
from stcnn.experiments import between_grey
from stcnn.experiments.asked_models import AskedModels, asked_models
from stcnn.experiments.optimal import Effort, Family, Found, Search, goal
from stcnn.movie import Movie
from stcnn.simulation.detectors import cell_type
from stcnn.simulation.population import Neuron
from stcnn.simulation.recordings import voltages
from stcnn.stimuli import load_protocol

DARK = {
    "rectangles": {
        "kind": "moving_rectangle",
        "common": {"luminance": 0},
        "search": {
            "width_deg": {"low": 2, "high": 45, "scale": "log"},
            "height_deg": {"low": 2, "high": 60, "scale": "log"},
        },
    },
    "discs": {
        "kind": "looming_disc",
        "common": {"luminance": 0},
        "search": {
            "start_deg": {"low": 12, "high": 30, "scale": "log"},  # a disc of 5 degrees is what LC11 itself prefers
            "r_over_v_s": {"low": 0.01, "high": 0.08, "scale": "log"},
            "end_deg": {"low": 40, "high": 80},
        },
    },
}
"""As the example run was trained on: dark, in the middle."""


@pytest.fixture(scope="module")
def example() -> AskedModels:
    return asked_models([stcnn.example_run().path])


def true_peak(movie: Movie, name: str) -> float:
    """Highest voltage of a simulated neuron in the middle, where 1 is the type's reference response."""
    neuron = Neuron(name, "middle", "fly", (0.0, 0.0), (0, 0), 1.0, 0.0, 0.0)
    kind = cell_type(name)
    return float(np.max(voltages(between_grey(movie, 0.5, 0.5), {name: kind}, [neuron]))) / kind.reference_dff


def strongest_known(name: str) -> float:
    """The highest of the same among the stimuli of the training."""
    screen = asked_models([stcnn.example_run().path]).screen
    return max(true_peak(movie, name) for _, movie in load_protocol("mixed").movies(screen))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "wanted", "other"),
    [
        ("rectangles", "lc11", "lplc2"),
        ("rectangles", "lc15", "lc11"),
        ("discs", "lplc2", "lc11"),
    ],
)
def test_discriminating_stimuli_separate_the_true_types(
    example: AskedModels, family: str, wanted: str, other: str
) -> None:
    searched = Family.model_validate({"name": family, **DARK[family]})
    search = Search(example, searched, Effort(start=128, population=12, generations=6))
    (found,) = search.found([goal(example, "discriminating", wanted, other)])
    assert isinstance(found, Found)
    shares = {name: true_peak(found.movie, name) / strongest_known(name) for name in (wanted, other)}
    assert shares[wanted] > 2 * shares[other], (found.parameters, shares)
    assert shares[wanted] > 0.4, (found.parameters, shares)
