"""The prior of smooth readouts, against a Gaussian whose roughness is known, and in a training."""

import pytest
import torch

from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.training.smoothness import roughness


def network(sd_columns: float, scale: float = 1.0) -> STCNN:
    config = {
        "eye": {"lattice": (1, 41), "column_spacing_deg": 2.0, "window_deg": 10.0},
        "hidden": {"channels": [2], "kernel_columns": [(1, 3)]},
        "cell_types": {"default": {"window_columns": (1, 41)}},
    }
    model = STCNN(ModelConfig.model_validate(config), Population(neurons={"t5": ("1",)}))
    bell = torch.exp(-0.5 * ((torch.arange(41) - 20) / sd_columns) ** 2)
    with torch.no_grad():
        weight_of(model).copy_(scale * bell.expand(2, 1, 41))
    return model


def weight_of(model: STCNN) -> torch.nn.Parameter:
    weight = model.readouts["t5"].weight
    assert isinstance(weight, torch.nn.Parameter)
    return weight


@pytest.mark.parametrize("sd_columns", [3.0, 5.0])
@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_roughness_of_a_gaussian_is_three_quarters_where_it_is_as_wide_as_asked(sd_columns: float, scale: float):
    model = network(sd_columns, scale)
    assert roughness(model, 2.0 * sd_columns).item() == pytest.approx(0.75, rel=0.06)
    assert roughness(model, sd_columns).item() == pytest.approx(0.75 / 16, rel=0.06)


def test_following_its_gradient_makes_weights_smooth():
    torch.manual_seed(0)
    model = network(4.0)
    weight = weight_of(model)
    with torch.no_grad():
        weight.add_(0.3 * torch.randn_like(weight))
    before = roughness(model, 8.0).item()
    optimiser = torch.optim.Adam([weight], lr=0.01)
    for _ in range(200):
        optimiser.zero_grad()
        roughness(model, 8.0).backward()
        optimiser.step()
    assert roughness(model, 8.0).item() < 0.05 * before
