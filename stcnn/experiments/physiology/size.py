"""Size tuning: dark squares that cross the field."""

from __future__ import annotations

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Number, Result
from stcnn.experiments.physiology.objects import SIDES_DEG, square
from stcnn.experiments.physiology.tuning_numbers import optimum, suppression

SIDES = Axis("side_deg", "side of a dark square", "°", np.array(SIDES_DEG), log=True)


def size(bench: Bench) -> Result:
    """Tuning to the side of a dark square that moves at 100 degrees per second.

    The preferred side is the vertex of the parabola through the best side and its neighbours over the logarithm of the
    side. The suppression index is ``(R_best - R_largest) / R_best`` (DeAngelis et al. 1994,
    doi 10.1152/jn.1994.71.1.347; for these cells Klapoetke et al. 2022, doi 10.1016/j.neuron.2022.02.013).
    """
    curve, left_out = bench.curve(SIDES, square)
    best = optimum(curve.axis.values, curve.values, log=True)
    numbers = [
        Number.preferred(
            "preferred_side_deg", "preferred side", curve.axis, bench.where_it_responds(best, curve.values)
        ),
        Number(
            "size_suppression",
            "suppression index",
            "",
            bench.where_it_responds(suppression(curve.values), curve.values),
        ),
    ]
    return Result("size", [curve], numbers=numbers, left_out=left_out)
