"""Contrast tuning: a square from black over grey to white."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Curve, Number, Result
from stcnn.experiments.physiology.objects import square
from stcnn.experiments.physiology.tuning_numbers import first_crossing

STEPS = np.array([0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0])
SIGN = {"dark": -1, "bright": 1}


def contrast(bench: Bench) -> Result:
    """Tuning to the contrast of a square of 9 degrees, dark and bright.

    Contrast is Weber's, ``(L - L_grey) / L_grey``. The half-maximal contrast c50 is the one at which the response
    first reaches half of its largest on straight lines between contrasts: that of Naka & Rushton's function
    ``R = R_max c^n / (c^n + c50^n)`` (1966, doi 10.1113/jphysiol.1966.sp008003) where it saturates within the range,
    without its assumption.
    """
    grey = bench.screen.background
    curves: list[Curve] = []
    numbers: list[Number] = []
    left_out: list[str] = []
    for name, sign in SIGN.items():
        steps = STEPS[grey * (1 + sign * STEPS) <= 1 + 1e-9] if sign > 0 else STEPS
        if len(steps) < len(STEPS):
            top = (1 - grey) / grey
            left_out.append(f"Bright squares of a contrast above {top:.3g}: white is brighter than grey by no more.")
            steps = np.append(steps[steps < 0.95 * top], top)
        axis = Axis("weber_contrast", "contrast of a 9° square", "Weber", steps)
        curve, missing = bench.curve(axis, partial(_square, grey, sign), name)
        left_out += missing
        curves.append(curve)
        half = first_crossing(curve.axis.values, curve.values, curve.values.max(-1) / 2)
        numbers.append(Number(f"{name}_c50", f"c50, {name}", "Weber", bench.where_it_responds(half, curve.values)))
    return Result("contrast", curves, numbers=numbers, left_out=left_out)


def _square(grey: float, sign: int, weber: float) -> dict[str, Any]:
    return square(9.0, luminance=min(1.0, max(0.0, grey * (1 + sign * weber))))
