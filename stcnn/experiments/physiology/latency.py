"""Latency and time course of the answer to flashes."""

from __future__ import annotations

import numpy as np

from stcnn.experiments.physiology.bench import Bench, peak_dff
from stcnn.experiments.physiology.curves import Axis, Curve, Number, Result
from stcnn.experiments.physiology.subject import Answer, Values
from stcnn.experiments.physiology.tuning_numbers import first_crossing

FLASHES = {
    "dark 5°": {"patch_deg": 5.0, "luminance": 0.0},
    "dark 15°": {"patch_deg": 15.0, "luminance": 0.0},
    "dark 45°": {"patch_deg": 45.0, "luminance": 0.0},
    "bright 15°": {"patch_deg": 15.0, "luminance": 1.0},
}
"""Discs that flash for half a second."""
SHARE = 0.5
"""Share of its peak that a response has when it counts as begun."""
STEP_S = 1 / 60
"""Of the time courses in the table."""


def latency(bench: Bench) -> Result:
    """Time from the onset of a flash to half of the peak, and the time course.

    Dark discs of 5, 15 and 45 degrees and a bright one of 15 degrees flash for half a second in the middle. The latency
    is the time at which the response first reaches half of its peak above grey (a threshold at a share of the peak does
    not depend on the strength of the response), between frames by straight lines, a frame standing for its middle: of
    the activity, which lacks the delay of the indicator, and of dF/F. Of each cell type it is that of its strongest
    flash.
    """
    stimuli = [{"kind": "flash", "duration_s": 0.5, **flash} for flash in FLASHES.values()]
    answers = [bench.answer(stimulus) for stimulus in stimuli]
    peaks = np.stack([peak_dff(answer) for answer in answers], -1)
    best = peaks.argmax(-1)[..., None]
    numbers = []
    for name, title, field in (
        ("latency_s", "latency of the activity", "activity"),
        ("dff_latency_s", "latency of dF/F", "dff"),
    ):
        each = np.stack([half_rise_s(answer, getattr(answer, field)) for answer in answers], -1)
        strongest = np.take_along_axis(each, best, -1)[..., 0]
        numbers.append(Number(name, title, "s", bench.where_it_responds(strongest, peaks)))
    curves = [_course(name, answer) for name, answer in zip(FLASHES, answers, strict=True)]
    return Result("latency", curves, numbers=numbers)


def half_rise_s(answer: Answer, traces: Values) -> Values:
    """Return the time from onset at which traces ``(M, N, T)`` first reach half of their peak above grey, ``(M, N)``.

    Between frames by straight lines, a frame standing for its middle; NaN where nothing rises after the onset, or a
    trace is that high before it.
    """
    rest = traces[..., 0]
    frame_s = answer.time_s[1] - answer.time_s[0]
    peak = traces[..., answer.time_s >= 0].max(-1)
    from_onset = answer.time_s > -1.5 * frame_s  # with the frame before, from which the first rise is counted
    level = rest + SHARE * (peak - rest)
    rising = traces[..., from_onset]
    found = first_crossing(answer.time_s[from_onset], rising, level)
    return np.where(rising[..., 0] < level, found + frame_s / 2, np.nan)


def _course(name: str, answer: Answer) -> Curve:
    """Return dF/F above grey over time, in steps of :data:`STEP_S`."""
    time_s = np.arange(-0.1, answer.time_s[-1], STEP_S)
    above = answer.dff - answer.dff[..., :1]
    place = np.searchsorted(answer.time_s, time_s + 1e-9, side="right") - 1
    axis = Axis("time_s", "time from onset", "s", np.round(time_s, 4).astype(float))
    return Curve(name, axis, above[..., np.maximum(place, 0)], "dF/F above grey")
