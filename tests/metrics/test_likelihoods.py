"""Deviances against scipy and their definition; what is explained, and what could be, against planted truths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stcnn.metrics.likelihoods import LIKELIHOODS, DevianceSums, Likelihood
from tests.support.developing_page import page_run

POSITIVE = st.floats(1e-3, 1e3)


@pytest.mark.parametrize("name", LIKELIHOODS)
@given(y=POSITIVE, m=POSITIVE)
@settings(deadline=None)
def test_a_deviance_is_the_divergence_of_its_potential(name: str, y: float, m: float) -> None:
    likelihood = LIKELIHOODS[name]
    mean = torch.tensor(m, dtype=torch.float64, requires_grad=True)
    measured = torch.tensor(y, dtype=torch.float64)
    potential = likelihood.potential(mean)
    (slope,) = torch.autograd.grad(potential, mean, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, mean, allow_unused=True)
    mean, potential, slope, curvature = (each.detach() for each in (mean, potential, slope, curvature))
    right = 2 * (likelihood.potential(measured) - potential - slope * (measured - mean))
    found = likelihood.deviance(mean, measured)
    size = abs(float(likelihood.potential(measured))) + abs(float(potential)) + abs(float(slope * (measured - mean)))
    assert abs(float(found - right)) <= 1e-12 * max(size, 1)
    assert float(found) >= -1e-12 * max(size, 1)
    assert float(likelihood.curvature(mean)) == pytest.approx(float(curvature), rel=1e-9)


def test_deviances_are_twice_the_log_likelihood_lost() -> None:
    y, m = np.array([0.0, 1.0, 3.0, 7.0]), np.array([0.3, 2.0, 2.5, 9.0])
    saturated = stats.poisson.logpmf(y, np.where(y > 0, y, 1e-300))
    right = 2 * (saturated - stats.poisson.logpmf(y, m))
    found = LIKELIHOODS["poisson"].deviance(torch.from_numpy(m), torch.from_numpy(y))
    np.testing.assert_allclose(found, right, rtol=1e-12)
    y = y + 0.5
    shape = 4.0
    right = 2 * (stats.gamma.logpdf(y, shape, scale=y / shape) - stats.gamma.logpdf(y, shape, scale=m / shape)) / shape
    found = LIKELIHOODS["gamma"].deviance(torch.from_numpy(m), torch.from_numpy(y))
    np.testing.assert_allclose(found, right, rtol=1e-12)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_samples_that_are_not_scored_do_not_count_whatever_they_hold(name: str) -> None:
    prediction = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    weight = torch.tensor([[1.0, 0.0, 1.0]])
    losses = []
    for other in (5.0, 0.0, -1.0):
        loss = LIKELIHOODS[name].loss(prediction, torch.tensor([[2.0, other, 2.0]]), weight)
        (gradient,) = torch.autograd.grad(loss.sum(), prediction)
        assert gradient[0, 1] == 0
        losses.append(loss.item())
    right = LIKELIHOODS[name].deviance(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0])).mean()
    assert losses == pytest.approx([float(right)] * 3)


def trials_of(name: str, mean: np.ndarray, n_trials: int, rng: np.random.Generator) -> np.ndarray:
    shape = (n_trials, len(mean))
    if name == "poisson":
        return rng.poisson(mean, shape).astype(float)
    if name == "gamma":
        return rng.gamma(20.0, mean / 20.0, shape)
    return mean + rng.normal(0, 0.5, shape)


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("n_trials", [4, 12])
@pytest.mark.parametrize("scale", [0.2, 1.0])
def test_the_truth_explains_what_its_trials_say_could_be(name: str, n_trials: int, scale: float) -> None:
    rng = np.random.default_rng(3)
    mean = scale * np.exp(rng.normal(0, 0.8, 400))
    likelihood = LIKELIHOODS[name]
    apart = []
    for _ in range(60):
        sums = DevianceSums.of(likelihood, mean, trials_of(name, mean, n_trials, rng))
        apart.append(float(sums.ceiling(likelihood) - sums.explained(likelihood)))
    error = np.std(apart) / np.sqrt(len(apart))
    few = n_trials * scale < 1  # spikes in a bin of all trials together
    assert abs(np.mean(apart)) < 4 * error + (0.03 if few else 0.01)


def test_counts_that_vary_more_than_poisson_counts_have_a_ceiling_too() -> None:
    rng = np.random.default_rng(5)
    likelihood = LIKELIHOODS["poisson"]
    mean = np.exp(rng.normal(0.5, 0.8, 500))
    apart = []
    for _ in range(40):
        trials = rng.poisson(rng.gamma(4.0, mean / 4.0, (8, 500))).astype(float)
        sums = DevianceSums.of(likelihood, mean, trials)
        apart.append(float(sums.ceiling(likelihood) - sums.explained(likelihood)))
    assert abs(np.mean(apart)) < 0.03


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_mean_explains_nothing_and_sums_add_up(name: str) -> None:
    likelihood = LIKELIHOODS[name]
    trials = trials_of(name, np.array([0.5, 2.0, 4.0, 1.0]), 3, np.random.default_rng(0)) + 1
    constant = np.full(4, trials.mean())
    assert float(DevianceSums.of(likelihood, constant, trials).explained(likelihood)) == pytest.approx(0, abs=1e-12)
    whole = DevianceSums.of(likelihood, constant, trials)
    parts = [
        DevianceSums.of(likelihood, constant[:1], trials[:, :1]),
        DevianceSums.of(likelihood, constant[1:], trials[:, 1:]),
    ]
    joined = DevianceSums.stacked(parts).weighted(np.ones(2))
    assert float(joined.explained(likelihood)) == pytest.approx(float(whole.explained(likelihood)), abs=1e-12)
    assert float(DevianceSums.nothing().explained(likelihood)) != 0  # NaN: nothing was there


def test_a_negative_rate_is_a_bad_prediction_and_no_fault() -> None:
    likelihood = LIKELIHOODS["poisson"]
    explained = float(DevianceSums.of(likelihood, np.array([-3.0, 2.0]), np.array([[1.0, 2.0]])).explained(likelihood))
    assert np.isfinite(explained)
    assert explained < 0


@pytest.mark.parametrize(("name", "allowed"), [("squared", [1, 1, 1]), ("poisson", [0, 1, 1]), ("gamma", [0, 0, 1])])
def test_measurements_that_cannot_be(name: str, allowed: list[int]) -> None:
    likelihood: Likelihood = LIKELIHOODS[name]
    assert likelihood.allows(np.array([-0.1, 0.0, np.nan])).tolist() == list(map(bool, allowed))


def test_the_page_adds_a_likelihood_that_holds_what_the_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIKELIHOODS, "negative_binomial", LIKELIHOODS["squared"])  # taken away again afterwards
    with page_run("likelihood") as page:
        assert page["recipe"].training.loss == "negative_binomial"
        added = LIKELIHOODS["negative_binomial"]
        assert isinstance(added, page["NegativeBinomial"])
        test_a_deviance_is_the_divergence_of_its_potential("negative_binomial")
        rng = np.random.default_rng(5)
        mean = np.exp(rng.normal(0.5, 0.8, 500))
        trials = rng.poisson(mean * rng.gamma(4.0, 1 / 4.0, (40, 500))).astype(float)
        sums = DevianceSums.of(added, mean, trials)
        assert float(sums.ceiling(added) - sums.explained(added)) == pytest.approx(0, abs=0.02)
