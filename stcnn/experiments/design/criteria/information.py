"""Information about the unknown numbers: Bayesian D-optimality, submodular, so that greedy choices are good ones."""

from __future__ import annotations

import numpy as np

from stcnn.experiments.design.criteria.criterion import criterion
from stcnn.experiments.design.gaussian import Array, Gaussian

SOURCE = (
    "Chaloner & Verdinelli 1995, doi 10.1214/ss/1177009939; "
    "for neurons Lewi et al. 2009, doi 10.1162/neco.2008.08-07-594"
)


@criterion("information", "1/2 log2 det(I + X C X^T)", "bits", SOURCE)
def information(known: Gaussian, rows: Array, predicted: Array) -> Array:
    """Bits that stimuli bring, summed over units, ``(S,)``."""
    _, inner = known.seen(rows)
    return 0.5 * np.linalg.slogdet(inner)[1].sum(1) / np.log(2)
