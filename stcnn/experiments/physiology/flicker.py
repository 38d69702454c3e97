"""Tuning to the frequency of flicker."""

from __future__ import annotations

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Number, Result
from stcnn.experiments.physiology.tuning_numbers import optimum

FREQUENCIES = Axis(
    "frequency_hz", "frequency of a 15° disc that flickers", "Hz", np.array([0.5, 1, 2, 4, 8, 15, 30, 60]), log=True
)


def flicker(bench: Bench) -> Result:
    """Tuning to the frequency of a disc of 15 degrees that flickers between black and white for two seconds.

    The preferred frequency is the vertex of the parabola through the best frequency and its neighbours over the
    logarithm of the frequency. Discs of this size drive LC18 (Klapoetke et al. 2022,
    doi 10.1016/j.neuron.2022.02.013).
    """
    fixed = {"kind": "flicker", "patch_deg": 15.0, "contrast": 1.0, "duration_s": 2.0}
    mean = min(0.5, bench.screen.background)
    curve, left_out = bench.curve(FREQUENCIES, lambda value: {**fixed, "mean_luminance": mean, "frequency_hz": value})
    best = bench.where_it_responds(optimum(curve.axis.values, curve.values, log=True), curve.values)
    number = Number.preferred("preferred_flicker_hz", "preferred frequency", curve.axis, best)
    return Result("flicker", [curve], numbers=[number], left_out=left_out)
