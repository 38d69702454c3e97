"""Of which known types a neuron is a mix: its answer is that of the trained cell types, each with a weight.

A new neuron is taken to answer like several cell types that the models know, as far as it does:

    r = sum_mi w_mi r_mi / sqrt(M),   w_mi ~ N(0, 1)

with the answers ``r_mi`` of every type ``i`` as each of M models predicts them. Those are far fewer unknown numbers
than a readout has, and what trained readouts take of the last maps is known beforehand: few stimuli settle them. What
no known type does, no mix can do.
"""

from __future__ import annotations

import numpy as np

from stcnn.experiments.design.sources.source import Shown, Told, source


@source("types", "of which known cell types it is a mix", knows_recorded=False)
def types(shown: Shown, cell_type: str) -> dict[str, Told]:
    """The answers of all cell types by all models, ``(K, M N)``, whichever type is asked about."""
    scale = np.sqrt(len(shown.asked.models))
    return {
        name: Told(np.zeros(len(each)), each.reshape(len(each), -1) / scale) for name, each in shown.answers.items()
    }
