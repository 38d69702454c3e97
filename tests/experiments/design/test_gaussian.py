"""What stimuli would add, against determinants and inverses of the whole problem."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stcnn.experiments.design.criteria import CRITERIA, worth_of
from stcnn.experiments.design.gaussian import Array, Gaussian, by_rank, compressed

N_UNITS, N_UNKNOWN = 2, 4


def stimuli(seed: int, n: int = 5, rows: int = 3) -> Array:
    return np.random.default_rng(seed).standard_normal((n, N_UNITS, rows, N_UNKNOWN))


def precision(shown: list[Array]) -> Array:
    """Of the whole problem at once: the identity and the sum of all products."""
    return np.eye(N_UNKNOWN) + sum((rows.swapaxes(1, 2) @ rows for rows in shown), np.zeros((N_UNITS, 1, 1)))


def after(shown: list[Array]) -> Gaussian:
    known = Gaussian.prior(N_UNITS, N_UNKNOWN)
    for rows in shown:
        known.learn(rows)
    return known


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 5))
def test_learning_is_the_inverse_of_the_summed_precision_in_any_order(seed: int, n: int) -> None:
    shown = list(stimuli(seed)[:n])
    expected = np.linalg.inv(precision(shown))
    np.testing.assert_allclose(after(shown).covariance, expected, atol=1e-8)
    np.testing.assert_allclose(after(shown[::-1]).covariance, expected, atol=1e-8)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 4))
def test_information_is_the_log_ratio_of_determinants(seed: int, n: int) -> None:
    offered = stimuli(seed)
    shown = list(offered[:n])
    found = CRITERIA["information"].worth(after(shown), offered, np.eye(N_UNKNOWN))
    for rows, bits in zip(offered, found, strict=True):
        grown = np.linalg.det(precision([*shown, rows])) / np.linalg.det(precision(shown))
        assert bits == pytest.approx(0.5 * np.log2(grown).sum(), rel=1e-6)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 4))
def test_variance_is_what_the_predictions_lose(seed: int, n: int) -> None:
    offered = stimuli(seed)
    shown = list(offered[:n])
    asked = np.stack([x.T @ x / 7 for x in np.random.default_rng(seed + 1).standard_normal((N_UNITS, 7, N_UNKNOWN))])
    found = CRITERIA["variance"].worth(after(shown), offered, asked)
    for rows, fall in zip(offered, found, strict=True):
        before, then = (np.linalg.inv(precision(which)) for which in (shown, [*shown, rows]))
        assert fall == pytest.approx(np.trace(asked @ (before - then), axis1=1, axis2=2).sum(), rel=1e-6)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_stimulus_tells_less_after_another(seed: int) -> None:
    offered = stimuli(seed)
    worth = CRITERIA["information"].worth
    first = worth(after([]), offered, np.eye(N_UNKNOWN))
    then = worth(after([offered[0]]), offered, np.eye(N_UNKNOWN))
    assert (then <= first + 1e-9).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_few_rows_tell_what_many_did(seed: int) -> None:
    rng = np.random.default_rng(seed)
    many = [rng.standard_normal((n, 2)) @ rng.standard_normal((2, N_UNKNOWN)) for n in (1, 6, 20)]
    few = compressed([*many, np.zeros((3, N_UNKNOWN))])
    assert few.shape == (4, 2, N_UNKNOWN)
    for x, r in zip([*many, np.zeros((3, N_UNKNOWN))], few, strict=True):
        np.testing.assert_allclose(r.T @ r, x.T @ x, atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1), ranks=st.lists(st.integers(0, 6), min_size=1, max_size=8))
def test_groups_of_like_rank_are_worth_what_all_together_are(seed: int, ranks: list[int]) -> None:
    offered = stimuli(seed, len(ranks), 6)
    for rows, rank in zip(offered, ranks, strict=True):
        rows[:, rank:] = 0
    groups = by_rank(offered)
    assert sorted(np.concatenate([places for places, _ in groups])) == list(range(len(ranks)))
    for criterion in CRITERIA.values():
        together = criterion.worth(after([]), offered, np.eye(N_UNKNOWN))
        np.testing.assert_allclose(worth_of(criterion, after([]), groups, np.eye(N_UNKNOWN)), together, atol=1e-12)
