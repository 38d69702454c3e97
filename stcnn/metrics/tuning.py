"""Whether a prediction has the right strength for each stimulus, and the right timing.

Axes: U unit (such as a neuron), M stimulus, S sample, L lag; ``...`` stands for any leading axes.
"""

from __future__ import annotations

import numpy as np

from stcnn.metrics.moments import Moments, Values

LAGS_S: Values = np.linspace(-0.5, 0.5, 41)
"""Delays at which prediction and measurement are compared."""


def tuning_similarity(predicted: Values, measured: Values, count: Values) -> Values:
    """Pearson correlation across stimuli of predicted and measured peak responses.

    Args:
        predicted: sum over recordings of the largest predicted dF/F, ``(..., M)``.
        measured: sum over recordings of the largest measured dF/F, ``(..., M)``.
        count: number of recordings of each stimulus, ``(..., M)``; the mean peak is a point of the tuning curve.

    Returns:
        ``(...)``; NaN for fewer than three stimuli, of which any two values are perfectly correlated.
    """
    shown = count > 0
    n = shown.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = (np.where(shown, peaks / count, 0) for peaks in (predicted, measured))
        dx, dy = (np.where(shown, values - (values.sum(-1) / n)[..., None], 0) for values in (x, y))
        r = (dx * dy).sum(-1) / np.sqrt((dx * dx).sum(-1) * (dy * dy).sum(-1))
    return np.where(n >= 3, r, np.nan)


def lagged_moments(time_s: Values, predicted: Values, measured: Values) -> Moments:
    """Sums over samples ``(S,)`` of a measurement and of the prediction as it would be at each of :data:`LAGS_S`.

    The prediction is joined by straight lines. Samples where it would have to be known from before its first or after
    its last one are left out, so that long delays are not at a disadvantage.

    Returns:
        Sums ``(L,)``, without those of the noise.
    """
    at_s = time_s + LAGS_S[:, None]
    known = (at_s >= time_s[0]) & (at_s <= time_s[-1])
    x = np.where(known, np.interp(at_s, time_s, predicted), 0)
    y = np.where(known, measured, 0)
    sums = (known.sum(1), x.sum(1), (x * x).sum(1), y.sum(1), (y * y).sum(1), (x * y).sum(1))
    return Moments(*(total.astype(float) for total in sums), *np.zeros((2, len(LAGS_S))))


def latency_error_s(lagged: Moments) -> Values:
    """How much later the prediction is than the measurement, in seconds: the lag at which they are correlated best.

    The peak of the cross-correlation is placed between lags by a parabola.

    Args:
        lagged: sums ``(..., L)``, see :func:`lagged_moments`.

    Returns:
        ``(...)``; NaN where the best lag is the first or the last, or nothing is correlated.
    """
    r = np.nan_to_num(lagged.correlation(), nan=-1)
    place = r.argmax(-1)
    inner = np.clip(place, 1, len(LAGS_S) - 2)[..., None]
    before, best, after = (np.take_along_axis(r, inner + step, -1)[..., 0] for step in (-1, 0, 1))
    bend = before - 2 * best + after
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = np.where(bend < 0, 0.5 * (before - after) / bend, 0)
    lag_s = LAGS_S[inner[..., 0]] + offset * (LAGS_S[1] - LAGS_S[0])
    return np.where((best > 0) & (place == inner[..., 0]), lag_s, np.nan)
