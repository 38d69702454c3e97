"""Speed tuning: dark squares of 9 degrees."""

from __future__ import annotations

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Number, Result
from stcnn.experiments.physiology.objects import square
from stcnn.experiments.physiology.tuning_numbers import optimum

SPEEDS = Axis("speed_deg_s", "speed of a dark 9° square", "°/s", np.array([12.5, 25, 50, 100, 200, 400, 800]), log=True)


def speed(bench: Bench) -> Result:
    """Tuning to the speed of a dark square of 9 degrees.

    The preferred speed is the vertex of the parabola through the best speed and its neighbours over the logarithm of
    the speed. Speeds are octaves around those of Klapoetke et al. 2022 (doi 10.1016/j.neuron.2022.02.013).
    """
    curve, left_out = bench.curve(SPEEDS, lambda value: square(9.0, speed_deg_s=value))
    best = bench.where_it_responds(optimum(curve.axis.values, curve.values, log=True), curve.values)
    number = Number.preferred("preferred_speed_deg_s", "preferred speed", curve.axis, best)
    return Result("speed", [curve], numbers=[number], left_out=left_out)
