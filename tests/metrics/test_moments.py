"""Scores from sums against numpy, scipy and the formulas of the papers, and their textbook cases."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stcnn.metrics import HalfMoments, Moments

Recorded = list[tuple[np.ndarray, np.ndarray]]


def recorded(seed: int, n_trials: int = 3, n_recordings: int = 4, noise: float = 1.0) -> Recorded:
    """Prediction ``(S,)`` and trials ``(K, S)`` of recordings of different lengths."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n_recordings):
        signal = np.sin(np.arange(40 + 10 * number) / 5 + rng.uniform(0, 6)) * rng.uniform(0.5, 2) + 0.3
        trials = signal + noise * rng.standard_normal((n_trials, len(signal)))
        found.append((0.7 * signal + 0.2 * rng.standard_normal(len(signal)) + 1, trials))
    return found


def pooled(found: Recorded, single: bool = False) -> Moments:
    of = Moments.of_single_trials if single else Moments.of_trial_mean
    return Moments.stacked([of(*pair) for pair in found]).weighted(np.ones(len(found)))


@given(st.integers(0, 1000), st.integers(1, 5))
def test_correlation_and_error_with_the_trial_mean_are_those_of_the_joined_traces(seed: int, n_trials: int) -> None:
    found = recorded(seed, n_trials)
    x, y = np.concatenate([p for p, _ in found]), np.concatenate([t.mean(0) for _, t in found])
    assert pooled(found).correlation() == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-10)
    assert pooled(found).mean_squared_error() == pytest.approx(np.mean((x - y) ** 2), rel=1e-10)


@given(st.integers(0, 1000), st.integers(1, 5))
def test_scores_against_single_trials_join_every_trial(seed: int, n_trials: int) -> None:
    found = recorded(seed, n_trials)
    x = np.concatenate([np.tile(p, n_trials) for p, _ in found])
    y = np.concatenate([t.ravel() for _, t in found])
    moments = pooled(found, single=True)
    assert moments.correlation() == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-10)
    assert moments.mean_squared_error() == pytest.approx(np.mean((x - y) ** 2), rel=1e-10)


@given(st.integers(0, 1000), st.integers(2, 6))
def test_signal_power_of_one_recording_is_that_of_sahani_and_linden(seed: int, n_trials: int) -> None:
    (predicted, trials), *_ = recorded(seed, n_trials)
    power = (n_trials * trials.mean(0).var() - trials.var(1).mean()) / (n_trials - 1)
    moments = Moments.of_trial_mean(predicted, trials)
    assert moments.signal / moments.n == pytest.approx(power, rel=1e-9)


@given(st.integers(0, 1000), st.integers(2, 6))
def test_ceiling_and_normalised_correlation_are_those_of_schoppe_et_al(seed: int, n_trials: int) -> None:
    (predicted, trials), *_ = recorded(seed, n_trials, noise=0.3)
    mean = trials.mean(0)
    power = (n_trials * mean.var() - trials.var(1).mean()) / (n_trials - 1)
    noise_power = trials.var(1).mean() - power
    moments = Moments.of_trial_mean(predicted, trials)
    assert moments.ceiling() == pytest.approx((1 + noise_power / power / n_trials) ** -0.5, rel=1e-9)
    covariance = np.cov(predicted, mean, bias=True)[0, 1]
    assert moments.normalised_correlation() == pytest.approx(covariance / np.sqrt(predicted.var() * power), rel=1e-9)
    assert moments.normalised_correlation() == pytest.approx(moments.correlation() / moments.ceiling(), rel=1e-9)


def test_without_noise_the_ceiling_is_one_and_a_perfect_model_reaches_it() -> None:
    found = [(trials[0], trials) for _, trials in recorded(1, noise=0.0)]
    moments = pooled(found)
    scores = (moments.ceiling(), moments.explained(), moments.normalised_correlation(), moments.correlation())
    np.testing.assert_allclose(scores, 1, atol=1e-12)
    halves = HalfMoments.stacked([HalfMoments.of(trials) for _, trials in found]).weighted(np.ones(len(found)))
    assert halves.reliability() == pytest.approx(1, abs=1e-12)


def test_a_model_that_says_the_mean_explains_nothing_and_one_that_is_worse_less_than_nothing() -> None:
    _, trials = recorded(2, n_trials=200)[0]
    flat = np.full(trials.shape[1], trials.mean())
    assert Moments.of_trial_mean(flat, trials).explained() == pytest.approx(0, abs=0.02)
    assert Moments.of_trial_mean(flat + 3, trials).explained() < -1
    assert np.isnan(Moments.of_trial_mean(flat, trials).correlation())


