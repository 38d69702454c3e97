"""Invariance: whether size tuning stays when something else about the squares changes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.curves import Axis, Number, Result
from stcnn.experiments.physiology.objects import SPEED_DEG_S, square
from stcnn.experiments.physiology.tuning_numbers import correlation_along

SIDES = Axis("side_deg", "side of a square", "°", np.array([3.0, 4.5, 9.0, 15.0, 30.0]), log=True)
AWAY_DEG = 8.0


def conditions(grey: float) -> dict[str, Mapping[str, Any]]:
    """Return what changes: its name to the arguments that differ from a dark square that moves rightward."""
    return {
        "reference": {},
        "bright": {"luminance": grey + min(grey, 1 - grey)},
        "half contrast": {"luminance": grey / 2},
        "leftward": {"direction_deg": 180.0},
        "half speed": {"speed_deg_s": SPEED_DEG_S / 2},
        f"{AWAY_DEG:g}° higher": {"elevation_deg": AWAY_DEG},
    }


def invariance(bench: Bench) -> Result:
    """Size tuning of squares that are bright, of half contrast, move leftward or half as fast, or pass 8° higher.

    The correlation is Pearson's over sides with the curve of dark squares of full contrast that move rightward at 100
    degrees per second through the middle: 1 where the shape of the tuning stays, whatever its height. The ratio is that
    of the largest responses. (Tolerance of tuning to other changes, as in Rust & DiCarlo 2010,
    doi 10.1523/JNEUROSCI.0179-10.2010.)
    """
    curves = []
    left_out: list[str] = []
    for name, change in conditions(bench.screen.background).items():
        curve, missing = bench.curve(SIDES, partial(_changed, change), name)
        curves.append(curve)
        left_out += [sentence for sentence in missing if sentence not in left_out]
    reference = curves[0]
    numbers = []
    for curve in curves[1:]:
        same = curve.values.shape == reference.values.shape and curve.values.shape[-1] > 2
        r = correlation_along(reference.values, curve.values) if same else np.full(bench.shape, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = curve.values.max(-1, initial=0) / reference.values.max(-1, initial=0)
        for kind, title, values in (("r", "r with reference", r), ("ratio", "response / reference", ratio)):
            key = curve.series.replace("° ", "_deg_").replace(" ", "_")
            number = bench.where_it_responds(values, reference.values)
            numbers.append(Number(f"{key}_{kind}", f"{curve.series}: {title}", "", number))
    return Result("invariance", curves, numbers=numbers, left_out=left_out)


def _changed(change: Mapping[str, Any], side_deg: float) -> dict[str, Any]:
    return square(side_deg, **change)
