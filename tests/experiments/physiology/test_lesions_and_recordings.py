"""Lesions against a network changed by hand, and recordings of the same stimuli beside predictions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from stcnn.data import Dataset, Recording
from stcnn.data.batching import BatchingConfig
from stcnn.experiments.physiology import ANALYSES, Bench, Models
from stcnn.experiments.physiology.held_out import HeldOut, without_brightness, without_darkness
from stcnn.experiments.physiology.lesions import held_at_rest, read_as
from stcnn.experiments.physiology.objects import disc, square
from stcnn.experiments.physiology.recorded import Recorded
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.stimuli import Screen, render
from tests.support import made_up_training
from tests.support.planted_neurons import PlantedNeurons

SCREEN = Screen(shape_px=(21, 21), deg_per_px=4.0, rate_hz=30)


def model() -> STCNN:
    torch.manual_seed(1)
    config = ModelConfig.model_validate(made_up_training.SMALL_MODEL)
    return STCNN(config, Population(neurons={"lc4": ("1",), "lc11": ("1",)}), deg_per_px=4.0).eval()


def recordings(network: STCNN) -> Dataset:
    """What the network itself answers to four movies, with a little noise."""
    rng = np.random.default_rng(0)
    movies = {
        f"noise{i}": Movie(rng.random((40, 21, 21), np.float32), 30.0, deg_per_px=4.0, background=0.5) for i in range(4)
    }
    found = []
    for name, movie in movies.items():
        for cell_type, trace in network.predict(movie).items():
            noisy = (trace + 0.2 * trace.std() * rng.standard_normal(len(trace))).astype(np.float32)
            found.append(Recording(cell_type, "1", name, noisy, movie.time_s, 30.0))
    return Dataset.of(movies, found)


def test_a_channel_held_at_rest_has_one_value_everywhere():
    network = model()
    lesioned = held_at_rest(network, 0, 1, 0.25)
    movie = torch.rand(1, 12, 21, 21)
    maps = lesioned.maps(movie, 30.0)
    assert (maps["norm.0"][..., 1] == 0.25).all()
    torch.testing.assert_close(maps["norm.0"][..., 0], network.maps(movie, 30.0)["norm.0"][..., 0])


def test_lesions_cost_what_the_changed_network_loses():
    network = model()
    dataset = recordings(network)
    held_out = HeldOut(dataset, BatchingConfig(pre_grey_s=2.0, loss_start_s=0.0))
    found = ANALYSES["lesions"].measure(Bench(Models([network]), SCREEN, held_out))
    cost = found.maps[0].values[0]
    assert cost.shape == (2, 2, 2)  # cell types, layers, channels
    rest = network.maps(torch.zeros(1, 60, *dataset.shape_px), 30.0)["norm.1"][-1, 0, 2, 2, 0].item()
    lesioned = held_at_rest(network, 1, 0, rest)
    names = ["held_out_correlation", "without_on_change", "without_off_change"]
    names += ["readout_of_lc4_change", "readout_of_lc11_change"]
    assert [number.name for number in found.numbers] == names
    intact = found.numbers[0].values[0]
    for i, cell_type in enumerate(("lc4", "lc11")):
        predicted, measured = [], []
        for recording in dataset.recordings:
            if recording.cell_type == cell_type:
                predicted.append(lesioned.predict(dataset.movies[recording.stimulus])[cell_type][:-1])
                measured.append(recording.trace[:-1])
        r = np.corrcoef(np.concatenate(predicted), np.concatenate(measured))[0, 1]
        assert cost[i, 1, 0] == pytest.approx(r - intact[i], abs=2e-3)
    assert (intact > 0.9).all()


def test_a_type_with_the_readout_of_another_answers_as_that_one_does():
    network = model()
    movie = Movie(np.random.default_rng(3).random((40, 21, 21), np.float32), 30.0, deg_per_px=4.0, background=0.5)
    own, swapped = (each.respond(movie).voltage for each in (network, read_as(network, "lc11")))
    np.testing.assert_allclose(swapped["lc4"], own["lc11"], atol=1e-6)
    np.testing.assert_allclose(swapped["lc11"], own["lc11"], atol=1e-6)
    assert np.abs(own["lc4"] - own["lc11"]).max() > 1e-3


def test_the_readout_of_another_type_costs_what_its_predictions_lack():
    network = model()
    dataset = recordings(network)
    held_out = HeldOut(dataset, BatchingConfig(pre_grey_s=2.0, loss_start_s=0.0))
    found = ANALYSES["lesions"].measure(Bench(Models([network]), SCREEN, held_out))
    numbers = {number.name: number.values[0] for number in found.numbers}
    rows = [recording for recording in dataset.recordings if recording.cell_type == "lc4"]
    measured = np.concatenate([recording.trace[:-1] for recording in rows])
    predicted = np.concatenate([network.predict(dataset.movies[row.stimulus])["lc11"][:-1] for row in rows])
    r = np.corrcoef(predicted, measured)[0, 1]
    assert numbers["readout_of_lc11_change"][0] == pytest.approx(r - numbers["held_out_correlation"][0], abs=2e-3)
    assert np.isnan(numbers["readout_of_lc11_change"][1])


def test_what_is_no_network_or_has_nothing_held_out_has_no_lesions():
    planted = PlantedNeurons({"a": lambda _: 1.0})
    assert ANALYSES["lesions"].measure(Bench(planted, SCREEN)).left_out == ["Lesions: it is no network."]
    found = ANALYSES["lesions"].measure(Bench(Models([model()]), SCREEN))
    assert found.left_out == ["Lesions: no recordings are at hand that were held out."]


@pytest.mark.parametrize("coded", [True, False])
def test_halves_of_the_input_add_up_to_it(coded: bool):
    frames = np.random.default_rng(0).random((5, 4, 3), np.float32)
    movie = Movie(frames, 30.0, background=0.4)
    if coded:
        movie = Movie((frames * 255).astype(np.uint8), 30.0, background=0.4)
    dark, bright = without_brightness(movie), without_darkness(movie)
    assert dark.contrast().max() <= 0 <= bright.contrast().min()
    np.testing.assert_allclose(dark.contrast() + bright.contrast(), movie.contrast(), atol=1e-6)


def recorded_square() -> Dataset:
    screen = Screen(shape_px=(42, 42), deg_per_px=2.0, rate_hz=30)
    wanted = square(9.0) | {"timing": {"before_s": 0.5, "after_s": 0.5}}
    movie = render(screen, wanted)
    time_s = movie.time_s
    bump = np.exp(-((time_s - 0.6) ** 2) / (2 * 0.2**2))
    traces = {"n1": 0.3 + 1.0 * bump, "n2": -0.1 + 2.0 * bump, "n3": 3.0 * bump}
    return Dataset.of(
        {"a square": movie},
        [Recording("lc11", name, "a square", trace.astype(np.float32), time_s, 30.0) for name, trace in traces.items()],
    )


def test_a_recording_is_found_by_what_was_shown_whatever_the_grey_around_it():
    recorded = Recorded(recorded_square())
    assert recorded.stimulus(square(9.0)) == "a square"
    assert recorded.stimulus(square(9.0, luminance=1.0)) is None
    assert recorded.stimulus(disc(0.04)) is None


def test_a_measured_peak_is_the_mean_over_neurons_above_their_own_grey():
    found = Recorded(recorded_square()).peak(square(9.0), "lc11")
    assert found is not None
    assert found.n_neurons == 3
    near = np.abs(np.arange(-0.1, 0.101, 1 / 30))
    kept = np.exp(-(near**2) / (2 * 0.2**2)).mean()
    assert found.mean == pytest.approx(2.0 * kept, rel=0.02)
    half = 4.302653 * 1.0 * kept / np.sqrt(3)
    assert found.half_width == pytest.approx(half, rel=0.02)
    assert Recorded(recorded_square()).peak(square(9.0), "lplc2") is None


def test_published_grids_have_49_sizes_with_the_smallest_at_the_bottom():
    def high_and_thin(stimulus: Mapping[str, Any]) -> float:
        return float(stimulus.get("height_deg") == 90 and stimulus.get("width_deg") == 4.5)

    found = ANALYSES["published"].measure(
        Bench(PlantedNeurons({"a": high_and_thin}), Screen(shape_px=(42, 42), deg_per_px=2.0, rate_hz=60))
    )
    sizes = found.maps[0]
    assert sizes.values.shape == (1, 1, 7, 7)
    assert np.argwhere(sizes.values[0, 0] > 0.5).tolist() == [[6, 1]]
    assert sizes.up.values.tolist() == [2, 4.5, 9, 15, 30, 45, 90]
    assert found.maps[1].values.shape == (1, 1, 7, 9)
    assert [len(grid.columns) for grid in found.traces] == [7, 5]
