"""Two-photon imaging of noise-free fluorescence: samples, noise, drift, and gains that vary by trial."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stcnn.validation import Config

Array = NDArray[np.floating[Any]]


class Imaging(Config):
    """How recordings are taken."""

    volume_rate_hz: float = Field(default=10.0, ge=0.1, le=1000)
    """Samples per second (volumes in Klapoetke et al. 2022: 5.6 or more; single planes: 10 to 30)."""
    exposure_s: float = Field(default=0.03, ge=0, le=10)
    """Time over which the light of a sample is collected, at most the time between samples."""
    clock: Literal["movie", "imaging"] = "movie"
    """Whether traces are interpolated to the frames of the movie, as published, or keep their own time stamps."""
    noise_scale: float = Field(default=1.0, ge=0)
    """Factor on the noise of every cell type, which the table of types gives; 0 for none."""
    correlated_fraction: float = Field(default=0.3, ge=0, le=1)
    """Part of the noise variance that lasts from sample to sample (the brain moves, cells are active of themselves)."""
    correlation_tau_s: float = Field(default=0.5, gt=0)
    """How long the lasting part of the noise lasts."""
    drift_dff_s: float = Field(default=0.005, ge=0)
    """Standard deviation of the slope of a trial's baseline, in dF/F per second."""
    trial_gain_cv: float = Field(default=0.15, ge=0)
    """Coefficient of variation of the gain that all cells of an animal share in a trial (Turner et al. 2022,
    doi 10.7554/eLife.82587, describe such a gain; its size is chosen)."""


def sample_times(start_s: float, stop_s: float, imaging: Imaging, phase: float) -> Array:
    """Middle of the exposure of each sample, ``(S,)``: all whose exposure lies within ``start_s``..``stop_s``.

    Args:
        start_s: beginning of the trial.
        stop_s: end of the trial.
        imaging: the rate and exposure.
        phase: when the first sample comes, as a share 0..1 of the time between samples.
    """
    step_s = 1 / imaging.volume_rate_hz
    half_s = imaging.exposure_s / 2
    first_s = start_s + half_s + phase * step_s
    return first_s + step_s * np.arange(1 + int((stop_s - half_s - first_s) / step_s))


def expose(dff: Array, time_s: Array, at_s: Array, exposure_s: float) -> Array:
    """Means ``(N, S)`` of dF/F ``(N, T)``, joined by straight lines, over exposures centred on the times ``at_s``."""
    if exposure_s == 0:
        return np.stack([np.interp(at_s, time_s, row) for row in dff])
    inner = np.linspace(-0.5, 0.5, 9)[:, None] * exposure_s
    weight = np.array([0.5, 1, 1, 1, 1, 1, 1, 1, 0.5]) / 8  # the trapezium rule
    return np.stack([weight @ np.interp(at_s + inner, time_s, row) for row in dff])


def noise(seen: Array, noise_dff: Array, at_s: Array, imaging: Imaging, rng: np.random.Generator) -> Array:
    """Noise and drift of one trial, to be added to dF/F ``seen`` ``(N, S)``.

    Photon noise grows with the square root of the fluorescence, correlated noise is an Ornstein-Uhlenbeck process.

    Args:
        seen: noise-free dF/F of the samples.
        noise_dff: standard deviation of the noise at rest, ``(N,)``.
        at_s: times of the samples ``(S,)``.
        imaging: how it is recorded.
        rng: source of randomness.
    """
    photon = np.sqrt((1 - imaging.correlated_fraction) * np.maximum(1 + seen, 0)) * rng.standard_normal(seen.shape)
    lasting = _ornstein_uhlenbeck(seen.shape, 1 / (imaging.volume_rate_hz * imaging.correlation_tau_s), rng)
    drift = imaging.drift_dff_s * rng.standard_normal((len(seen), 1)) * (at_s - at_s.mean())
    sigma = imaging.noise_scale * noise_dff[:, None]
    return sigma * (photon + np.sqrt(imaging.correlated_fraction) * lasting) + drift


def _ornstein_uhlenbeck(shape: tuple[int, ...], step: float, rng: np.random.Generator) -> Array:
    """Stationary process of unit variance along the last axis; ``step`` in units of its time constant."""
    a = np.exp(-step)
    process = rng.standard_normal(shape)
    for t in range(1, shape[1]):
        process[:, t] = a * process[:, t - 1] + np.sqrt(1 - a * a) * process[:, t]
    return process
