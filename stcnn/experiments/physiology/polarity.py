"""ON against OFF: bright and dark squares."""

from __future__ import annotations

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Number, Result
from stcnn.experiments.physiology.objects import square
from stcnn.experiments.physiology.tuning_numbers import contrast_of

SIDES = Axis("side_deg", "side of a square", "°", np.array([4.5, 9.0, 15.0, 30.0, 60.0]), log=True)


def polarity(bench: Bench) -> Result:
    """Responses to bright and dark squares of the same contrast.

    The index is ``(ON - OFF) / (ON + OFF)`` of the largest responses over sides: -1 to darkness alone, 1 to brightness
    alone. Both differ from grey by as much, by what white does or black does, whichever is less.
    """
    grey = bench.screen.background
    step = min(grey, 1 - grey)
    off, left_out = bench.curve(SIDES, lambda side: square(side, luminance=grey - step), "dark")
    on, _ = bench.curve(SIDES, lambda side: square(side, luminance=grey + step), "bright")
    best_on, best_off = (curve.values.max(-1, initial=0) for curve in (on, off))
    index = bench.where_it_responds(contrast_of(best_on, best_off), np.stack([best_on, best_off], -1))
    return Result("polarity", [off, on], numbers=[Number("on_off_index", "ON–OFF index", "", index)], left_out=left_out)
