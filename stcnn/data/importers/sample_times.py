"""The times of evenly spaced samples, and how many samples a trace may have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import DataError

MOST_SAMPLES = 20_000_000
"""Samples of one trace: 30 Hz for a week, 10 kHz for half an hour. DF/F of it takes two gigabytes while it is made."""


def sample_times(start_s: float, n_samples: int, rate_hz: float, where: object) -> NDArray[np.float64]:
    """Return the times of samples that are evenly spaced, ``(T,)``.

    Args:
        start_s: of the first.
        n_samples: their number T.
        rate_hz: samples per second.
        where: what to call the trace in a message.

    Raises:
        DataError: there are more than :data:`MOST_SAMPLES`.
    """
    require_length(n_samples, where)
    return start_s + np.arange(n_samples) / rate_hz


def require_length(n_samples: int, where: object) -> None:
    """Refuse traces of more than :data:`MOST_SAMPLES` samples, before memory is taken for them.

    Raises:
        DataError: they are longer.
    """
    if n_samples > MOST_SAMPLES:
        raise DataError(
            f"{where} has traces of {n_samples:,} samples",
            expected=f"at most {MOST_SAMPLES:,}",
            remedy="look whether it is damaged; if not, divide it or take fewer samples per second",
        )
