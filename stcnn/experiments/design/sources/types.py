"""Of which known types a neuron is a mix: its answer is that of the trained cell types, each with a weight.

A new neuron is taken to answer like several cell types that the models know, as far as it does:

    r = sum_i w_i r_i,   w_i ~ N(0, 1)

with the answers ``r_i`` of all types, the mean over models. That is far fewer unknown numbers than a readout has, and
what the trained readouts do with the last maps is known beforehand: few stimuli settle it. What no known type does, no
mix can do.
"""

from __future__ import annotations

import numpy as np

from stcnn.experiments.design.sources.source import Shown, Told, source


@source("types", "of which known cell types it is a mix", knows_recorded=False)
def types(shown: Shown, cell_type: str) -> dict[str, Told]:
    """The answers of all cell types, ``(K, N)``, whichever is asked about."""
    return {name: Told(np.zeros(len(each)), each.mean(1)) for name, each in shown.answers.items()}
