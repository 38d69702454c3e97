"""Peaks of the predicted and the measured responses across stimuli."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stcnn.evaluate.metric import metric
from stcnn.evaluate.sums import Drawn
from stcnn.metrics.moments import Values
from stcnn.metrics.tuning import tuning_similarity


@metric("tuning_similarity", "arcsine")
def similarity_of_tuning(drawn: Drawn) -> Values:
    """Correlation across stimuli of predicted and measured peaks."""
    table = drawn.table
    stimulus, names = pd.factorize(table.stimulus.to_numpy(object))
    shown = np.eye(len(names))[stimulus]
    columns = (table.predicted_peak_dff.to_numpy(), table.peak_dff.to_numpy(), np.ones(len(table)))
    return tuning_similarity(*(drawn.counts @ (drawn.group.member @ (column[:, None] * shown)) for column in columns))
