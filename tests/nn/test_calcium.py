"""Recordings without an indicator, and several indicators in one set: every way through the network agrees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from stcnn.errors import ConfigError
from stcnn.export.layout import described
from stcnn.nn.bounds import Bounds, project
from stcnn.nn.calcium import CalciumConfig
from stcnn.nn.kernels.native.compile import why_unavailable
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from tests.support.nn_twin import Case

RATE_HZ = 60.0
Names = dict[str, tuple[str, ...]] | None
NEURONS = {"lc11": ("a", "b", "c"), "lc4": ("d", "e")}
INDICATORS = {"lc11": ("GCaMP6f", "jGCaMP8m", "GCaMP6f"), "lc4": ("jGCaMP8m", "ASAP4")}
SEVERAL = {
    "tau": "per_indicator",
    "indicators": {
        "gcamp6f": {"tau_init_s": (0.4, 0.4)},
        "default": {"tau_init_s": (0.1, 0.1)},
        "asap4": {"kind": "none"},
    },
}


def network(calcium: dict[str, Any], indicators: Names = None) -> STCNN:
    torch.manual_seed(0)
    model = STCNN(Case(calcium=calcium).config(), Population(neurons=NEURONS, indicators=indicators or {}))
    with torch.no_grad():
        for neurons in model.calcium.each:
            neurons.gain.add_(torch.randn_like(neurons.gain))
            neurons.offset.add_(torch.randn_like(neurons.offset))
    return model


def contrast() -> torch.Tensor:
    return torch.randn(2, 50, *Case().shape_px, generator=torch.Generator().manual_seed(1)) / 4


def recorded() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clip, cell type and neuron of every neuron, the last of them twice."""
    clip, cell_type, neuron = torch.tensor([[0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 1]])
    return clip, cell_type, neuron


def test_without_an_indicator_the_rectified_voltage_is_scaled_and_shifted() -> None:
    model = network({"kind": "none", "rectifier": "softplus"})
    voltage = model.voltage_of(contrast(), RATE_HZ)
    clip, cell_type, neuron = recorded()
    found = model.calcium_of(voltage, clip, cell_type, neuron, RATE_HZ)
    for row, (b, n, i) in enumerate(zip(clip, cell_type, neuron, strict=True)):
        own = model.calcium.each[n]
        right = own.offset[i] + F.softplus(own.gain[i]) * F.softplus(voltage[b, :, n])
        torch.testing.assert_close(found[row], right)
    found.sum().backward()
    trained = {name for name, p in model.named_parameters() if name.startswith("calcium") and p.requires_grad}
    assert trained == {f"calcium.types.{t}.{kind}" for t in NEURONS for kind in ("gain", "offset")}
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_without_an_indicator_the_answer_is_the_same_at_twice_the_rate() -> None:
    model = network({"kind": "none"}).eval()
    steady = np.full((40, *Case().shape_px), 0.8, np.float32)
    once, twice = (model.predict(steady, rate_hz=rate, start="steady")["lc4"][-1] for rate in (1e3, 2e3))
    assert once == pytest.approx(twice, rel=0.02)


@pytest.mark.parametrize("compute", ["torch", "native"])
@pytest.mark.parametrize(("calcium", "indicators"), [({"kind": "none"}, None), (SEVERAL, INDICATORS)])
@pytest.mark.parametrize("neurons", [{}, NEURONS])
def test_streams_give_the_numbers_of_the_offline_pass(
    compute: str,
    calcium: dict[str, Any],
    indicators: Names,
    neurons: dict[str, tuple[str, ...]],
) -> None:
    if compute == "native" and (reason := why_unavailable()):
        pytest.skip(f"the native core cannot be compiled here: {reason}")
    model = network(calcium, indicators).eval()
    model.hidden.compute = compute
    with torch.no_grad():
        stream = model.stream(rate_hz=RATE_HZ, neurons=neurons, background=0.0, start="rest")
        shown = contrast()[:1].clamp(0, 1)
        samples = [stream.step(frame.numpy()) for frame in shown[0]]
        output = model(shown, RATE_HZ)
        for i, name in enumerate(NEURONS):
            found = np.stack([sample[name].calcium for sample in samples])
            right = output.calcium[0, :, i]
            if neurons:
                index = torch.arange(len(NEURONS[name]))
                zero = torch.zeros_like(index)
                right = model.calcium_of(output.voltage, zero, zero + i, index, RATE_HZ).T
            np.testing.assert_allclose(found, right.numpy(), atol=2e-5 * float(right.abs().max()))


def test_each_neuron_is_filtered_by_its_own_indicator() -> None:
    model = network(SEVERAL, INDICATORS)
    clip, cell_type, neuron = recorded()
    voltage = model.voltage_of(contrast(), RATE_HZ)
    found = model.calcium_of(voltage, clip, cell_type, neuron, RATE_HZ)
    kinds: dict[str, dict[str, Any]] = {
        "GCaMP6f": {"tau_init_s": (0.4, 0.4)},
        "jGCaMP8m": {"tau_init_s": (0.1, 0.1)},
        "ASAP4": {"kind": "none"},
    }
    for indicator, kind in kinds.items():
        alone = network(kind)
        alone.load_state_dict(model.state_dict(), strict=False)
        alone.calcium.tau_s.data.fill_(kind.get("tau_init_s", (0.4,))[0])
        right = alone.calcium_of(voltage, clip, cell_type, neuron, RATE_HZ)
        mine = [i for i in range(6) if INDICATORS[list(NEURONS)[cell_type[i]]][neuron[i]] == indicator]
        torch.testing.assert_close(found[mine], right[mine])


