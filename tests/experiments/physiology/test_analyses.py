"""Each analysis against neurons whose tuning is known by construction."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from stcnn.errors import ConfigError
from stcnn.experiments.physiology import ANALYSES, Bench, Models, examine, physiology_table
from stcnn.experiments.physiology.curves import Number, Result
from stcnn.experiments.physiology.objects import square
from stcnn.experiments.physiology.subject import Answer
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.simulation import SimulatedDataConfig, simulate
from stcnn.simulation.truth import Truth
from stcnn.stimuli import Screen
from tests.support.planted_neurons import LoomWatcher, PlantedNeurons, Strength

SCREEN = Screen(shape_px=(42, 42), deg_per_px=2.0, rate_hz=60)


def asked(name: str, *, screen: Screen = SCREEN, **strengths: Strength) -> Result:
    return ANALYSES[name].measure(Bench(PlantedNeurons(strengths), screen))


def number(result: Result, name: str) -> Number:
    (found,) = (each for each in result.numbers if each.name == name)
    return found


def log_bump(best: float, key: str) -> Strength:
    """A response that is a parabola over the logarithm of an argument, positive near its best value."""

    def strength(stimulus: Mapping[str, Any]) -> float:
        return max(0.0, 1 - 0.2 * np.log(stimulus.get(key, 1.0) / best) ** 2)

    return strength


def test_preferred_size_and_suppression_are_those_planted():
    found = asked("size", small=log_bump(7.0, "width_deg"), all=lambda _: 1.0, none=lambda _: 0.0)
    preferred = number(found, "preferred_side_deg").mean
    assert preferred[0] == pytest.approx(7.0, rel=1e-6)
    assert np.isnan(preferred[2])
    last = 1 - 0.2 * np.log(60 / 7.0) ** 2
    assert number(found, "size_suppression").mean[0] == pytest.approx(1 - last, rel=0.01)
    assert number(found, "size_suppression").mean[1] == 0


def test_preferred_speed_is_the_one_planted_and_too_fast_ones_are_left_out_with_a_sentence():
    found = asked("speed", fast=log_bump(80.0, "speed_deg_s"))
    assert number(found, "preferred_speed_deg_s").mean[0] == pytest.approx(80.0, rel=1e-6)
    assert found.curves[0].axis.values.max() == 400
    assert found.left_out == [
        "speed of a dark 9° square of 800 °/s: it would jump by 13.3° in each of 60 frames per second, more than it is "
        "wide."
    ]


@pytest.mark.parametrize(("depth", "preferred_deg"), [(0.9, 130.0), (0.3, 355.0), (1.0, 0.0)])
def test_direction_selectivity_of_a_cosine_is_half_its_depth(depth: float, preferred_deg: float):
    def strength(stimulus: Mapping[str, Any]) -> float:
        return 1 + depth * np.cos(np.radians(stimulus.get("direction_deg", 0.0) - preferred_deg))

    found = asked("direction", cosine=strength)
    assert number(found, "square_dsi").mean[0] == pytest.approx(depth / 2, abs=1e-6)
    away = number(found, "bar_preferred_direction_deg").mean[0] - preferred_deg
    assert (away + 180) % 360 - 180 == pytest.approx(0, abs=1e-3)
    assert number(found, "square_osi").mean[0] == pytest.approx(0, abs=1e-6)


def test_orientation_selectivity_tells_an_axis_from_a_direction():
    found = asked("direction", axis=lambda s: np.cos(np.radians(s.get("direction_deg", 0.0))) ** 2)
    assert number(found, "square_dsi").mean[0] == pytest.approx(0, abs=1e-6)
    assert number(found, "square_osi").mean[0] == pytest.approx(0.5, abs=1e-6)
    assert np.isnan(number(found, "square_preferred_direction_deg").mean[0])


@pytest.mark.parametrize(("threshold_deg", "delay_s"), [(20.0, 0.05), (35.0, 0.1)])
def test_the_looming_line_finds_the_planted_angle_and_delay(threshold_deg: float, delay_s: float):
    screen = Screen(shape_px=(42, 42), deg_per_px=2.0, rate_hz=180)
    found = ANALYSES["looming"].measure(Bench(LoomWatcher(threshold_deg, delay_s), screen))
    assert number(found, "size_threshold_deg").mean[0] == pytest.approx(threshold_deg, rel=0.03)
    assert number(found, "loom_delay_s").mean[0] == pytest.approx(delay_s, abs=1 / 180)
    assert number(found, "line_r2").mean[0] > 0.999


def test_a_neuron_that_answers_to_the_appearance_alone_has_no_threshold_in_size():
    found = ANALYSES["looming"].measure(Bench(LoomWatcher(1.0, 0.0), SCREEN))
    assert np.isnan(number(found, "size_threshold_deg").mean[0])


def test_half_maximal_contrast_lies_on_the_line_between_contrasts():
    def strength(stimulus: Mapping[str, Any]) -> float:
        return abs(stimulus.get("luminance", 0) - 0.498) / 0.498

    found = asked("contrast", linear=strength)
    assert number(found, "dark_c50").mean[0] == pytest.approx(0.5, abs=0.01)
    assert number(found, "bright_c50").mean[0] == pytest.approx(0.5, abs=0.01)


def test_what_is_brighter_than_white_is_left_out_with_a_sentence():
    found = asked("contrast", screen=Screen(rate_hz=60, background=0.8), all=lambda _: 1.0)
    assert found.left_out == [
        "Bright squares of a contrast above 0.25: white is brighter than grey by no more.",
    ]
    assert found.curves[1].axis.values.max() == pytest.approx(0.25)


def test_the_on_off_index_compares_the_best_of_either():
    def mixed(stimulus: Mapping[str, Any]) -> float:
        return 3.0 if stimulus["luminance"] > 0.5 else 1.0

    found = asked("polarity", mixed=mixed, off=lambda s: float(s["luminance"] < 0.4))
    np.testing.assert_allclose(number(found, "on_off_index").mean, [0.5, -1.0], atol=1e-6)


def test_suppression_is_told_apart_by_height_and_by_width():
    found = asked("surround", low=lambda s: 1.0 if s.get("height_deg", 0.0) < 20 else 0.1)
    assert number(found, "height_suppression").mean[0] == pytest.approx(0.9)
    assert number(found, "width_suppression").mean[0] == pytest.approx(0.0)


def test_flicker_above_half_the_frame_rate_is_left_out():
    found = asked("flicker", slow=log_bump(3.0, "frequency_hz"))
    assert number(found, "preferred_flicker_hz").mean[0] == pytest.approx(3.0, rel=1e-6)
    assert any("60 Hz: 60 frames per second show less than 30 Hz" in sentence for sentence in found.left_out)


def test_a_product_of_two_tunings_has_its_peak_in_the_map():
    period, frequency = log_bump(20.0, "period_deg"), log_bump(3.0, "frequency_hz")
    found = asked("gratings", both=lambda s: period(s) * frequency(s) if "period_deg" in s else 1.0)
    assert number(found, "preferred_period_deg").mean[0] == pytest.approx(20.0, rel=0.02)
    assert number(found, "preferred_drift_hz").mean[0] == pytest.approx(3.0, rel=0.02)


def test_the_interval_over_members_is_that_of_students_t():
    bench = Bench(PlantedNeurons({"a": lambda _: 1.0}, members=(1.0, 2.0, 4.0)), SCREEN)
    (found,) = examine(bench, ["size"])
    table = physiology_table([found], ["a"])
    row = table[table.x_value == 9].iloc[0]
    half = 4.302653 * np.std([1, 2, 4], ddof=1) / np.sqrt(3)
    assert (row.value, row.low, row.high) == pytest.approx((7 / 3, 7 / 3 - half, 7 / 3 + half), rel=1e-5)
    assert row.n_members == 3


def test_angles_of_members_are_averaged_around_the_circle():
    found = Number("a_deg", "angle", "°", np.array([[350.0], [20.0]]), circular=True)
    assert found.mean[0] == pytest.approx(5.0)
    assert found.half_width[0] == pytest.approx(12.7062 * 15, rel=1e-4)


def test_a_model_is_asked_as_it_answers_itself():
    config = ModelConfig.model_validate({"hidden": {"channels": [2]}})
    model = STCNN(config, Population(neurons={"lc11": ("a",), "lplc2": ("b",)})).eval()
    (found,) = examine(Bench(Models([model]), Screen(rate_hz=30)), ["size"])
    movie_of = Bench(Models([model]), Screen(rate_hz=30))
    answer = movie_of.answer(found.curves[0].stimuli[4])
    assert found.curves[0].values[0, 1, 4] == pytest.approx(answer.dff[0, 1].max() - answer.dff[0, 1, 0])
    assert (answer.activity >= 0).all()


def test_the_truth_answers_as_its_simulation():
    config = SimulatedDataConfig(
        n_animals=1, neurons_per_animal=1, stimuli={"square": square(9.0)}, deg_per_px=2.0, shape_px=(42, 42)
    )
    simulation = simulate(config)
    truth = Truth(config)
    truth.neurons = list(simulation.neurons)
    found = truth.answer(simulation.movies["square"])
    for i, neuron in enumerate(simulation.neurons):
        recorded = simulation.responses["square"].dff[i]
        np.testing.assert_allclose(neuron.gain * found.dff[0, i] + neuron.offset_dff, recorded, atol=1e-5)
    assert [neuron.position_deg for neuron in Truth(config).neurons] == [(0.0, 0.0)] * 3


def test_stimuli_are_shown_where_the_subject_looks():
    class Looks(PlantedNeurons):
        def answer(self, movie: Movie) -> Answer:
            self.seen = movie
            return super().answer(movie)

    frames = np.full((1, 42, 42), 0.498, np.float32)
    frames[0, 20, 20] = 0.0
    subject = Looks({"a": lambda _: 1.0})
    Bench(subject, SCREEN, centre_px=(3, 2)).show(Movie(frames, 60.0, deg_per_px=2.0))
    (row,), (column,) = np.nonzero(subject.seen.contrast()[30])
    assert [row, column] == [18, 23]  # up and right


def test_an_unknown_analysis_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"there is no analysis 'sise'.*size"):
        list(examine(Bench(PlantedNeurons({"a": lambda _: 1.0}), SCREEN), ["sise"]))
