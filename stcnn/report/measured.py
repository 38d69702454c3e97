"""Measured responses to each stimulus, the predicted ones beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stcnn.data.dataset import Dataset
from stcnn.viz.traces import StimulusResponse


def measured_responses(
    dataset: Dataset, cell_type: str, predicted: pd.DataFrame | None = None
) -> dict[str, StimulusResponse]:
    """Return what the neurons of a cell type responded to each stimulus, in the order of the data set.

    Args:
        dataset: recordings; those of a stimulus are laid on the times of the first of them.
        cell_type: whose neurons.
        predicted: ``stimulus``, ``cell_type``, ``time_s``, ``dff`` of the average neuron, as
            :func:`stcnn.experiments.respond` returns them; a stimulus that is not in it goes without.

    Returns:
        Stimulus to its response, for :func:`stcnn.viz.traces.response_grid`; NaN where a neuron was not recorded.
    """
    found = {}
    of_type = dataset.table[dataset.table.cell_type == cell_type]
    for stimulus, rows in of_type.groupby("stimulus", sort=False):
        recordings = [dataset.recordings[item] for item in rows.index]
        time_s = recordings[0].time_s
        traces = [np.interp(time_s, one.time_s, one.trace, left=np.nan, right=np.nan) for one in recordings]
        model = _predicted(predicted, cell_type, str(stimulus), time_s)
        found[str(stimulus)] = StimulusResponse(str(stimulus), time_s, model, np.array(traces))
    return found


def _predicted(table: pd.DataFrame | None, cell_type: str, stimulus: str, time_s: np.ndarray) -> np.ndarray | None:
    if table is None:
        return None
    rows = table[(table.cell_type == cell_type) & (table.stimulus == stimulus)]
    return np.interp(time_s, rows.time_s, rows.dff, left=np.nan, right=np.nan) if len(rows) else None