def test_time_constants_of_several_indicators_are_learned_within_their_bounds() -> None:
    model = network(SEVERAL, INDICATORS)
    clip, cell_type, neuron = recorded()
    voltage = model.voltage_of(contrast(), RATE_HZ).detach()
    model.calcium_of(voltage, clip, cell_type, neuron, RATE_HZ).square().sum().backward()
    gradient = model.calcium.indicator_tau_s.grad
    assert gradient is not None
    assert model.calcium.indicators == ("GCaMP6f", "jGCaMP8m", "ASAP4")
    assert (gradient[:2] != 0).all()
    assert gradient[2] == 0
    model.calcium.indicator_tau_s.data.copy_(torch.tensor([9.0, 0.001, 0.4]))
    project(model, Bounds())
    torch.testing.assert_close(model.calcium.indicator_tau_s.data, torch.tensor([3.0, 0.01, 0.4]))


def test_an_indicator_of_which_nothing_is_said_is_refused() -> None:
    only = {"tau": "per_indicator", "indicators": {"gcamp6s": {}}}
    sentence = r"name the indicator 'GCaMP6f'.*says nothing.*or 'default' for all others.*Valid names are gcamp6s"
    with pytest.raises(ConfigError, match=sentence):
        network(only, INDICATORS)
    with pytest.raises(ConfigError, match="the indicator of every neuron is not known"):
        network(SEVERAL)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"indicators": {"gcamp6f": {}}}, "tau is 'global': give tau=per_indicator"),
        ({"kind": "none", "tau": "per_type"}, "has no time constant, but tau is 'per_type'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        CalciumConfig.model_validate(given)


def test_a_population_has_one_indicator_for_each_neuron() -> None:
    with pytest.raises(ValidationError, match="'lc4' has 2 neurons and 1 indicators"):
        Population(neurons=NEURONS, indicators={"LC4": ("GCaMP6f",)})


@pytest.mark.parametrize(
    ("calcium", "indicators", "key"),
    [({"kind": "none"}, None, "calcium.kind is 'none'"), (SEVERAL, INDICATORS, "tau is 'per_indicator'")],
)
def test_the_published_program_has_no_form_for_it(calcium: dict[str, Any], indicators: Names, key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}, for which the published program has no form"):
        described(network(calcium, indicators), RATE_HZ, Case().shape_px)


def test_a_network_of_several_indicators_opens_again() -> None:
    model = network(SEVERAL, INDICATORS)
    model.calcium.indicator_tau_s.data.mul_(1.5)
    again = STCNN(
        ModelConfig.model_validate(model.config.model_dump(mode="json")),
        Population.model_validate(model.population.model_dump(mode="json")),
    )
    again.load_state_dict(model.state_dict())
    movie = np.random.default_rng(0).random((30, *Case().shape_px), dtype=np.float32)
    for name, trace in model.eval().predict(movie, rate_hz=RATE_HZ).items():
        np.testing.assert_array_equal(again.eval().predict(movie, rate_hz=RATE_HZ)[name], trace)


KINDS = {
    "power_exponential": {"kind": "power_exponential", "kernel_s": 1.0, "n_init": (0.7, 1.3)},
    "adapting": {"kind": "adapting"},
    "none": {"kind": "none"},
}
"""Kernels of indicators other than exponential ones."""


@pytest.mark.parametrize("kernel", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("tau", ["global", "per_type", "per_indicator"])
def test_calcium_takes_every_kind_of_kernel(kernel: dict[str, object], tau: str) -> None:
    torch.manual_seed(0)
    indicators: dict[str, object] = {"indicators": {"default": {}}} if tau == "per_indicator" else {}
    config = ModelConfig.model_validate(
        {
            "eye": {"lattice": (5, 5)},
            "hidden": {"channels": [2], "kernel_columns": 3},
            "cell_types": {"default": {"window_columns": 3}},
            "calcium": {"filter": kernel, "tau": tau, **indicators},
        }
    )
    named = {"t4": ("gcamp6f", "gcamp8m"), "t5": ("gcamp8m",)}
    population = Population(neurons={"t4": ("a", "b"), "t5": ("c",)}, indicators=named)
    model = STCNN(config, population)
    model.train()(torch.randn(2, 40, 21, 21), 90.0).calcium.square().mean().backward()
    trained = [name for name, p in model.named_parameters() if name.startswith("calcium") and p.grad is not None]
    prefix = {"global": "calcium.", "per_type": "calcium.types.t4.", "per_indicator": "calcium.indicator_"}[tau]
    assert {prefix + name for name in config.calcium.filter.PARAMETERS} <= set(trained)
    frames = np.random.default_rng(0).random((30, 21, 21), np.float32)
    whole = model.eval().predict(frames, rate_hz=90)["t5"]
    stream = model.stream(rate_hz=90, neurons={"t4": ("a", "b"), "t5": ("c",)})
    live = [stream.step(frame)["t5"].calcium[0] for frame in frames]
    np.testing.assert_allclose(live, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("part", "used"), [("eye", "eye.tau_s"), ("calcium", "calcium.tau_init_s")])
def test_a_time_constant_that_would_not_be_used_is_refused(part: str, used: str) -> None:
    with pytest.raises(ValidationError, match=f"filter.tau_init_s would not be used, .* is {used}: give that"):
        ModelConfig.model_validate({part: {"filter": {"tau_init_s": (0.2, 0.3)}}})


def test_an_indicator_that_is_none_goes_with_exponential_kernels() -> None:
    calcium = {
        "tau": "per_indicator",
        "indicators": {"voltage": {"kind": "none"}},
        "filter": {"kind": "power_exponential", "kernel_s": 1.0},
    }
    with pytest.raises(ValidationError, match="an indicator is of kind 'none', which goes with no filter of kind"):
        ModelConfig.model_validate({"calcium": calcium})
