"""Gain and offset in closed form: least squares where the data decide, the prior where they do not."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from stcnn.metrics.regression import Sums, regress


def pairs(seed: int, gain: float, noise: float, n: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    x = rng.gamma(1.0, size=n)
    return torch.from_numpy(x), torch.from_numpy(0.3 + gain * x + noise * rng.normal(size=n))


@given(st.integers(0, 1000), st.floats(0.1, 5), st.floats(0.01, 1))
def test_with_a_flat_prior_it_is_least_squares(seed: int, gain: float, noise: float) -> None:
    x, y = pairs(seed, gain, noise)
    slope, intercept = np.polyfit(x, y, 1)
    fit = regress(Sums.of(x, y, torch.ones(len(x))), len(x), usual=1.0, sd=1e6)
    np.testing.assert_allclose(fit.gain, max(slope, 0), rtol=1e-6, atol=1e-9)
    if slope > 0:
        np.testing.assert_allclose(fit.offset, intercept, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(
            fit.squared_error, (y - float(intercept) - float(slope) * x).square().sum(), rtol=1e-6
        )


@pytest.mark.parametrize(("usual", "sd", "n_independent"), [(1.0, 0.5, 10.0), (0.2, 0.1, 40.0), (3.0, 1.0, 5.0)])
def test_the_gain_maximises_likelihood_times_prior(usual: float, sd: float, n_independent: float) -> None:
    x, y = pairs(3, 0.8, 1.0)
    fit = regress(Sums.of(x, y, torch.ones(len(x))), n_independent, usual, sd)
    best, constant = np.polyfit(x, y, 1)
    variance = (y - float(constant) - float(best) * x).square().mean()

    def cost(gain: float) -> float:
        centred = (y - y.mean()) - gain * (x - x.mean())
        return float(n_independent * centred.square().mean() / variance + ((gain - usual) / sd) ** 2)

    found = minimize_scalar(cost, bounds=(0, 10), method="bounded", options={"xatol": 1e-9})
    np.testing.assert_allclose(fit.gain, found.x, rtol=1e-5)


def test_a_tight_prior_wins_and_a_gain_is_never_negative() -> None:
    x, y = pairs(1, 0.8, 0.5)
    sums = Sums.of(x, torch.stack([y, -y]), torch.ones(len(x)))
    np.testing.assert_allclose(regress(sums, 10.0, usual=2.0, sd=1e-6).gain, [2, 2], rtol=1e-6)
    assert regress(sums, len(x), usual=1e-9, sd=1e6).gain[1] == 0


def test_samples_of_no_weight_do_not_count_and_sums_of_parts_add_up() -> None:
    x, y = pairs(2, 1.5, 0.2)
    weight = (torch.arange(len(x)) < 150).double()
    whole = Sums.of(x, y, weight)
    parts = [Sums.of(x[i : i + 50], y[i : i + 50], torch.ones(50)) for i in range(0, 150, 50)]
    for one, other in zip(whole, parts[0].and_of(parts[1]).and_of(parts[2]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_recording_that_does_not_vary_gives_numbers() -> None:
    still = regress(Sums.of(torch.ones(5), torch.full((5,), 0.25), torch.ones(5)), 3.0, usual=1.0, sd=0.5)
    assert all(value.isfinite() for value in still)
    assert still.gain == 1
