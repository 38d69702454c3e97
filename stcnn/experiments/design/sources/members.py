"""Which of several models is right: they were fitted to the same recordings and differ where these said little.

The true response is taken to be the mean of the members and a sum of their deviations from it, with weights that are
independent and Gaussian, so that its covariance is that of the members:

    r = mean_m r_m + sum_m a_m (r_m - mean) / sqrt(M - 1),   a_m ~ N(0, 1)
"""

from __future__ import annotations

import numpy as np

from stcnn.experiments.design.sources.source import Shown, Told, source


@source("members", "which of the models is right", knows_recorded=True, least_models=2)
def members(shown: Shown, cell_type: str) -> dict[str, Told]:
    """The mean of the members, and their deviations from it, ``(K, M)``."""
    place = shown.asked.cell_types.index(cell_type)
    scale = np.sqrt(len(shown.asked.models) - 1)
    found = {}
    for name, answers in shown.answers.items():
        mine = answers[:, :, place]
        mean = mine.mean(1)
        found[name] = Told(mean, (mine - mean[:, None]) / scale)
    return found
