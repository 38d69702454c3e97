"""What is not known: deviations of members have their covariance, features of a readout make its voltage."""

import numpy as np
import pytest
import torch

from stcnn.errors import ConfigError
from stcnn.experiments.asked_models import AskedModels, asked_models
from stcnn.experiments.design import known_source
from stcnn.experiments.design.candidates import candidates
from stcnn.experiments.design.sources import Shown
from stcnn.experiments.design.sources.readout import last_features, principal_axes
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.stimuli import Screen, render
from tests.support.networks import NEURONS, SMALL, network, run_of

SCREEN = Screen(shape_px=(31, 35), rate_hz=30)
MOVIES = {
    "flash": render(SCREEN, {"kind": "flash", "luminance": 1, "duration_s": 0.3}),
    "spot": render(SCREEN, {"kind": "moving_spot", "size_deg": 8, "speed_deg_s": 60}),
}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> AskedModels:
    made = asked_models([run_of([network(seed=seed) for seed in range(3)], tmp_path_factory.mktemp("runs")).path])
    return AskedModels(made.models, made.names, SCREEN, made.runs)


def test_deviations_have_the_covariance_of_the_members(three: AskedModels) -> None:
    shown = Shown(three, MOVIES, 10.0)
    found = known_source("members", three).features(shown, "lc11")
    place = three.cell_types.index("lc11")
    for name, answers in shown.answers.items():
        expected = np.cov(answers[:, :, place], ddof=1)
        np.testing.assert_allclose(found[name].rows @ found[name].rows.T, expected, atol=1e-12)
        np.testing.assert_allclose(found[name].expected, answers[:, :, place].mean(1))


def test_a_mix_of_types_can_be_any_of_them_as_any_model_or_their_mean_says(three: AskedModels) -> None:
    shown = Shown(three, MOVIES, 10.0)
    found = known_source("types", three).features(shown, "lc11")
    place = three.cell_types.index("lc18")
    weights = np.zeros((3, len(three.cell_types)))
    weights[:, place] = 1 / np.sqrt(3)
    for name, answers in shown.answers.items():
        np.testing.assert_allclose(found[name].rows @ weights.ravel(), answers[:, :, place].mean(1), atol=1e-12)
        one = np.zeros_like(weights)
        one[2, place] = np.sqrt(3)
        np.testing.assert_allclose(found[name].rows @ one.ravel(), answers[:, 2, place], atol=1e-12)


def test_samples_are_means_of_frames(three: AskedModels) -> None:
    shown = Shown(three, MOVIES, 10.0)
    np.testing.assert_allclose(shown.sampled(np.arange(8.0)), [1, 4])


def test_features_times_weights_are_the_voltage() -> None:
    torch.manual_seed(0)
    sections = {**SMALL, "calcium": {"kind": "none"}}
    model = STCNN(ModelConfig.model_validate(sections), Population(neurons=NEURONS)).eval()
    readout = model.readouts.each[model.cell_types.index("lc18")]
    window = model.readouts.places["lc18"].within(model.readouts.lattice)
    assert (window.bottom - window.top, window.right - window.left) == tuple(readout.weights[0].shape[1:])
    weights = readout.weights[0].permute(1, 2, 0).flatten().detach().double().numpy()
    gain = readout.filter.gain(SCREEN.rate_hz)
    scale = 1.0 if gain is None else float(gain)
    movie = MOVIES["spot"]
    voltage = last_features(model, "lc18", movie) @ (scale * weights)
    answered = model.respond(movie).voltage["lc18"]
    np.testing.assert_allclose(voltage[: movie.n_frames] - voltage[0], answered - answered[0], atol=2e-5)


def test_principal_axes_are_those_of_singular_vectors() -> None:
    rng = np.random.default_rng(0)
    for shape in ((50, 6), (5, 40)):
        rows = rng.standard_normal(shape) * np.geomspace(1, 1e-3, shape[1])
        axes = principal_axes(rows)
        _, strength, directions = np.linalg.svd(rows, full_matrices=False)
        kept = directions[: axes.shape[1]]
        np.testing.assert_allclose(np.abs(kept @ axes), np.eye(len(kept)), atol=1e-6)
        assert (strength[: len(kept)] ** 2).sum() >= 0.999 * (strength**2).sum()


def test_candidates_are_in_units_of_the_noise_and_tell_one_independent_sample_in_a_correlation_time(
    three: AskedModels,
) -> None:
    source = known_source("readout", three)
    found = candidates(three, MOVIES, source, ("lc11",), {"lc11": 0.5})
    raw = source.features(Shown(three, MOVIES, 10.0), "lc11")
    for number, name in enumerate(MOVIES):
        np.testing.assert_allclose(found.features[0][number], raw[name].rows / 0.5)
        x = found.features[0][number]
        np.testing.assert_allclose(
            found.rows[number, 0].T @ found.rows[number, 0], x.T @ x * 0.1 / 1.5, atol=1e-6 * np.abs(x.T @ x).max()
        )


def test_members_need_an_ensemble_and_names_are_known(three: AskedModels) -> None:
    one = AskedModels(three.models[:1], three.names[:1], three.screen, three.runs)
    with pytest.raises(ConfigError, match="is one model alone, expected at least 2 models"):
        known_source("members", one)
    with pytest.raises(ConfigError, match="Did you mean 'members'"):
        known_source("member", three)
