"""Cores that a recipe names: readouts behind the photoreceptors alone, and a core that no recipe knows."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stcnn import STCNN, Bounds, ModelConfig, Population
from stcnn.errors import ConfigError
from stcnn.experiments.parameters import quantities
from stcnn.nn.bounds import project
from stcnn.nn.core import Core, CoreQuantity, CoreState
from stcnn.nn.cores.photoreceptors import Photoreceptors
from stcnn.nn.frames import Whole
from stcnn.nn.readout_map import drives
from stcnn.nn.sites import Neurons

CONFIG = {
    "core": {"kind": "photoreceptors"},
    "eye": {"lattice": (7, 7)},
    "cell_types": {"default": {"window_columns": 3}},
}


def network(core: Core | None = None) -> STCNN:
    torch.manual_seed(0)
    return STCNN(ModelConfig.model_validate(CONFIG), Population(neurons={"t4": ("a",)}), core=core)


def movie() -> Tensor:
    return torch.randn(2, 40, 29, 29, generator=torch.Generator().manual_seed(0)) / 2


def test_readouts_behind_photoreceptors_are_a_linear_field() -> None:
    model = network().eval()
    assert isinstance(model.hidden, Photoreceptors)
    assert list(model.maps(movie(), 180.0)) == ["eye", "core", "voltage", "calcium"]
    seen = model.eye(movie(), 180.0, 1.0)[0]
    readout = model.readouts.each[0]
    x = model.readouts.activation(seen[..., 2:5, 2:5])
    gain = readout.filter.gain(180.0)
    drive = torch.einsum("tbyx,yx->tb", x, readout.weights[0][0]) * gain  # type: ignore[operator]
    right = readout.filter(drive.unsqueeze(-1), 180.0)[0] + readout.bias
    torch.testing.assert_close(model.voltage_of(movie(), 180.0), right.transpose(0, 1))


def test_grey_is_answered_steadily_and_freezing_reaches_the_core() -> None:
    model = network().eval()
    steady = model.predict(np.full((3, 29, 29), 0.498, np.float32), 180, start="steady")["t4"]
    np.testing.assert_allclose(steady, steady[0], rtol=1e-6)
    model.hidden.freeze()
    assert model.hidden.frozen


def test_what_is_compiled_for_hidden_layers_is_refused() -> None:
    model = network().eval()
    model.hidden.compute = "native"
    with pytest.raises(ConfigError, match="its core is not made of hidden layers"):
        model.stream()


def test_a_core_with_a_reach_is_asked_at_other_columns() -> None:
    model = network().eval()
    frames = Whole(movie())
    at_columns = drives(model, frames, 180.0, reach=1)
    first = torch.zeros(2, dtype=torch.long)
    place_deg = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    with torch.no_grad():
        answers = model.voltage_at(frames, Neurons(first, first, first, place_deg), 180.0)
    rest = model.readouts.each[0].bias
    torch.testing.assert_close(answers, at_columns[:, 0, 1, 1:, 0].T + rest, atol=1e-5, rtol=1e-4)


class Scaled(Core):
    """A factor, bounded, of which nothing is said about other columns."""

    channels = 1
    parameter_bounds = MappingProxyType({"factor": (0.5, 2.0)})

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor([5.0]))

    def initial_state(self, clips: int, lattice: tuple[int, int], like: Tensor) -> CoreState:
        return {}

    def advance(self, maps: Tensor, rate_hz: float, state: CoreState) -> tuple[Tensor, CoreState]:
        return (maps * self.factor).unsqueeze(-1), state

    def quantities(self) -> Iterator[CoreQuantity]:
        yield CoreQuantity("factor", "core", "", self.factor.item())


def test_bounds_and_quantities_of_a_core_are_those_it_says() -> None:
    model = network(Scaled())
    project(model, Bounds())
    assert model.hidden.factor.item() == 2.0  # type: ignore[operator]
    found = {quantity.quantity: quantity.value for quantity in quantities(model.eval(), Bounds())}
    assert found["factor"] == 2.0


def test_a_core_without_a_reach_is_not_asked_elsewhere() -> None:
    model = network(Scaled()).eval()
    with pytest.raises(ConfigError, match="may do something else at every column"):
        model.at((4.0, 0.0))
    with pytest.raises(ConfigError, match="not made of hidden layers"):
        drives(model, Whole(movie()), 180.0, reach=1)
