"""What two-photon imaging makes of noise-free fluorescence: volumes, noise, drift, and gains that vary by trial."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Array = NDArray[np.floating[Any]]


class Imaging(BaseModel):
    """How recordings are taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    volume_rate_hz: float = Field(default=10.0, gt=0)
    """Volumes per second (Klapoetke et al. 2022: 5.6 or more; single planes: 10 to 30); traces are interpolated."""
    noise_scale: float = Field(default=1.0, ge=0)
    """Factor on the noise of every cell type, which the table of types gives; 0 for none."""
    correlated_fraction: float = Field(default=0.3, ge=0, le=1)
    """Part of the noise variance that lasts from volume to volume (movement of the brain, spontaneous activity)."""
    correlation_tau_s: float = Field(default=0.5, gt=0)
    drift_dff_s: float = Field(default=0.005, ge=0)
    """Standard deviation of the slope of a trial's baseline, in dF/F per second."""
    trial_gain_cv: float = Field(default=0.15, ge=0)
    """Coefficient of variation of the gain that all cells of an animal share in a trial (Turner et al. 2022,
    eLife 11:e82587, describe the shared gain; its size is chosen)."""


def record(dff: Array, noise_dff: Array, time_s: Array, imaging: Imaging, rng: np.random.Generator) -> Array:
    """One trial of simultaneous recordings.

    Photon noise grows with the square root of fluorescence; correlated noise is an Ornstein-Uhlenbeck process.

    Args:
        dff: noise-free dF/F of the trial, ``(N, T)``.
        noise_dff: standard deviation of the noise of a volume at rest, ``(N,)``.
        time_s: of the samples ``(T,)``.
        imaging: how it is recorded.
        rng: source of randomness.

    Returns:
        ``(N, T)``, interpolated from the volumes to the times of the samples.
    """
    step_s = 1 / imaging.volume_rate_hz
    first_s = time_s[0] - rng.uniform(0, step_s)
    volumes_s = first_s + step_s * np.arange(int(np.ceil((time_s[-1] - first_s) / step_s)) + 1)
    seen = _interpolated(volumes_s, time_s, dff)
    sigma = imaging.noise_scale * noise_dff[:, None]
    photon = np.sqrt((1 - imaging.correlated_fraction) * np.maximum(1 + seen, 0)) * rng.standard_normal(seen.shape)
    lasting = _ornstein_uhlenbeck(seen.shape, step_s / imaging.correlation_tau_s, rng)
    drift = imaging.drift_dff_s * rng.standard_normal((len(dff), 1)) * (volumes_s - volumes_s.mean())
    return _interpolated(
        time_s, volumes_s, seen + sigma * (photon + np.sqrt(imaging.correlated_fraction) * lasting) + drift
    )


def _interpolated(at_s: Array, time_s: Array, values: Array) -> Array:
    """Rows of ``values`` at other times, linearly."""
    return np.stack([np.interp(at_s, time_s, row) for row in values])


def _ornstein_uhlenbeck(shape: tuple[int, ...], step: float, rng: np.random.Generator) -> Array:
    """Stationary process of unit variance along the last axis; ``step`` in units of its time constant."""
    a = np.exp(-step)
    innovations = rng.standard_normal(shape)
    process = np.empty(shape)
    process[:, 0] = innovations[:, 0]
    for t in range(1, shape[1]):
        process[:, t] = a * process[:, t - 1] + np.sqrt(1 - a * a) * innovations[:, t]
    return process
