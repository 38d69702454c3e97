"""Kinds of readouts: weights of fewer parameters read as weights of their own do, in every way through the network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from stcnn import STCNN, ModelConfig, Population
from stcnn.nn.sites import Neurons

FACTORISED = {"kind": "factorised", "rank": 2}


def network(weights: dict[str, Any], **readout: Any) -> STCNN:
    torch.manual_seed(0)
    config = {
        "eye": {"lattice": (9, 9), "column_spacing_deg": 2.0, "acceptance_fwhm_deg": 3.0, "window_deg": 9.0},
        "hidden": {"channels": [3, 4], "kernel_columns": 3, "norm": {"kind": "none"}},
        "readout": {"weights": weights, **readout},
        "cell_types": {"default": {"window_columns": 5}, "t5": {"window_columns": 3}},
    }
    return STCNN(ModelConfig.model_validate(config), Population(neurons={"t4": ("a",), "t5": ("b", "c")}))


def movie() -> Tensor:
    return torch.randn(2, 40, 31, 31, generator=torch.Generator().manual_seed(0)) / 2


def twin(model: STCNN) -> STCNN:
    """The same network with every weight on its own."""
    full = network({"kind": "full"}, **model.config.readout.model_dump(exclude={"weights"}))
    known = model.state_dict()
    state = {name: known.get(name, value) for name, value in full.state_dict().items()}
    for name, readout in zip(model.cell_types, model.readouts.each, strict=True):
        for drive, weight in zip(("weight", "inhibition"), readout.weights, strict=False):
            state[f"readouts.{name}.{drive}"] = weight.detach()
    full.load_state_dict(state)
    return full


@pytest.mark.parametrize("kernel", [{}, {"kind": "conductance"}], ids=["one drive", "excitation and inhibition"])
def test_weights_of_few_numbers_answer_as_the_same_weights_of_their_own(kernel: dict[str, Any]) -> None:
    model = network(FACTORISED, filter=kernel) if kernel else network(FACTORISED)
    full = twin(model)
    for readout in model.readouts.each:
        channel, place = readout.channel, readout.place
        torch.testing.assert_close(readout.weights[0], sum(channel[r, :, None, None] * place[r] for r in range(2)))  # type: ignore[index, misc]
    if kernel:
        assert hasattr(model.readouts.each[0], "inhibition_place")
    torch.testing.assert_close(model.train().voltage_of(movie(), 180.0), full.train().voltage_of(movie(), 180.0))
    with torch.no_grad():
        torch.testing.assert_close(model.eval().voltage_of(movie(), 180.0), full.eval().voltage_of(movie(), 180.0))
        first = torch.tensor([0, 1])
        there = Neurons(first, first, torch.zeros(2, dtype=torch.long), torch.tensor([[1.0, 0.5], [-1.0, 0.0]]))
        torch.testing.assert_close(model.voltage_at(movie(), there, 180.0), full.voltage_at(movie(), there, 180.0))


def test_a_window_costs_its_factors() -> None:
    saved = network({"kind": "full"}).n_trained - network(FACTORISED).n_trained
    assert saved == 4 * (25 + 9) - 2 * ((4 + 25) + (4 + 9))


def test_gradients_reach_both_factors() -> None:
    model = network(FACTORISED).train()
    model(movie(), 180.0).calcium.square().mean().backward()
    for readout in model.readouts.each:
        assert readout.channel.grad.abs().min() > 0  # type: ignore[operator, union-attr]
        assert readout.place.grad.abs().max() > 0  # type: ignore[operator, union-attr]


def test_products_spread_as_weights_of_their_own() -> None:
    torch.manual_seed(0)
    spreads = {}
    for name, weights in (("full", {"kind": "full"}), ("factorised", {"kind": "factorised", "rank": 50})):
        drawn = [network(weights).readouts.each[0].weights[0].detach() for _ in range(1)]
        spreads[name] = torch.cat(drawn).std().item()
    assert spreads["factorised"] == pytest.approx(spreads["full"], rel=0.3)


def test_positive_weights_begin_smooth_and_even_and_answer_as_the_same_weights_of_their_own() -> None:
    model = network({"kind": "positive", "sd_init_deg": 3.0}, filter={"kind": "conductance"})
    excitation, inhibition = (weight.detach() for weight in model.readouts.each[0].weights)
    for weight in (excitation, inhibition):
        torch.testing.assert_close(weight, weight.flip(-1))
        torch.testing.assert_close(weight, weight.flip(-2))
        ratio = weight[:, 2, 4] / weight[:, 2, 2]  # two columns of two degrees away
        torch.testing.assert_close(ratio, torch.full((4,), -(4.0**2) / (2 * 3.0**2)).exp())
        assert weight.square().sum().sqrt().item() == pytest.approx(1.0, rel=1e-4)
    assert not torch.equal(excitation, inhibition)
    with torch.no_grad():
        for readout in model.readouts.each:
            readout.weight.neg_()  # type: ignore[operator]
    torch.testing.assert_close(model.readouts.each[0].weights[0], excitation)
    full = twin(model)
    torch.testing.assert_close(model.train().voltage_of(movie(), 180.0), full.train().voltage_of(movie(), 180.0))


def test_gaussians_answer_as_the_same_weights_of_their_own_and_find_a_place_and_a_width() -> None:
    model = network({"kind": "gaussians", "sd_init_deg": 3.0}, filter={"kind": "conductance"})
    readout = model.readouts.each[0]
    assert readout.weights[0].square().sum().sqrt().item() == pytest.approx(1.0, rel=1e-4)
    assert readout.weights[1].square().sum().sqrt().item() == pytest.approx(1.0, rel=1e-4)
    with torch.no_grad():
        readout.middle[:] = torch.tensor([2.0, -2.0]) / 3  # type: ignore[operator]
        readout.log_width[1] = torch.tensor(4 / 3).log()  # type: ignore[operator]
        readout.weight.neg_()  # type: ignore[operator]
    weight = readout.weights[0].detach()
    away_deg = torch.tensor([-6.0, -4.0, -2.0, 0.0, 2.0])  # two degrees apart, from the middle, to the right and down
    for channel, width_deg in enumerate((3.0, 4.0)):
        expected = torch.exp(-away_deg.square() / (2 * width_deg**2))
        torch.testing.assert_close(weight[channel, 3] / weight[channel, 3, 3], expected)
        torch.testing.assert_close(weight[channel, :, 3] / weight[channel, 3, 3], expected)
    full = twin(model)
    torch.testing.assert_close(model.train().voltage_of(movie(), 180.0), full.train().voltage_of(movie(), 180.0))
    model.voltage_of(movie(), 180.0).square().mean().backward()
    for name in ("weight", "middle", "log_width", "inhibition", "inhibition_middle", "inhibition_log_width"):
        assert getattr(readout, name).grad.abs().min() > 0, name
