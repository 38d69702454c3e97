"""Suppression by the surround, across and along the motion."""

from __future__ import annotations

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Number, Result
from stcnn.experiments.physiology.objects import rectangle
from stcnn.experiments.physiology.tuning_numbers import optimum, suppression

LENGTHS = np.array([2.0, 4.5, 9.0, 15.0, 30.0, 45.0, 60.0, 80.0])
THIN_DEG = 4.5
HEIGHTS = Axis("height_deg", "side that grows", "°", LENGTHS, log=True)
WIDTHS = Axis("width_deg", "side that grows", "°", LENGTHS, log=True)


def surround(bench: Bench) -> Result:
    """Responses to a dark rectangle that grows across its motion (height) or along it (width), else 4.5 degrees.

    The suppression index is ``(R_best - R_longest) / R_best`` (DeAngelis, Freeman & Ohzawa 1994,
    doi 10.1152/jn.1994.71.1.347), of each side; LC11 and LC18 lose more than 0.9 of their response by height
    (Klapoetke et al. 2022, doi 10.1016/j.neuron.2022.02.013).
    """
    high, left_out = bench.curve(HEIGHTS, lambda value: rectangle(THIN_DEG, value), "height")
    wide, _ = bench.curve(WIDTHS, lambda value: rectangle(value, THIN_DEG), "width")
    numbers = []
    for curve in (high, wide):
        index = bench.where_it_responds(suppression(curve.values), curve.values)
        best = bench.where_it_responds(optimum(curve.axis.values, curve.values, log=True), curve.values)
        numbers.append(Number(f"{curve.series}_suppression", f"suppression by {curve.series}", "", index))
        numbers.append(Number.preferred(f"preferred_{curve.series}_deg", f"preferred {curve.series}", curve.axis, best))
    return Result("surround", [high, wide], numbers=numbers, left_out=left_out)
