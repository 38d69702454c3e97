"""The closed loop: sums of what came in give the weights of a ridge regression, and the choice heeds them."""

from dataclasses import replace

import numpy as np
import pytest

from stcnn.errors import ConfigError, ShapeError
from stcnn.experiments.design import ClosedLoop, known_criterion
from stcnn.experiments.design.gaussian import Array
from stcnn.metrics.regression import CORRELATION_S
from tests.experiments.design.test_plan import offered

NOISE = 0.2


def loop(criterion: str = "information") -> ClosedLoop:
    candidates = replace(offered(), noise_dff=np.array([NOISE]))
    return ClosedLoop(candidates, known_criterion(criterion))


def traces(wanted: ClosedLoop, seed: int = 1) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal(4)
    features = wanted.candidates.features[0]
    return {
        name: NOISE * (x @ weights + 0.1 * rng.standard_normal(len(x)))
        for name, x in zip(wanted.candidates.names, features, strict=True)
    }


def test_predictions_are_those_of_ridge_regression() -> None:
    mine = loop()
    told = traces(mine)
    for name in ("b", "e", "a"):
        mine.tell(name, {"lc11": told[name]})
    x = np.concatenate([mine.candidates.features[0][mine.candidates.number(name)] for name in "bea"])
    y = np.concatenate([told[name] for name in "bea"])
    thinned = 1 / (mine.candidates.sample_hz * CORRELATION_S)
    weights = np.linalg.solve(np.eye(4) / (mine.ratio[0] * thinned) + x.T @ x, x.T @ y)
    np.testing.assert_allclose(mine.predict("d")["lc11"], mine.candidates.features[0][3] @ weights, rtol=1e-8)


def test_what_was_expected_is_taken_off_and_added_again() -> None:
    plain = loop()
    shifted = tuple(np.full(5, float(i)) for i in range(6))
    mine = ClosedLoop(replace(plain.candidates, expected=(shifted,)), known_criterion("information"))
    told = traces(plain)
    plain.tell("b", {"lc11": told["b"]})
    mine.tell("b", {"lc11": told["b"] + NOISE * shifted[1]})
    np.testing.assert_allclose(mine.predict("d")["lc11"], plain.predict("d")["lc11"] + NOISE * 3)


def test_the_order_in_which_traces_came_does_not_matter() -> None:
    one, other = loop(), loop()
    told = traces(one)
    for name in "abc":
        one.tell(name, {"lc11": told[name]})
    for name in "cab":
        other.tell(name, {"lc11": told[name]})
    np.testing.assert_allclose(one.worth(), other.worth())
    assert one.next() == other.next()


def test_what_was_not_recorded_says_nothing() -> None:
    some, cut = loop(), loop()
    told = traces(some)["a"]
    some.tell("a", {"lc11": np.where(np.arange(len(told)) < 3, told, np.nan)})
    cut.tell("a", {"lc11": told[:3]})
    np.testing.assert_allclose(some.weights(), cut.weights())
    none = loop()
    none.tell("a", {})
    np.testing.assert_allclose(none.weights(), 0)


@pytest.mark.parametrize("criterion", ["information", "variance"])
def test_the_loop_goes_through_all_stimuli_and_then_says_so(criterion: str) -> None:
    mine = loop(criterion)
    told = traces(mine)
    shown = []
    for _ in mine.candidates.names:
        shown.append(mine.next())
        mine.tell(shown[-1], {"lc11": told[shown[-1]]})
    assert sorted(shown) == list(mine.candidates.names)
    with pytest.raises(ConfigError, match="all 6 stimuli were shown 1 times"):
        mine.next()


def test_the_evidence_finds_noise_and_size_of_the_weights() -> None:
    mine = loop()
    x = np.random.default_rng(0).standard_normal((4000, 4))
    candidates = replace(mine.candidates, features=((x,) * 6,), expected=((np.zeros(len(x)),) * 6,))
    for size in (0.1, 4.0):
        found = ClosedLoop(candidates, known_criterion("information"), most_times=9)
        rng = np.random.default_rng(2)
        found.tell("a", {"lc11": NOISE * (x @ (size * rng.standard_normal(4)) + 0.5 * rng.standard_normal(len(x)))})
        assert found.noise[0] == pytest.approx(0.25, rel=0.15)
        assert size**2 / 0.25 / 8 < found.ratio[0] < size**2 / 0.25 * 8


@pytest.mark.parametrize(
    ("name", "trace", "error", "sentence"),
    [
        ("z", {"lc11": [0.0]}, ConfigError, "has no stimulus 'z'"),
        ("a", {"lc18": [0.0]}, ConfigError, "has no unit 'lc18', expected lc11"),
        ("a", {"lc11": np.zeros(6)}, ShapeError, r"has shape \(6,\), expected \(5,\) or fewer samples"),
        ("a", {"lc11": np.zeros((1, 5))}, ShapeError, "or fewer samples"),
    ],
)
def test_what_cannot_be_told_is_a_sentence(
    name: str, trace: dict[str, Array], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        loop().tell(name, trace)
