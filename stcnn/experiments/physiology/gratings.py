"""Tuning to the spatial and temporal frequency of gratings."""

from __future__ import annotations

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Number, Result
from stcnn.experiments.physiology.tuning_numbers import optimum

PERIODS = Axis("period_deg", "period of a grating", "°", np.array([8.0, 14.0, 24.0, 42.0]), log=True)
FREQUENCIES = Axis("frequency_hz", "temporal frequency", "Hz", np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0]), log=True)


def gratings(bench: Bench) -> Result:
    """Response to sine gratings of full contrast that drift rightward for 1.5 seconds, by period and frequency.

    The preferred period and frequency are the vertices of parabolas through the best pair and its neighbours on either
    axis, over logarithms. A preferred speed shows as a diagonal of the map, a preferred frequency as a row (Creamer,
    Mano & Clark 2018, doi 10.1016/j.neuron.2018.11.014).
    """
    mean = min(0.5, bench.screen.background)
    fixed = {"kind": "drifting_grating", "waveform": "sine", "contrast": 1.0, "duration_s": 1.5, "mean_luminance": mean}
    found, left_out = bench.map(
        PERIODS, FREQUENCIES, lambda period, frequency: {**fixed, "period_deg": period, "frequency_hz": frequency}
    )
    peaks = np.nan_to_num(found.values, nan=-np.inf)
    by_period = peaks.max(-2)
    by_frequency = peaks.max(-1)
    seen = (np.isfinite(by_period).all((0, 1)), np.isfinite(by_frequency).all((0, 1)))
    best_deg = optimum(PERIODS.values[seen[0]], by_period[..., seen[0]], log=True)
    best_hz = optimum(FREQUENCIES.values[seen[1]], by_frequency[..., seen[1]], log=True)
    numbers = [
        Number.preferred(
            "preferred_period_deg", "preferred period", PERIODS, bench.where_it_responds(best_deg, by_period)
        ),
        Number.preferred(
            "preferred_drift_hz", "preferred frequency", FREQUENCIES, bench.where_it_responds(best_hz, by_frequency)
        ),
    ]
    return Result("gratings", maps=[found], numbers=numbers, left_out=left_out)
