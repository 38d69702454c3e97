"""From raw fluorescence to dF/F: neuropil subtraction, baseline, division.

    F_c = F - neuropil_factor * F_neu        dF/F = (F_c - F0) / F0

F0 follows slow drifts without following responses: F_c is smoothed with a Gaussian, then the running minimum is
taken over a window longer than any response, then the running maximum of that over the same window ("maximin", the
default baseline of Suite2p: Pachitariu et al. 2017, doi 10.1101/061507). ``percentile`` takes one low percentile of
the whole trace, for short recordings without drift.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy import ndimage

from stcnn.errors import DataError


class DffConfig(BaseModel):
    """How dF/F is made from raw fluorescence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    baseline: Literal["maximin", "percentile", "none"] = "maximin"
    """``none``: the traces are dF/F already."""
    neuropil_factor: float = Field(default=0.7, ge=0, le=1)
    """Share of the neuropil that is subtracted; 0.7 is the default of Suite2p."""
    smoothing_s: float = Field(default=1.0, gt=0)
    """Standard deviation of the Gaussian before the minimum is taken."""
    window_s: float = Field(default=60.0, gt=0)
    """Window of minimum and maximum; longer than the longest response."""
    percentile: float = Field(default=10.0, ge=0, le=100)


def delta_f_over_f(
    fluorescence: NDArray, neuropil: NDArray | None, rate_hz: float, config: DffConfig, where: str
) -> NDArray[np.float32]:
    """DF/F of one neuron, ``(T,)``.

    Args:
        fluorescence: raw fluorescence, ``(T,)``.
        neuropil: that of the surrounding neuropil, ``(T,)``, or None.
        rate_hz: samples per second.
        config: method and its parameters.
        where: what to call the trace in a message.

    Raises:
        DataError: the baseline is not positive, so that a division by it means nothing.
    """
    if config.baseline == "none":
        return np.asarray(fluorescence, np.float32)
    corrected = np.asarray(fluorescence, np.float64)
    if neuropil is not None:
        corrected = corrected - config.neuropil_factor * np.asarray(neuropil, np.float64)
    if config.baseline == "percentile":
        baseline = np.full_like(corrected, np.nanpercentile(corrected, config.percentile))
    else:
        window = max(1, round(config.window_s * rate_hz))
        smooth = ndimage.gaussian_filter1d(corrected, config.smoothing_s * rate_hz)
        baseline = ndimage.maximum_filter1d(ndimage.minimum_filter1d(smooth, window), window)
    if baseline.min() <= 0:
        raise DataError(
            f"{where} has a baseline fluorescence of {baseline.min():.4g}",
            expected="a positive baseline to divide by",
            remedy="lower dff.neuropil_factor, or set dff.baseline to none if the traces are dF/F already",
        )
    return ((corrected - baseline) / baseline).astype(np.float32)
