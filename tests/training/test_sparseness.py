"""The prior of sparse readouts: the area of known fields, on both lattices, and where its gradient leads."""

import math

import pytest
import torch

from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.training.recipe import TrainingConfig
from stcnn.training.smoothness import roughness
from stcnn.training.sparseness import gaussians_read
from stcnn.training.weight_priors import weight_penalty
from tests.training.test_smoothness import weight_of

SPACING_DEG = 2.0


def network(arrangement: str) -> STCNN:
    config = {
        "eye": {
            "lattice": (31, 31),
            "column_spacing_deg": SPACING_DEG,
            "window_deg": 10.0,
            "arrangement": {"kind": arrangement},
        },
        "hidden": {"channels": [3], "kernel_columns": 3},
        "cell_types": {"default": {"window_columns": 31}},
    }
    return STCNN(ModelConfig.model_validate(config), Population(neurons={"t5": ("1",)}))


@pytest.mark.parametrize("arrangement", ["square", "hexagonal"])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_gaussian_fields_are_counted(arrangement: str, n_channels: int):
    model = network(arrangement)
    lattice = model.readouts.map_lattice
    away_deg = lattice.window_deg((31, 31)).square().sum(-1).sqrt()
    with torch.no_grad():
        weight_of(model).zero_()
        weight_of(model)[:n_channels] = -7.0 * torch.exp(-0.5 * (away_deg / 4.0) ** 2)
    assert gaussians_read(model, 4.0).item() == pytest.approx(n_channels, rel=0.02)
    assert gaussians_read(model, 8.0).item() == pytest.approx(n_channels / 4, rel=0.02)


def test_one_place_is_the_area_of_its_column():
    model = network("square")
    with torch.no_grad():
        weight_of(model).zero_()
        weight_of(model)[0, 3, 4] = 0.1
    assert gaussians_read(model, 1.0).item() == pytest.approx(SPACING_DEG**2 / (4 * math.pi))


def test_following_its_gradient_leaves_few_weights():
    torch.manual_seed(0)
    model = network("square")
    weight = weight_of(model)
    with torch.no_grad():
        weight.copy_(torch.randn_like(weight))
        weight[1, 10:13, 20:23] += 10
    optimiser = torch.optim.Adam([weight], lr=0.02)
    for _ in range(300):
        optimiser.zero_grad()
        gaussians_read(model, 4.0).backward()
        optimiser.step()
    left = weight.detach().abs() > 0.1 * weight.detach().abs().max()
    assert left[1, 10:13, 20:23].all()
    assert left.sum() < 0.02 * left.numel()


def test_priors_add_up_and_are_none_by_default():
    model = network("square")
    assert weight_penalty(model, TrainingConfig()) == 0
    both = TrainingConfig(smoothness=0.5, smoothness_deg=3.0, sparseness=2.0, sparseness_deg=6.0)
    expected = 0.5 * roughness(model, 3.0) + 2 * gaussians_read(model, 6.0)
    assert torch.as_tensor(weight_penalty(model, both)).item() == pytest.approx(expected.item())
