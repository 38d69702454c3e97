"""Predictions against the mean of the trials."""

from __future__ import annotations

from stcnn.evaluate.metric import metric
from stcnn.evaluate.sums import Drawn
from stcnn.metrics.moments import Values


@metric("trial_mean_correlation", "fisher")
def trial_mean_correlation(drawn: Drawn) -> Values:
    """Correlation with the mean of the trials."""
    return drawn.trial_mean.correlation()


@metric("trial_mean_signal_share", "log_odds")
def trial_mean_signal_share(drawn: Drawn) -> Values:
    """Share of the variance of the mean of the trials that is signal."""
    return drawn.repeated_trial_mean.explainable()


@metric("trial_mean_mse_dff2", "inverse_root")
def trial_mean_mse_dff2(drawn: Drawn) -> Values:
    """Mean squared error against the mean of the trials."""
    return drawn.trial_mean.mean_squared_error()
