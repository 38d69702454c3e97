"""Adaptation: to a stimulus that comes again, and to one that stays."""

from __future__ import annotations

from typing import Any

import numpy as np

from stcnn.experiments.physiology.bench import Bench, rise
from stcnn.experiments.physiology.curves import Axis, Curve, Number, Result
from stcnn.experiments.physiology.objects import LOOM, square
from stcnn.experiments.physiology.subject import Values

TIMES = 6
STANDS_S = 3.0
LATE_S = 0.5
"""End of what stands, whose mean counts as late."""
ORDER = Axis("presentation", "presentation", "", np.arange(1.0, TIMES + 1))


def adaptation(bench: Bench) -> Result:
    """Response to a stimulus that comes six times, and to a disc that stays.

    A dark square of 9 degrees crosses the middle once a second, a dark disc looms with r/v of 40 ms every two seconds.
    What counts is the peak of the activity above grey, which the slow decay of the indicator does not add up. The index
    is ``1 - R_6 / R_1``: 0 for equal responses, 1 when the last is gone, negative for facilitation. Of a dark disc of
    15 degrees that stands for three seconds, transience is ``1 - R_late / R_peak`` with the mean activity of the last
    half second.
    """
    passing = square(9.0, start_deg=-20.0, stop_deg=20.0, timing={"after_s": 0.6})
    loom = {
        **{"kind": "looming_disc", "start_deg": 5.0, "end_deg": 60.0, "r_over_v_s": LOOM, "luminance": 0.0},
        "timing": {"after_s": 1.1},
    }
    curves = []
    numbers = []
    for name, part in (("square", passing), ("loom", loom)):
        values = _each_time(bench, part)
        curves.append(Curve(name, ORDER, values, "peak activity above grey (own unit)"))
        with np.errstate(invalid="ignore", divide="ignore"):
            index = np.where(values[..., 0] > 0, 1 - values[..., -1] / values[..., 0], np.nan)
        responds = bench.read([{"kind": "sequence", "parts": [part]}])
        numbers.append(
            Number(f"{name}_adaptation", f"adaptation, {name}", "", bench.where_it_responds(index, responds))
        )
    numbers.append(_transience(bench))
    return Result("adaptation", curves, numbers=numbers)


def _each_time(bench: Bench, part: dict[str, Any]) -> Values:
    """Return the peak activity of each presentation, ``(M, N, V)``."""
    answer = bench.answer({"kind": "sequence", "parts": [part] * TIMES})
    once = bench.answer({"kind": "sequence", "parts": [part]})
    period_s = (len(answer.time_s) - len(once.time_s)) / (TIMES - 1) / bench.screen.rate_hz
    rest = answer.activity[..., :1]
    number = np.floor(np.round(answer.time_s / period_s, 9))
    peaks = [(answer.activity[..., number == each] - rest).max(-1) for each in range(TIMES)]
    return np.maximum(np.stack(peaks, -1), 0)


def _transience(bench: Bench) -> Number:
    answer = bench.answer({"kind": "flash", "patch_deg": 15.0, "luminance": 0.0, "duration_s": STANDS_S})
    stands = (answer.time_s >= 0) & (answer.time_s < STANDS_S)
    late = stands & (answer.time_s >= STANDS_S - LATE_S)
    rest = answer.activity[..., 0]
    peak = answer.activity[..., stands].max(-1) - rest
    with np.errstate(invalid="ignore", divide="ignore"):
        index = np.where(peak > 0, 1 - (answer.activity[..., late].mean(-1) - rest) / peak, np.nan)
    responds = rise(answer.dff)[..., None]
    return Number("transience", "transience of a standing disc", "", bench.where_it_responds(index, responds))
