"""Descent in the coordinates of a regression: the same minimum, a true gradient, few steps along a long valley."""

import numpy as np
import pytest
import torch
from scipy.optimize import check_grad
from torch import Tensor, nn

from stcnn.baselines.descent import Coordinates, descend, root_of
from stcnn.errors import TrainingError

N_FEATURES = 40


class Filters(nn.Module):
    """Two filters and a bias, fitted to rows of features whose sizes span four powers of ten."""

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(3)
        size = torch.logspace(0, -4, N_FEATURES)
        mixed = torch.linalg.qr(torch.randn(N_FEATURES, N_FEATURES, generator=rng)).Q
        self.x = torch.randn(400, N_FEATURES, generator=rng) * size @ mixed
        self.y = torch.randn(400, 2, generator=rng)
        self.drawn = nn.Parameter(torch.zeros(2, N_FEATURES))
        self.bias = nn.Parameter(torch.zeros(2))
        self.untouched = nn.Parameter(torch.ones(3), requires_grad=False)

    @property
    def root(self) -> Tensor:
        return root_of((self.x.T @ self.x).expand(2, -1, -1), torch.zeros(2))

    def error(self) -> Tensor:
        return (self.x @ self.drawn.T + self.bias - self.y).square().sum()


def test_the_gradient_is_that_of_the_vector_and_the_vector_is_where_the_parameters_are():
    model = Filters()
    coordinates = Coordinates(model, {"drawn": model.root})
    vector = np.random.default_rng(1).normal(size=2 * N_FEATURES + 2)
    coordinates.move(vector)
    np.testing.assert_allclose(coordinates.where(), vector, rtol=1e-3, atol=1e-3)

    def value(at: np.ndarray) -> float:
        coordinates.move(at)
        return model.error().item()

    def slope(at: np.ndarray) -> np.ndarray:
        coordinates.move(at)
        model.zero_grad()
        model.error().backward()
        return coordinates.slope()

    size = np.linalg.norm(slope(vector))
    assert check_grad(value, slope, vector, epsilon=1e-2) < 0.01 * size
    assert model.untouched.tolist() == [1, 1, 1]


def test_ten_steps_reach_least_squares_where_plain_descent_stays_far_away():
    model = Filters()
    ones = torch.cat([model.x, torch.ones(400, 1)], 1).double()
    least = (ones @ torch.linalg.lstsq(ones, model.y.double(), driver="gelsd").solution - model.y).square().sum().item()
    reached = {}
    for name, roots in {"plain": {}, "in the regression's coordinates": {"drawn": model.root}}.items():
        with torch.no_grad():
            model.drawn.zero_()
            model.bias.zero_()
        descend(Coordinates(model, roots), model.error, {}, steps=10)
        reached[name] = model.error().item() / least - 1
    assert reached["in the regression's coordinates"] < 1e-2
    assert reached["plain"] > 3 * reached["in the regression's coordinates"]


def test_bounds_hold_for_what_has_any():
    model = Filters()
    descend(Coordinates(model, {"drawn": model.root}), model.error, {"bias": [(0.5, None), (None, -0.5)]}, steps=20)
    assert model.bias[0] >= 0.5
    assert model.bias[1] <= -0.5


def test_an_error_that_is_not_finite_is_refused():
    model = Filters()
    model.y[0] = float("inf")
    with pytest.raises(TrainingError, match="the squared error of the fit is not finite"):
        descend(Coordinates(model, {}), model.error, {}, steps=3)
