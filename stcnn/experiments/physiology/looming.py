"""Looming: the speed of approach, and the angular size at which a neuron responds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Curve, Number, Result
from stcnn.experiments.physiology.objects import disc
from stcnn.experiments.physiology.subject import Answer, Values
from stcnn.experiments.physiology.tuning_numbers import first_crossing, optimum

APPROACHES = Axis(
    "r_over_v_s", "r/v of a dark looming disc", "s", np.array([0.005, 0.01, 0.02, 0.04, 0.08, 0.12, 0.16]), log=True
)
SHARE = 0.5
"""Share of its peak that a response has when it counts as begun."""
LEAST_RISE = 0.1
"""Share of its largest activity by which a cell type must rise while the disc expands."""
LEAST_APPROACHES = 3
"""Speeds of approach that a line needs."""


def looming(bench: Bench) -> Result:
    """Tuning to the speed of approach, and the threshold in angular size.

    A disc of radius r approaches with velocity v, so that it is ``theta(t) = 2 atan((r/v) / t)`` wide a time t before
    collision (Gabbiani, Krapp & Laurent 1999, doi 10.1523/JNEUROSCI.19-03-01122.1999). The response begins when the
    activity, which lacks the delay of the indicator, has risen by half of its peak above grey. A neuron that waits for
    an angle ``theta`` and answers a delay later begins its answer ``t = a (r/v) - delay`` before collision with
    ``theta = 2 atan(1/a)``: a line through the times gives both. The curve beside it is the angle at the moment of the
    response itself, delay included.
    """
    curve, left_out = bench.curve(APPROACHES, disc)
    rv_s = curve.axis.values
    half_s = [_until_collision_s(bench.answer(stimulus), stimulus) for stimulus in curve.stimuli]
    times_s = np.stack(half_s, -1) if half_s else np.empty((*bench.shape, 0))
    angle = Curve("", curve.axis, _angle_deg(rv_s, times_s), "angle at half of the rise (°)", curve.stimuli)
    slope, delay_s, explained = line(rv_s, times_s)
    threshold_deg = np.degrees(2 * np.arctan(1 / slope))
    best_s = np.where(np.isfinite(times_s).any(-1), optimum(rv_s, curve.values, log=True), np.nan)
    numbers = [
        Number.preferred("preferred_r_over_v_s", "preferred r/v", curve.axis, best_s),
        Number("size_threshold_deg", "threshold in size", "°", np.where(slope > 0, threshold_deg, np.nan)),
        Number("loom_delay_s", "delay", "s", delay_s),
        Number("line_r2", "R² of the line", "", explained),
    ]
    numbers = [replace(each, values=bench.where_it_responds(each.values, curve.values)) for each in numbers]
    return Result("looming", [curve, angle], numbers=numbers, left_out=left_out)


def _until_collision_s(answer: Answer, stimulus: Mapping[str, Any]) -> Values:
    """Return the time from half of the rise of the activity to collision, ``(M, N)``, negative after it.

    Only what rises from the beginning of the expansion on counts, not the answer to the disc that appears half a second
    before; NaN where that is less than :data:`LEAST_RISE` of the largest activity.
    """
    stands_s = stimulus["timing"]["hold_first_s"]
    expanding = answer.time_s >= stands_s
    activity = answer.activity[..., expanding]
    start = activity[..., 0]
    risen = activity.max(-1) - start
    since_s = first_crossing(answer.time_s[expanding], activity, start + SHARE * risen) - stands_s
    whole_s = stimulus["r_over_v_s"] / math.tan(math.radians(stimulus["start_deg"]) / 2)
    enough = risen >= LEAST_RISE * (answer.activity.max(-1) - answer.activity[..., 0])
    return np.where(enough & (risen > 0), whole_s - since_s, np.nan)


def _angle_deg(rv_s: Values, until_s: Values) -> Values:
    """Return the width of a disc some time before collision, between the first and the last that is shown."""
    left_s = np.clip(until_s, rv_s / math.tan(math.radians(30)), rv_s / math.tan(math.radians(2.5)))
    return np.asarray(np.degrees(2 * np.arctan(rv_s / left_s)))


def line(rv_s: Values, until_s: Values) -> tuple[Values, Values, Values]:
    """Return slope, delay in seconds and explained share of variance of ``until = slope r/v - delay``, each ``(M, N)``.

    Speeds of approach without a time are left out; NaN with fewer than :data:`LEAST_APPROACHES` others.
    """
    known = np.isfinite(until_s)
    n = known.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = (np.where(known, values, 0.0) for values in (rv_s, until_s))
        x_mean, y_mean = (values.sum(-1) / n for values in (x, y))
        dx, dy = (np.where(known, v - mean[..., None], 0.0) for v, mean in ((rv_s, x_mean), (until_s, y_mean)))
        slope = (dx * dy).sum(-1) / (dx * dx).sum(-1)
        explained = 1 - ((dy - slope[..., None] * dx) ** 2).sum(-1) / (dy * dy).sum(-1)
    found = (slope, slope * x_mean - y_mean, explained)
    return tuple(np.where(n >= LEAST_APPROACHES, each, np.nan) for each in found)  # type: ignore[return-value]
