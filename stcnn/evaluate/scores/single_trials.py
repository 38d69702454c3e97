"""Predictions against each trial."""

from __future__ import annotations

from stcnn.evaluate.metric import metric
from stcnn.evaluate.sums import Drawn
from stcnn.metrics.moments import Values


@metric("single_trial_correlation", "fisher")
def single_trial_correlation(drawn: Drawn) -> Values:
    """Correlation with single trials."""
    return drawn.single_trials.correlation()


@metric("single_trial_signal_share", "log_odds")
def single_trial_signal_share(drawn: Drawn) -> Values:
    """Share of the variance of single trials that repeats have in common."""
    return drawn.repeated_single_trials.explainable()


@metric("single_trial_mse_dff2", "inverse_root")
def single_trial_mse_dff2(drawn: Drawn) -> Values:
    """Mean squared error against single trials."""
    return drawn.single_trials.mean_squared_error()
