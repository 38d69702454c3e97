"""Whether a prediction has the right strength for each stimulus, and the right timing.

Axes: R recording, S sample, L lag; ``...`` stands for any leading axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from stcnn.metrics.moments import Values

MOST_LAG_S = 0.5
"""Longest delay that is looked for."""
LAGS_S: Values = np.linspace(-MOST_LAG_S, MOST_LAG_S, 201)
"""Delays at which cross-correlations of recordings of any rate are added up, every 5 ms."""


def tuning_similarity(predicted: Values, measured: Values, stimulus: NDArray[np.integer], weights: Values) -> Values:
    """Pearson correlation across stimuli of predicted and measured peak responses.

    Peaks to one stimulus are averaged over recordings first, as in a tuning curve of a cell type.

    Args:
        predicted: largest predicted dF/F of each recording, ``(R,)``.
        measured: largest measured dF/F of each recording, ``(R,)``.
        stimulus: number of its stimulus, ``(R,)``, from 0.
        weights: how often each recording counts, ``(..., R)``.

    Returns:
        ``(...)``; NaN for fewer than three stimuli, of which any two values are perfectly correlated.
    """
    shown = np.eye(int(stimulus.max()) + 1)[stimulus]
    count = weights @ shown
    present = count > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = (np.where(present, weights @ (peaks[:, None] * shown) / count, 0) for peaks in (predicted, measured))
        n = present.sum(-1)
        dx, dy = (np.where(present, values - (values.sum(-1) / n)[..., None], 0) for values in (x, y))
        r = (dx * dy).sum(-1) / np.sqrt((dx * dx).sum(-1) * (dy * dy).sum(-1))
    return np.where(n >= 3, r, np.nan)


def cross_covariance(predicted: Values, measured: Values, rate_hz: float) -> Values:
    """Cross-covariance of a predicted and a measured trace ``(S,)`` at :data:`LAGS_S`, ``(L,)``, summed over samples.

    A prediction that comes late has its largest value at a positive lag.
    """
    x, y = predicted - predicted.mean(), measured - measured.mean()
    products = signal.correlate(x, y, mode="full")
    lags_s = signal.correlation_lags(len(x), len(y)) / rate_hz
    return np.interp(LAGS_S, lags_s, products, left=0, right=0)


def latency_error_s(covariance: Values) -> Values:
    """How much later the prediction is than the measurement, in seconds: the peak of the cross-covariance ``(..., L)``.

    The peak is placed between lags by a parabola. NaN where it is at either end, or nothing is correlated.
    """
    place = covariance.argmax(-1)
    inner = np.clip(place, 1, len(LAGS_S) - 2)[..., None]
    before, peak, after = (np.take_along_axis(covariance, inner + step, -1)[..., 0] for step in (-1, 0, 1))
    bend = before - 2 * peak + after
    with np.errstate(invalid="ignore", divide="ignore"):
        offset = np.where(bend < 0, 0.5 * (before - after) / bend, 0)
    lag_s = LAGS_S[inner[..., 0]] + offset * (LAGS_S[1] - LAGS_S[0])
    return np.where((peak > 0) & (place == inner[..., 0]), lag_s, np.nan)
