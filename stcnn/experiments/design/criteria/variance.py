"""How much surer predictions become, of the stimuli of the protocol or of those that are aimed at: A-optimality."""

from __future__ import annotations

import numpy as np

from stcnn.experiments.design.criteria.criterion import criterion
from stcnn.experiments.design.gaussian import Array, Gaussian

SOURCE = "Chaloner & Verdinelli 1995, doi 10.1214/ss/1177009939, phi_2, A the mean of X^T X of what is predicted"


@criterion("variance", "tr(A C) - tr(A C')", "noise variances", SOURCE)
def variance(known: Gaussian, rows: Array, predicted: Array) -> Array:
    """By how much the mean variance of the predictions falls, in units of the noise, summed over units, ``(S,)``."""
    seen, inner = known.seen(rows)
    spread = seen @ predicted @ seen.swapaxes(2, 3)
    return np.trace(np.linalg.solve(inner, spread), axis1=2, axis2=3).sum(1)
