"""Predictions against the response without its noise."""

from __future__ import annotations

from stcnn.evaluate.metric import metric
from stcnn.evaluate.sums import Drawn
from stcnn.metrics.moments import Values


@metric("normalised_correlation", "plain")
def normalised_correlation(drawn: Drawn) -> Values:
    """Correlation with the noise-free response (Schoppe et al. 2016)."""
    return drawn.repeated.normalised_correlation()


@metric("feve", "unexplained")
def feve(drawn: Drawn) -> Values:
    """Fraction of the explainable variance explained (Cadena et al. 2019)."""
    return drawn.repeated.explained()
