"""A metric is added as its page says: one file and one line, and its own test passes."""

from stcnn.evaluate.metric import METRICS
from tests.support.developing_page import page_run


def test_the_page_adds_a_metric_with_its_interval():
    assert "concordance" not in METRICS
    with page_run("metric", METRICS) as page:
        page["test_an_offset_costs_what_the_formula_says"]()


def test_metrics_are_in_the_order_of_the_columns():
    assert list(METRICS)[:3] == ["single_trial_correlation", "single_trial_signal_share", "single_trial_mse_dff2"]
    assert list(METRICS)[-1] == "deviance_ceiling"
