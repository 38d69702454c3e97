"""Intervals against Student's, and how often they hold a truth that is known."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from stcnn.metrics import Moments, bootstrap_counts, interval
from stcnn.metrics.intervals import SCALES, Scale


def test_every_draw_has_as_many_units_as_there_are_and_the_same_seed_gives_the_same() -> None:
    counts = bootstrap_counts(7, 500, seed=3)
    assert counts.shape == (500, 7)
    assert (counts.sum(1) == 7).all()
    assert np.array_equal(counts, bootstrap_counts(7, 500, seed=3))
    assert not np.array_equal(counts, bootstrap_counts(7, 500, seed=4))


@pytest.mark.parametrize("n_units", [6, 12, 40])
def test_of_a_mean_it_is_the_interval_of_student(n_units: int) -> None:
    values = np.random.default_rng(0).normal(size=n_units)
    draws = bootstrap_counts(n_units, 20_000) @ values / n_units
    found = interval(values.mean(), draws, n_units)
    expected = stats.t.interval(0.95, n_units - 1, values.mean(), stats.sem(values))
    np.testing.assert_allclose(found, expected, atol=0.04 * np.ptp(expected))


def test_a_correlation_keeps_its_interval_within_one() -> None:
    draws = np.tanh(np.random.default_rng(1).normal(2.5, 1, 2000))
    low, high = interval(float(np.tanh(2.5)), draws, 5, "fisher")
    assert -1 < low < np.tanh(2.5) < high < 1


@pytest.mark.parametrize(
    ("scale", "score"),
    [("arcsine", 0.8), ("fisher", -0.3), ("inverse_root", 0.04), ("log_odds", 0.6), ("unexplained", 1.02)],
)
def test_scales_go_back_where_they_came_from_and_keep_the_score_within_its_interval(scale: Scale, score: float) -> None:
    forth, back = SCALES[scale]
    values = np.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(back(forth(values)), values)
    assert (np.diff(forth(values)) > 0).all()
    low, high = interval(score, score + 0.01 * np.random.default_rng(2).normal(size=2000), 8, scale)
    assert score - 0.05 < low < score < high < score + 0.05


def test_the_interval_of_an_error_is_open_where_one_unit_makes_all_of_it() -> None:
    errors = np.array([0.01, 0.01, 0.01, 0.01, 4.0])
    low, high = interval(errors.mean(), bootstrap_counts(5) @ errors / 5, 5, "inverse_root")
    assert 0 < low < errors.mean()
    assert high == np.inf


def test_a_share_that_may_be_nothing_has_an_interval_about_nothing() -> None:
    draws = np.random.default_rng(3).normal(0.02, 0.1, 2000)
    assert interval(0.02, draws, 8, "log_odds") == interval(0.02, draws, 8, "fisher")


def test_there_is_no_interval_of_one_unit_of_no_score_or_of_mostly_undefined_draws() -> None:
    draws = np.linspace(0, 1, 1000)
    assert np.isnan(interval(0.5, draws, 1)).all()
    assert np.isnan(interval(np.nan, draws, 5)).all()
    assert np.isnan(interval(0.5, np.where(draws < 0.1, np.nan, draws), 5)).all()


def _neurons(n_neurons: int, rng: np.random.Generator) -> Moments:
    """Sums of neurons that differ in gain, noise and tuning, three trials of four stimuli, and one model for all."""
    course = np.exp(-0.5 * ((np.arange(30) / 20 - 0.7) / 0.2) ** 2)
    predicted = np.broadcast_to(np.outer(np.linspace(0, 1, 4), course), (n_neurons, 4, 30))
    gain = rng.lognormal(0, 0.25, (n_neurons, 1)) * rng.lognormal(0, 0.15, (n_neurons, 4)) * np.linspace(0.3, 1, 4)
    noise = 0.3 * rng.lognormal(0, 0.2, (n_neurons, 1, 1, 1)) * rng.standard_normal((n_neurons, 4, 3, 30))
    trials = gain[..., None, None] * course + noise + 0.1 * rng.standard_normal((n_neurons, 4, 3, 1))
    mean, last_two = trials.mean(2), (1, 2)
    return Moments(
        n=np.full(n_neurons, 120.0),
        x=predicted.sum(last_two),
        xx=(predicted**2).sum(last_two),
        y=mean.sum(last_two),
        yy=(mean**2).sum(last_two),
        xy=(predicted * mean).sum(last_two),
        noise=trials.var(2, ddof=1).sum(last_two) / 3,
        level_noise=trials.sum(3).var(2, ddof=1).sum(1) / 3,
    )


@pytest.mark.parametrize("n_neurons", [5, 12])
def test_intervals_of_few_neurons_hold_the_truth_in_95_of_100_experiments(n_neurons: int) -> None:
    """200 experiments; benchmarks/coverage.py does the same with whole evaluations and more of them."""
    scores: dict[str, tuple[Callable[[Moments], np.ndarray], Scale]] = {
        "correlation": (Moments.correlation, "fisher"),
        "error": (Moments.mean_squared_error, "inverse_root"),
        "explained": (Moments.explained, "unexplained"),
        "share": (Moments.explainable, "log_odds"),
    }
    whole = _neurons(20_000, np.random.default_rng(0)).weighted(np.ones(20_000))
    held: dict[str, list[bool]] = {name: [] for name in scores}
    for number in range(200):
        each = _neurons(n_neurons, np.random.default_rng([1, number]))
        drawn = each.weighted(bootstrap_counts(n_neurons, seed=number))
        for name, (of, scale) in scores.items():
            low, high = interval(float(of(each.weighted(np.ones(n_neurons)))), of(drawn), n_neurons, scale)
            held[name].append(bool(low <= of(whole) <= high))
    found = {name: np.mean(hits) for name, hits in held.items()}
    assert all(0.92 <= share <= 0.98 for share in found.values()), found
