"""Which fitted numbers can be trusted: planted agreement, disagreement and bounds are told apart."""

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from stcnn.experiments.parameters import Quantity, parameter_table, per_neuron, quantities
from stcnn.experiments.receptive_field import field_latency_s, field_size_deg
from stcnn.nn.bounds import Bounds
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from tests.support.made_up_training import SMALL_MODEL

Rows = dict[tuple[str, str], SimpleNamespace]
TAUS_S = (0.030, 0.031, 0.033)


@pytest.fixture(scope="module")
def table() -> Rows:
    """Three models: one readout's time constant found alike, one on its bound, the hidden layers as they were drawn."""
    untrained, trained = [], []
    for seed, tau_s in enumerate(TAUS_S):
        torch.manual_seed(seed)
        model = STCNN(ModelConfig.model_validate(SMALL_MODEL), Population(neurons={"lc4": ("1", "2"), "lc11": ("1",)}))
        untrained.append(model.eval())
        fitted = copy.deepcopy(model)
        with torch.no_grad():
            fitted.readouts.each[0].filter.tau_s.fill_(tau_s)
            fitted.readouts.each[1].filter.tau_s.fill_(0.005)
            fitted.calcium.each[0].gain.copy_(torch.tensor([0.0, 1.0]) + 0.01 * seed)
        trained.append(fitted)
    after, before = ([list(quantities(model, Bounds())) for model in each] for each in (trained, untrained))
    found = parameter_table(after, before, regressed=True)
    return {
        (row["quantity"], row["of"]): SimpleNamespace(**{str(k): v for k, v in row.items()})
        for row in found.to_dict("records")
    }


def test_agreement_is_trusted_within_students_interval_of_the_logarithms(table: Rows):
    row = table[("readout time constant", "lc4")]
    logs = np.log(TAUS_S)
    low, high = stats.t.interval(0.95, 2, logs.mean(), logs.std(ddof=1) * np.sqrt(1 + 1 / 3))
    assert row.caution == ""
    assert (row.value, row.low, row.high) == pytest.approx(tuple(np.exp([logs.mean(), low, high])), rel=1e-5)
    assert row.narrowed_to < 0.3


def test_what_sits_on_a_bound_is_flagged(table: Rows):
    assert table[("readout time constant", "lc11")].caution == "on a bound in 3 of 3 models"


def test_what_stayed_as_it_was_drawn_is_not_identified(table: Rows):
    row = table[("median time constant", "hidden layer 1")]
    assert row.caution.startswith("not identified")
    assert (row.matched, row.narrowed_to) == ("rank", pytest.approx(1))


def test_what_never_left_a_common_start_is_flagged(table: Rows):
    assert table[("calcium time constant", "all cell types")].caution == "not told from the value it started with"


def test_what_regression_found_is_not_held_against_its_start(table: Rows):
    assert table[("offset", "lc4/1")].value == 0  # as at the start
    assert table[("offset", "lc4/1")].caution == ""


def test_gains_are_relative_to_their_type_and_only_where_there_are_several(table: Rows):
    gains = {of: row.value for (quantity, of), row in table.items() if quantity == "relative gain"}
    assert list(gains) == ["lc4/1", "lc4/2"]
    assert sum(gains.values()) == pytest.approx(2, abs=1e-3)
    assert per_neuron(pd.DataFrame({"of": ["lc4/1", "lc4"]})).tolist() == [True, False]


@pytest.mark.parametrize(
    ("starts", "narrowed_to", "caution"),
    [
        ((10.0, 20.0, np.nan), 0.1, ""),
        ((20.0, np.nan, np.nan), np.nan, "nothing to compare with: before training fewer than two models had it"),
        ((20.0, 20.5, np.nan), 2.87, "not identified: the models differ about as much as before training"),
    ],
)
def test_what_few_had_before_training_is_compared_with_those(
    starts: tuple[float, ...], narrowed_to: float, caution: str
):
    after, before = (
        [[Quantity("width", "lc4", "deg", "name", value)] for value in each] for each in ((19.0, 20.0, 21.0), starts)
    )
    row = parameter_table(after, before).iloc[0]
    assert row.narrowed_to == pytest.approx(narrowed_to, abs=0.05, nan_ok=True)
    assert row.caution == caution


def test_lags_of_either_sign_are_compared_by_their_differences():
    after, before = (
        [[Quantity("lag", "lc4", "s", "name", value)] for value in each] for each in ((-0.1, 0.1, 0.3), (-1, 1, 2))
    )
    assert parameter_table(after, before).iloc[0].value == pytest.approx(0.1)


def test_size_of_a_planted_field_is_its_width_at_half_power():
    y, x = np.mgrid[-40:41, -40:41]
    sigma_y, sigma_x = 6.0, 12.0
    field = np.exp(-(y**2 / sigma_y**2 + x**2 / sigma_x**2) / 2)[None] * np.array([1.0, -0.5])[:, None, None]
    # the power has sigma / sqrt(2), and full width at half maximum 2 sqrt(2 ln 2) of that
    expected = tuple(2 * np.sqrt(np.log(2)) * sigma for sigma in (sigma_y, sigma_x))
    assert field_size_deg(field, 0.5) == pytest.approx(tuple(0.5 * e for e in expected), abs=0.5)
    assert np.isnan(field_size_deg(np.zeros((2, 5, 5)), 1.0)).all()


@pytest.mark.parametrize("rate_hz", [60.0, 180.0])
def test_the_latency_of_a_receptive_field_is_where_its_power_peaks(rate_hz: float):
    lag_s = (np.arange(round(0.4 * rate_hz)) + 0.5) / rate_hz
    course = np.exp(-((lag_s - 0.071) ** 2) / (2 * 0.02**2))
    field = course[:, None, None] * np.random.default_rng(0).normal(size=(1, 5, 7))
    assert field_latency_s(field, rate_hz) == pytest.approx(0.071, abs=1e-3)
    assert field_latency_s(field[::-1] * 0 + (lag_s < 0.01)[:, None, None], rate_hz) < 0.02
    assert np.isnan(field_latency_s(0 * field, rate_hz))
