"""Direction tuning: a small square and a long bar in eight directions."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Curve, Number, Result
from stcnn.experiments.physiology.objects import rectangle
from stcnn.experiments.physiology.tuning_numbers import vector_sum

DIRECTIONS = Axis("direction_deg", "direction of motion", "°", np.arange(0.0, 360.0, 45.0))
LEAST_DSI = 0.05
"""Below it no direction counts as preferred."""
OBJECTS = {"square": (9.0, 9.0), "bar": (4.5, 60.0)}
"""Width along the motion and height across it, in degrees."""


def _moving(sides_deg: tuple[float, float], direction_deg: float) -> dict[str, Any]:
    return rectangle(*sides_deg, direction_deg=direction_deg)


def direction(bench: Bench) -> Result:
    """Tuning to the direction in which a dark square of 9 degrees and a bar of 4.5 by 60 degrees move.

    The direction selectivity index is the length of the vector sum, ``DSI = |sum R exp(i theta)| / sum R``, the
    preferred direction its angle, 0 rightward and 90 upward (none below a DSI of 0.05); the orientation selectivity
    index is the same of ``2 theta`` (Mazurek, Kager & Van Hooser 2014, doi 10.3389/fncir.2014.00092).
    """
    curves: list[Curve] = []
    numbers: list[Number] = []
    left_out: list[str] = []
    for name, sides_deg in OBJECTS.items():
        curve, missing = bench.curve(DIRECTIONS, partial(_moving, sides_deg), name)
        left_out += missing
        if len(curve.axis.values) < len(DIRECTIONS.values):
            continue  # a vector sum needs the whole circle
        curves.append(curve)
        selectivity, preferred = vector_sum(curve.axis.values, curve.values)
        preferred = np.where(selectivity >= LEAST_DSI, preferred, np.nan)
        orientation, _ = vector_sum(curve.axis.values, curve.values, fold=2)
        found = {
            "dsi": ("DSI", "", selectivity),
            "preferred_direction_deg": ("preferred direction", "°", preferred),
            "osi": ("OSI", "", orientation),
        }
        numbers += [
            Number(
                *(f"{name}_{key}", f"{title}, {name}", unit, bench.where_it_responds(values, curve.values)),
                circular=key == "preferred_direction_deg",
            )
            for key, (title, unit, values) in found.items()
        ]
    return Result("direction", curves, numbers=numbers, left_out=left_out)
