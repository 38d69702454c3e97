"""The model as its users meet it: movies in, traces out, gradients for the movie, and faults in a sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from stcnn.errors import ConfigError, DataError, RateError, ShapeError
from stcnn.movie import Movie
from stcnn.nn.inference.folded import Folded
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from tests.reference import direct
from tests.support.nn_twin import POPULATION, Case, twin_geometry

GREY = 0.498


@pytest.fixture
def model() -> STCNN:
    return Case().model(torch.float32).eval()


def frames(n_frames: int = 12) -> np.ndarray:
    return np.random.default_rng(0).random((n_frames, *Case().shape_px), dtype=np.float32)


def test_predictions_are_the_average_neuron_of_each_cell_type(model: STCNN) -> None:
    movie = Movie(frames(), 60.0)
    with torch.no_grad():
        right = model(torch.from_numpy(movie.contrast())[None], 60.0)
    for found, trace in (
        (model.predict(movie, start="rest"), right.calcium),
        (model.voltages(movie, start="rest"), right.voltage),
    ):
        assert list(found) == ["lc11", "lc4"]
        np.testing.assert_allclose(np.stack(list(found.values()), -1), trace[0], rtol=1e-5)


def test_the_average_neuron_has_the_mean_offset_and_the_mean_gain_before_softplus() -> None:
    model, contrast = Case().model(torch.float64).eval(), Case().contrast(torch.float64)
    neurons = model.calcium.each[0]
    with torch.no_grad():
        response = model(contrast, 180.0)
        neurons.offset.fill_(neurons.offset.mean())
        neurons.gain.fill_(neurons.gain.mean())
        zero = torch.zeros(1, dtype=torch.long)
        trace = model.calcium_of(response.voltage, zero, zero, zero, 180.0)
    torch.testing.assert_close(trace[0], response.calcium[0, :, 0])


def test_a_movie_knows_its_rate_and_plain_frames_are_given_one(model: STCNN) -> None:
    at_60, at_180 = model.voltages(Movie(frames(), 60.0)), model.voltages(frames(), 180)
    assert not np.allclose(at_60["lc4"], at_180["lc4"])
    np.testing.assert_array_equal(model.voltages(frames(), rate_hz=60)["lc4"], at_60["lc4"])
    np.testing.assert_array_equal(model.voltages(Movie(frames(), 60.0), rate_hz=180)["lc4"], at_60["lc4"])


def test_predicting_leaves_a_model_in_training_as_it_was(model: STCNN) -> None:
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.predict(frames(), 180)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_maps_end_in_the_voltage_and_calcium_of_the_forward_pass(model: STCNN) -> None:
    contrast = Case().contrast(torch.float32)
    with torch.no_grad():
        maps, response = model.maps(contrast, 180.0), model(contrast, 180.0)
    assert list(maps) == ["eye", "hidden.0", "norm.0", "hidden.1", "norm.1", "voltage", "calcium"]
    assert maps["norm.1"].shape == (40, 2, 6, 7, 4)
    torch.testing.assert_close(maps["voltage"].transpose(0, 1), response.voltage)
    torch.testing.assert_close(maps["calcium"].transpose(0, 1), response.calcium)


@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_with_respect_to_the_movie_is_exact(training: bool) -> None:
    case = Case(kernel_s=0.05)
    model = case.model(torch.float64, "auto").train(training)
    contrast = case.contrast(torch.float64).requires_grad_()
    twins = {name: value.detach().clone() for name, value in model.state_dict().items()}
    twins["eye.filter.tau_s"] = model.eye.tau_s
    geometry = twin_geometry(model, case.rate_hz)
    right = torch.autograd.grad(direct.forward(contrast, twins, geometry, training).voltage["lc11"].sum(), contrast)[0]
    found = torch.autograd.grad(model.voltage_of(contrast, case.rate_hz)[..., 0].sum(), contrast)[0]
    torch.testing.assert_close(found, right, rtol=1e-7, atol=1e-9 * float(right.abs().max()))


def test_untrained_responses_have_the_scale_of_dff() -> None:
    model = STCNN(ModelConfig(), POPULATION)
    movie = torch.zeros(1, 240, 83, 83)
    for i in range(120):
        movie[:, 60 + i, 41 - i // 4 : 42 + i // 4, 41 - i // 4 : 42 + i // 4] = -GREY
    with torch.no_grad():
        trace = model(movie, 180.0).calcium[0, 60:]
    assert float((trace.amax(0) - trace.amin(0)).min()) > 0.01
    assert float(trace.abs().max()) < 10


def test_the_seed_of_torch_decides_the_initial_weights() -> None:
    first, second, third = (_drawn(seed) for seed in (1, 1, 2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["hidden.0.weight"], third["hidden.0.weight"])


def _drawn(seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return STCNN(Case().config(), POPULATION).state_dict()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (frames()[0], ShapeError, r"shape \(11, 13\), expected \(T, Y, X\)"),
        (np.where(frames() > 0.5, np.nan, 0), ShapeError, "not finite"),
        (np.full((3, 11, 13), 127.0), ShapeError, "0 .black. to 1 .white.*Divide 8-bit pictures by 255"),
        (np.array(["a"]), DataError, "expected numbers"),
        ([[[0.5]], [[0.5, 0.5]]], ShapeError, r"no array.*expected luminance \(T, Y, X\)"),
        (Movie(frames(), 60.0, deg_per_px=0.5), ShapeError, r"0\.5 degrees per pixel.*1\.0"),
    ],
)
def test_faulty_frames_are_named(model: STCNN, given: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        model.predict(given, 180)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("kernel_columns", 4, "no middle one"),
        ("channels", [], "at least 1 item"),
        ("norm", {"kind": "batch", "momentum": 2}, "less than or equal to 1"),
        ("filter", {"kind": "exponentail"}, "'exponential'.*'none'.*'power_exponential'"),
        ("chanels", [1], "Extra inputs are not permitted"),
    ],
)
def test_faulty_hidden_layers_are_refused(key: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelConfig.model_validate({"hidden": {key: value}})


def test_a_readout_outside_the_lattice_is_refused() -> None:
    config = ModelConfig.model_validate({"readout": {"centre": (30, 2)}})
    with pytest.raises(ConfigError, match=r"centre is \(30, 2\).*lattice \(21, 21\)"):
        STCNN(config, POPULATION)


def test_a_range_the_wrong_way_round_is_refused() -> None:
    filter_ = {"kind": "exponential", "tau_init_s": (0.2, 0.1)}
    with pytest.raises((ConfigError, ValidationError), match="tau_init_s"):
        STCNN(ModelConfig.model_validate({"hidden": {"filter": filter_}}), POPULATION)


NO_NAMES = ["", "a.b", "keys", "training", "each", "config", "window", "centre", "_modules"]


@pytest.mark.parametrize("neurons", [{}, {"lc4": ()}, *({name: ("x",)} for name in NO_NAMES)])
def test_a_population_that_cannot_be_is_refused(neurons: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValidationError, match="cell type"):
        Population(neurons=neurons)


@pytest.mark.parametrize("rate_hz", [0.0, math.inf, math.nan])
def test_a_rate_that_cannot_be_is_refused(model: STCNN, rate_hz: float) -> None:
    with pytest.raises(ShapeError, match="two positive numbers"):
        model.predict(frames(), rate_hz=rate_hz)


def test_a_look_at_the_maps_in_training_leaves_no_trace() -> None:
    model = STCNN(Case().config(), POPULATION)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    maps = model.maps(Case().contrast(torch.float32), 180.0)
    assert maps["norm.0"].mean((0, 1, 2, 3)).abs().max() < 1e-5
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_plain_frames_need_their_rate(model: STCNN) -> None:
    with pytest.raises(RateError, match=r"frame rate of plain frames is not given.*Give rate_hz, or a stcnn\.Movie"):
        model.respond(frames())


def test_one_question_has_voltage_calcium_and_time(model: STCNN) -> None:
    movie = Movie(frames(), 60.0, onset_s=0.1)
    response = model.respond(movie)
    np.testing.assert_array_equal(response.time_s, movie.time_s)
    for name in model.cell_types:
        np.testing.assert_array_equal(response.voltage[name], model.voltages(movie)[name])
        np.testing.assert_array_equal(response.calcium[name], model.predict(movie)[name])


def test_weights_are_folded_once_until_one_of_them_changes(model: STCNN, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []
    folded = Folded.__init__

    def counting(self: Folded, *arguments: Any, **options: Any) -> None:
        made.append(arguments[1])
        folded(self, *arguments, **options)

    monkeypatch.setattr(Folded, "__init__", counting)
    movie = Movie(frames(), 60.0)
    first = model.respond(movie)
    again = model.respond(movie)
    assert made == [60.0]
    np.testing.assert_array_equal(first.voltage["lc4"], again.voltage["lc4"])
    next(model.parameters()).data.mul_(1.5)
    changed = model.respond(movie)
    assert made == [60.0, 60.0]
    assert not np.array_equal(first.voltage["lc4"], changed.voltage["lc4"])
    assert model.respond(movie, start="steady").voltage["lc4"].shape == first.voltage["lc4"].shape
    assert made == [60.0] * 3


def test_a_table_of_its_parts_counts_every_trained_value(model: STCNN) -> None:
    table = model.summary()
    trained = table["trained"]
    assert trained["all"] == trained[:-1].sum() == model.n_trained
    layers = [f"hidden layer {i + 1}" for i in range(len(list(model.hidden)))]
    assert list(table.index) == ["eye", *layers, "readout lc11", "readout lc4", "calcium", "all"]
    assert (table["rows"]["eye"], table["columns"]["eye"]) == model.eye.config.lattice
