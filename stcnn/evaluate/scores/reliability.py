"""How well halves of the trials agree."""

from __future__ import annotations

from stcnn.evaluate.metric import metric
from stcnn.evaluate.sums import Drawn
from stcnn.metrics.moments import Values


@metric("split_half_reliability", "log_odds")
def split_half_reliability(drawn: Drawn) -> Values:
    """Reliability of the mean of all trials, from halves of them."""
    return drawn.sums(drawn.responses.halves, drawn.n_kept > 1).reliability()
