"""Scores of each neuron by itself, averaged."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stcnn.evaluate.metric import metric
from stcnn.evaluate.sums import Drawn
from stcnn.metrics.moments import Values


@metric("neuron_correlation", "fisher")
def neuron_correlation(drawn: Drawn) -> Values:
    """Mean over neurons of the correlation with the mean of their trials."""
    group = drawn.group
    counts = drawn.counts
    if group.unit == "stimulus":
        return np.full(len(counts), np.nan)
    mean = drawn.n_trials > 1
    neuron = pd.factorize(drawn.table.neuron.to_numpy(object)[mean])[0]
    if not len(neuron):
        return np.full(len(counts), np.nan)
    unit = group.units[mean][np.unique(neuron, return_index=True)[1]]  # of each neuron
    r = drawn.responses.trial_mean.take(group.rows[mean]).weighted(np.eye(len(unit))[neuron].T).correlation()
    of_unit = np.eye(group.n_units)[unit].T * np.isfinite(r)
    with np.errstate(invalid="ignore"):
        return np.asarray(counts @ (of_unit @ np.nan_to_num(r)) / (counts @ of_unit.sum(1)))
