"""Timing of the prediction."""

from __future__ import annotations

from stcnn.evaluate.metric import metric
from stcnn.evaluate.sums import Drawn
from stcnn.metrics.moments import Values
from stcnn.metrics.tuning import latency_error_s


@metric("latency_error_s", "plain")
def error_of_latency_s(drawn: Drawn) -> Values:
    """How much later the prediction is than the measurement."""
    return latency_error_s(drawn.sums(drawn.responses.lagged, drawn.n_trials > 0))
