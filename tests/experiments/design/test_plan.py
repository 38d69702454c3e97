"""Greedy orders: the best single stimulus first, onsets that add up, and within the time."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from stcnn.errors import ConfigError
from stcnn.experiments.design import Candidates, Rig, known_criterion, plan
from stcnn.experiments.design.gaussian import Gaussian, compressed
from stcnn.experiments.design.schedule import schedule

INFORMATION = known_criterion("information")


def offered(seed: int = 0, n: int = 6) -> Candidates:
    rng = np.random.default_rng(seed)
    matrices = tuple(rng.standard_normal((5, 4)) * rng.uniform(0.1, 1) for _ in range(n))
    names = tuple("abcdefgh"[:n])
    rows = compressed(matrices)[:, None]
    return Candidates(
        names, rng.uniform(0.5, 3, n), ("lc11",), np.ones(1), ((np.zeros(5),) * n,), (matrices,), rows, 10.0
    )


def bits(candidates: Candidates, names: tuple[str, ...]) -> float:
    """Of some stimuli together, by one determinant."""
    products = [candidates.features[0][candidates.number(name)] for name in names]
    return 0.5 * math.log2(np.linalg.det(np.eye(4) + sum(x.T @ x for x in products)))


@pytest.mark.parametrize("seed", range(5))
def test_the_first_choice_is_the_best_of_all_single_ones(seed: int) -> None:
    found = offered(seed)
    first = plan(found, INFORMATION, Rig(grey_s=0.5, most_times=1))[0]
    rates = {name: bits(found, (name,)) / (found.duration_s[i] + 0.5) for i, name in enumerate(found.names)}
    assert first.stimulus == max(rates, key=lambda name: rates[name])
    assert first.gain == pytest.approx(bits(found, (first.stimulus,)))


@pytest.mark.parametrize("seed", range(5))
def test_greedy_choices_of_equal_cost_come_close_to_the_best_ones(seed: int) -> None:
    found = replace(offered(seed), duration_s=np.ones(6))
    chosen = plan(found, INFORMATION, Rig(minutes=3 / 60, grey_s=0, most_times=1))
    assert len(chosen) == 3
    best = max(bits(found, names) for names in itertools.combinations(found.names, 3))
    reached = bits(found, tuple(one.stimulus for one in chosen))
    assert sum(one.gain for one in chosen) == pytest.approx(reached)
    assert (1 - 1 / math.e) * best <= reached <= best + 1e-9


def test_onsets_follow_each_other_within_the_time() -> None:
    found = offered()
    rig = Rig(minutes=0.5, grey_s=0.7, most_times=3)
    chosen = plan(found, INFORMATION, rig)
    table = schedule(chosen, rig, INFORMATION)
    assert table.onset_s.iloc[0] == 0.7
    ends = table.onset_s + table.duration_s + table.grey_after_s
    np.testing.assert_allclose(table.onset_s.iloc[1:], ends.iloc[:-1])
    assert ends.iloc[-1] <= 30
    assert ends.iloc[-1] + found.duration_s.min() + 0.7 > 30 or (table.stimulus.value_counts() == 3).all()
    assert table.stimulus.value_counts().max() <= 3
    assert table.cumulative_gain.iloc[-1] == pytest.approx(table.gain.sum())
    np.testing.assert_allclose(table.gain_per_minute, 60 * table.gain / (table.duration_s + 0.7))


def test_the_seed_orders_what_is_worth_the_same() -> None:
    one = offered(n=1)
    same = Candidates(
        tuple("abcdef"),
        np.repeat(one.duration_s, 6),
        one.units,
        one.noise_dff,
        (one.expected[0] * 6,),
        (one.features[0] * 6,),
        np.repeat(one.rows, 6, 0),
        10.0,
    )
    first = {plan(same, INFORMATION, Rig(), seed)[0].stimulus for seed in range(20)}
    assert len(first) > 1
    assert plan(same, INFORMATION, Rig(), 3) == plan(same, INFORMATION, Rig(), 3)


def test_an_aim_changes_what_surer_predictions_are_of() -> None:
    found = offered()
    aim = found.only(["f"])
    np.testing.assert_allclose(aim.predicted[0], found.features[0][5].T @ found.features[0][5] / 5)
    rig = Rig(minutes=0.1, most_times=1)
    (wished, *_) = plan(found, known_criterion("variance"), rig, aim=aim)
    products = [x.T @ x for x in found.features[0]]
    fall = [np.trace(aim.predicted[0] @ (np.eye(4) - np.linalg.inv(np.eye(4) + p))) for p in products]
    assert wished.gain == pytest.approx(fall[found.number(wished.stimulus)])
    assert wished.stimulus == found.names[int(np.argmax(np.array(fall) / (found.duration_s + rig.grey_s)))]


def test_what_was_recorded_counts() -> None:
    found = offered()
    first = plan(found, INFORMATION, Rig(most_times=1))[0]
    known = found.known_after({first.stimulus: {"lc11": 100.0}})
    then = plan(found, INFORMATION, Rig(most_times=1), known=known)
    assert then[0].stimulus != first.stimulus
    products = found.features[0][found.number(first.stimulus)]
    expected = np.linalg.inv(np.eye(4) + 100 * products.T @ products)
    np.testing.assert_allclose(found.known_after({first.stimulus: {"lc11": 100.0}}).covariance[0], expected, atol=1e-9)
    assert isinstance(known, Gaussian)


def test_too_little_time_is_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"0.01 minutes are too short for any stimulus: '.' takes"):
        plan(offered(), INFORMATION, Rig(minutes=0.01))


def test_an_unknown_criterion_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'variance'"):
        known_criterion("varience")
