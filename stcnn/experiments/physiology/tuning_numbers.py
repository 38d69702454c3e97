"""Numbers that sum up a tuning curve: its optimum, where it crosses a level, and how directed it is.

Axes: ``...`` any leading axes, V value of a parameter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Values = NDArray[np.float64]
FINER = 20
"""Points of an interpolated curve to a step between its values."""
LEAST_SHARE = 0.02
"""Share of a cell type's largest response to anything shown below which it counts as none."""


def optimum(x: Values, y: Values, log: bool = False) -> Values:
    """Return where a curve is largest: the vertex of the parabola through the best value and its neighbours.

    Args:
        x: values of the parameter ``(V,)``, rising.
        y: responses ``(..., V)``.
        log: whether the parabola is drawn over the logarithm of x.

    Returns:
        ``(...)``; the first or last value where that is the best; NaN where nothing responds, or there is no value.
    """
    if len(x) == 0:
        return np.full(y.shape[:-1], np.nan)
    place = y.argmax(-1)
    at = np.log(x) if log else np.asarray(x, float)
    found = at[place]
    if len(x) > 2:
        inner = np.clip(place, 1, len(x) - 2)
        (x0, x1, x2) = (at[inner + step] for step in (-1, 0, 1))
        (y0, y1, y2) = (np.take_along_axis(y, (inner + step)[..., None], -1)[..., 0] for step in (-1, 0, 1))
        left = (x1 - x0) * (y1 - y2)
        right = (x1 - x2) * (y1 - y0)
        with np.errstate(invalid="ignore", divide="ignore"):
            vertex = x1 - 0.5 * ((x1 - x0) * left - (x1 - x2) * right) / (left - right)
        use = (place == inner) & np.isfinite(vertex)
        found = np.where(use, np.clip(vertex, x0, x2), found)
    return np.where(y.max(-1) > 0, np.exp(found) if log else found, np.nan)


def first_crossing(x: Values, y: Values, level: Values) -> Values:
    """Return where curves first reach a level, on straight lines between values.

    Args:
        x: ``(V,)``, rising.
        y: ``(..., V)``.
        level: ``(...)``.

    Returns:
        ``(...)``; NaN where a level is not reached; the first value where a curve begins above it.
    """
    above = y >= level[..., None]
    place = above.argmax(-1)
    before = np.maximum(place - 1, 0)
    (y0, y1) = (np.take_along_axis(y, at[..., None], -1)[..., 0] for at in (before, place))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(y1 > y0, (level - y0) / (y1 - y0), 0.0)
    found = x[before] + share * (x[place] - x[before])
    return np.where(above.any(-1), found, np.nan)


def full_width(x: Values, y: Values) -> Values:
    """Return how wide curves are at half of their largest value, on a cubic spline through the values.

    The spline finds the width of a Gaussian from values one standard deviation apart within 2 %.

    Args:
        x: ``(V,)``, rising.
        y: responses above zero, ``(..., V)``.

    Returns:
        Distance of the first crossings of that level to either side of the largest value, ``(...)``; NaN where a curve
        does not fall below it on both sides, or nothing responds (also where responses are NaN).
    """
    found = np.full(y.shape[:-1], np.nan)
    fine = np.linspace(x[0], x[-1], FINER * (len(x) - 1) + 1)
    for place in np.ndindex(found.shape):
        if not np.isfinite(y[place]).all():
            continue
        curve = CubicSpline(x, y[place])(fine)
        half = curve.max() / 2
        best = int(curve.argmax())
        left = np.flatnonzero(curve[:best] < half)
        right = np.flatnonzero(curve[best:] < half)
        if half > 0 and len(left) and len(right):
            low = int(left[-1])
            high = best + int(right[0])
            start, stop = (np.interp(half, curve[ends], fine[ends]) for ends in ([low, low + 1], [high, high - 1]))
            found[place] = stop - start
    return found


def vector_sum(angle_deg: Values, y: Values, fold: int = 1) -> tuple[Values, Values]:
    """Return length and angle of the vector sum of responses, ``L = |sum R exp(i f angle)| / sum R``.

    For directions (fold 1) the length is the direction selectivity index, for orientations (fold 2) that of
    orientation: 0 for equal responses, 1 for a response to one alone; one minus the circular variance (Batschelet 1981;
    Mazurek, Kager & Van Hooser 2014, doi 10.3389/fncir.2014.00092).

    Args:
        angle_deg: evenly spaced over the circle, ``(V,)``.
        y: responses, not negative, ``(..., V)``.
        fold: 1 for directions, 2 for orientations.

    Returns:
        Length 0..1 and preferred angle (0..360 by fold), both ``(...)``; NaN where nothing responds.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        total = (y * np.exp(1j * fold * np.radians(angle_deg))).sum(-1) / y.sum(-1)
    angle = np.degrees(np.angle(total)) % 360 / fold
    return np.abs(total), np.where(np.isfinite(total), angle, np.nan)


def contrast_of(one: Values, other: Values) -> Values:
    """Return ``(one - other) / (one + other)``, from -1 to 1; NaN where both are zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((one - other) / (one + other))


def suppression(y: Values) -> Values:
    """Return the suppression index of curves ``(..., V)``, ``(largest - last) / largest``: 0 none, 1 complete.

    The last value is that of the largest stimulus (as in DeAngelis, Freeman & Ohzawa 1994,
    doi 10.1152/jn.1994.71.1.347); NaN where nothing responds.
    """
    if y.shape[-1] == 0:
        return np.full(y.shape[:-1], np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((y.max(-1) - y[..., -1]) / y.max(-1))


def correlation_along(x: Values, y: Values) -> Values:
    """Return Pearson's correlation of curves ``(..., V)`` over their values; NaN where one is constant."""
    (dx, dy) = (values - values.mean(-1, keepdims=True) for values in (x, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((dx * dy).sum(-1) / np.sqrt((dx * dx).sum(-1) * (dy * dy).sum(-1)))
