"""Deviance from single trials, by the likelihood of the training."""

from __future__ import annotations

from stcnn.evaluate.metric import metric
from stcnn.evaluate.sums import Drawn
from stcnn.metrics.moments import Values


@metric("deviance_explained", "unexplained")
def deviance_explained(drawn: Drawn) -> Values:
    """Share of the deviance from a constant that the prediction explains."""
    return drawn.sums(drawn.responses.deviance, drawn.n_kept > 0).explained(drawn.responses.likelihood)


@metric("deviance_ceiling", "plain")
def deviance_ceiling(drawn: Drawn) -> Values:
    """Share that the true means would explain of it."""
    return drawn.sums(drawn.responses.deviance, drawn.n_kept > 1).ceiling(drawn.responses.likelihood)