@pytest.mark.parametrize("n_trials", [2, 3, 5, 10])
def test_explained_variance_and_signal_share_are_unbiased_however_few_the_trials(n_trials: int) -> None:
    rng = np.random.default_rng(3)
    time = np.arange(60)
    found = []
    for _ in range(400):  # noise that lasts and drifts, as strong as the signal
        signal = np.sin(time / 5 + rng.uniform(0, 6))
        drift = 0.3 * rng.standard_normal((n_trials, 1)) + 0.01 * rng.standard_normal((n_trials, 1)) * time
        noise = np.repeat(0.7 * rng.standard_normal((n_trials, 20)), 3, axis=1)
        found.append((0.6 * signal, signal + drift + noise))
    moments = pooled(found)
    assert moments.explained() == pytest.approx(1 - 0.4**2, abs=0.02)
    assert moments.normalised_correlation() == pytest.approx(1, abs=0.02)
    assert moments.signal / moments.n == pytest.approx(0.5, abs=0.015)
    naive = 1 - moments.error / (moments.yy - moments.y**2 / moments.n)  # takes the noise for unexplained
    assert naive < 0.75 or n_trials > 5


def test_single_trials_and_their_mean_give_the_same_explained_variance() -> None:
    found = recorded(4)
    assert pooled(found, single=True).explained() == pytest.approx(float(pooled(found).explained()), rel=1e-9)
    assert pooled(found, single=True).ceiling() < pooled(found).ceiling()


@given(st.integers(0, 1000), st.integers(2, 5))
def test_trials_that_others_tell_the_noise_of_are_the_single_trials_where_times_are_equal(seed: int, n: int) -> None:
    found = recorded(seed, n)
    apart = [Moments.of_one_trial(p, t[k], np.delete(t, k, axis=0)) for p, t in found for k in range(n)]
    each, together = Moments.stacked(apart).weighted(np.ones(len(apart))), pooled(found, single=True)
    for name in ("n", "x", "xx", "y", "yy", "xy", "noise", "level_noise"):
        assert getattr(each, name) == pytest.approx(getattr(together, name), rel=1e-9, abs=1e-9), name


def test_split_half_of_two_trials_is_the_formula_of_spearman_and_brown() -> None:
    _, trials = recorded(5, n_trials=2)[0]
    r = stats.pearsonr(*trials).statistic
    assert HalfMoments.of(trials).reliability() == pytest.approx(2 * r / (1 + r), rel=1e-9)


def test_four_trials_are_halved_in_all_three_ways() -> None:
    _, trials = recorded(6, n_trials=4)[0]
    halves = [(first, tuple({*range(4)} - {*first})) for first in combinations(range(4), 2) if 0 in first]
    r = [stats.pearsonr(trials[list(a)].mean(0), trials[list(b)].mean(0)).statistic for a, b in halves]
    found = HalfMoments.of(trials)
    each = (found.ab - found.a * found.b / found.n) / np.sqrt(
        (found.aa - found.a**2 / found.n) * (found.bb - found.b**2 / found.n)
    )
    np.testing.assert_allclose(np.unique(each.round(9)), np.unique(np.round(r, 9)), atol=1e-8)


@pytest.mark.parametrize("n_trials", [2, 3, 4, 7])
def test_split_half_and_signal_power_agree_on_the_reliability(n_trials: int) -> None:
    found = recorded(7, n_trials, n_recordings=60)
    halves = HalfMoments.stacked([HalfMoments.of(t, seed) for seed, (_, t) in enumerate(found)])
    assert halves.weighted(np.ones(60)).reliability() == pytest.approx(float(pooled(found).explainable()), abs=0.02)


def test_a_weight_counts_a_recording_as_often_as_it_says() -> None:
    found = recorded(8)
    twice = pooled([found[0], found[0], found[2]])
    weighted = Moments.stacked([Moments.of_trial_mean(*pair) for pair in found]).weighted(np.array([[2.0, 0, 1, 0]]))
    for name in ("correlation", "explained", "ceiling", "normalised_correlation", "mean_squared_error"):
        np.testing.assert_allclose(getattr(weighted, name)(), [getattr(twice, name)()], rtol=1e-12)


def test_a_ceiling_needs_repeats_and_a_response() -> None:
    predicted, trials = recorded(9)[0]
    assert np.isnan(Moments.of_trial_mean(predicted, trials[:1]).ceiling())
    opposite = np.stack([trials[0], -trials[0]])
    assert np.isnan(Moments.of_trial_mean(predicted, opposite).ceiling())
    assert np.isnan(Moments.of_trial_mean(predicted, opposite).explained())
