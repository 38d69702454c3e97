"""The early visual stage that all simulated cell types share: from a movie to signals on a lattice of columns.

    movie -> acceptance Gaussian at every column -> photoreceptor low-pass -> high-pass -> ON and OFF halves
          -> divisive adaptation -> coincidence of OFF and ON, and local motion

The order of the steps and the time constants follow the LC18 model of Klapoetke et al. 2022 (Neuron,
doi 10.1016/j.neuron.2022.02.013; Zenodo 10.5281/zenodo.5950022), which took its background model from Tanaka & Clark
2020 (Curr. Biol., object detection in LC11). It shares nothing with the network of this package but the optics.

Axes: T time, Y row (top first), X column (left first).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stcnn.errors import ShapeError
from stcnn.movie import Movie
from stcnn.validation import Config

Array = NDArray[np.floating[Any]]

CHANNELS = ("off", "on", "thin", "dark")
"""Signals of a column without direction, see :func:`early_stage`."""

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))


class EarlyStage(Config):
    """Constants of the early stage."""

    acceptance_deg: float = Field(default=5.0, gt=0)
    """Full width at half maximum of the acceptance function (Klapoetke et al. 2022)."""
    spacing_deg: float = Field(default=4.5, gt=0)
    """Distance between columns (LC18 model, Klapoetke et al. 2022)."""
    photoreceptor_tau_s: float = Field(default=0.0059, gt=0)
    """Low-pass of 27 Hz (LC18 model)."""
    high_pass_tau_s: float = Field(default=0.159, gt=0)
    """High-pass of 1 Hz (LC18 model, after Tanaka & Clark 2020)."""
    adaptation_tau_s: float = Field(default=0.0204, gt=0)
    """Divisive adaptation of 7.8 Hz (LC18 model)."""
    adaptation_contrast: float = Field(default=0.033, gt=0)
    """Weber contrast of the recent past that halves the gain. Chosen: above the 0.005 of the LC18 model, so that
    signals still grow with contrast."""
    coincidence_tau_s: float = Field(default=0.03, gt=0)
    """How long a column remembers darkening while it waits for brightening; chosen, so that an object of 100 deg/s
    must be narrower than some 9 deg (widths of LC15, LC18, LC21 and LC25 in Klapoetke et al. 2022)."""
    motion_tau_s: float = Field(default=0.03, gt=0)
    """Delay of the correlator of neighbouring columns (Zhou et al. 2022, eLife 11:e72067: 30 ms)."""
    rate_hz: float = Field(default=180.0, ge=1, le=10_000)
    """Least rate at which the filters run; slower movies are held for several steps per frame."""


@dataclass(frozen=True)
class Columns:
    """Signals of the columns over time; the middle of the field is at (0, 0).

    Args:
        signals: each without unit: the channels of :data:`CHANNELS`, ``(T, Y, X)``, and motion between neighbours,
            negative in the opposite direction: ``rightward``, ``(T, Y, X - 1)``, and ``upward``, ``(T, Y - 1, X)``.
        elevation_deg: of the rows, falling, ``(Y,)``.
        azimuth_deg: of the columns, rising, ``(X,)``.
        rate_hz: samples per second.
    """

    signals: Mapping[str, Array]
    elevation_deg: Array
    azimuth_deg: Array
    rate_hz: float

    def every(self, n_samples: int) -> Columns:
        """The means of groups of ``n_samples`` successive samples; an incomplete last group is left out."""
        if n_samples == 1:
            return self
        length = len(self.signals["off"]) // n_samples
        signals = {}
        for name, signal in self.signals.items():
            groups = signal[: length * n_samples].reshape(length, n_samples, *signal.shape[1:])
            signals[name] = groups.mean(1)
        return Columns(signals, self.elevation_deg, self.azimuth_deg, self.rate_hz / n_samples)


def early_stage(movie: Movie, stage: EarlyStage | None = None) -> Columns:
    """Compute what the columns of the eye report while the movie is shown.

    The channels are ``off`` and ``on`` (the onset of darkening and of brightening: the excess over the recent past,
    divided by it), ``thin`` (brightening shortly after darkening at one place, the passage of something dark and
    narrow: the elementary small-target motion detector of Wiederman, Shoemaker & O'Carroll 2008,
    doi 10.1371/journal.pone.0002784) and ``dark`` (darkening after the high-pass alone, which outlasts the edge).

    Args:
        movie: what is shown, at any rate and resolution.
        stage: the constants.

    Returns:
        The signals at ``stage.rate_hz`` or the next multiple of the movie's rate above it.

    Raises:
        ShapeError: the field of the movie is too small to hold three columns in each direction.
    """
    stage = stage or EarlyStage()
    weber = movie.contrast().astype(np.float64) / movie.background
    down_deg, right_deg = (_lattice_deg(n * movie.deg_per_px, stage.spacing_deg) for n in movie.shape_px)
    rows = _acceptance(down_deg, movie.shape_px[0], movie.deg_per_px, stage.acceptance_deg)
    cols = _acceptance(right_deg, movie.shape_px[1], movie.deg_per_px, stage.acceptance_deg)
    n_hold = math.ceil(stage.rate_hz / movie.rate_hz - 1e-9)
    rate_hz = movie.rate_hz * n_hold
    seen = np.repeat(rows @ weber @ cols.T, n_hold, axis=0)
    received = low_pass(seen, stage.photoreceptor_tau_s, rate_hz)
    changes = received - low_pass(received, stage.high_pass_tau_s, rate_hz)
    return Columns(_signals(changes, stage, rate_hz), -down_deg, right_deg, rate_hz)


def _signals(changes: Array, stage: EarlyStage, rate_hz: float) -> dict[str, Array]:
    """Split high-passed Weber contrast ``(T, Y, X)`` into the signals of :class:`Columns`."""

    def onset(x: Array) -> Array:
        recent = low_pass(x, stage.adaptation_tau_s, rate_hz)
        return np.maximum(x - recent, 0) / (stage.adaptation_contrast + recent)

    dark = np.maximum(-changes, 0)
    off = onset(dark)
    on = onset(np.maximum(changes, 0))
    thin = np.sqrt(low_pass(off, stage.coincidence_tau_s, rate_hz) * on)
    delayed = low_pass(off, stage.motion_tau_s, rate_hz)
    rightward = _correlate(off[..., :-1], off[..., 1:], delayed[..., :-1], delayed[..., 1:])
    upward = _correlate(off[:, 1:], off[:, :-1], delayed[:, 1:], delayed[:, :-1])
    return {"off": off, "on": on, "thin": thin, "dark": dark, "rightward": rightward, "upward": upward}


def _correlate(here: Array, there: Array, delayed_here: Array, delayed_there: Array) -> Array:
    """Opponent correlator from here to there (Hassenstein & Reichardt 1956), as the signed root of its product."""
    product = delayed_here * there - here * delayed_there
    return np.sign(product) * np.sqrt(np.abs(product))


def low_pass(x: Array, tau_s: float, rate_hz: float) -> Array:
    """First-order low-pass along the first axis, at rest at zero before; exact for straight lines between samples.

    ``y[t] = a y[t-1] + (1 - b) x[t] + (b - a) x[t-1]`` with ``a = exp(-d)``, ``b = (1 - a) / d``,
    ``d = 1 / (rate_hz tau_s)``.

    Args:
        x: signal ``(T, ...)``.
        tau_s: time constant.
        rate_hz: samples per second.
    """
    d = 1 / (rate_hz * tau_s)
    a = math.exp(-d)
    b = -math.expm1(-d) / d
    out = (1 - b) * x
    out[1:] += (b - a) * x[:-1]
    for t in range(1, len(out)):
        out[t] += a * out[t - 1]
    return out


def _lattice_deg(field_deg: float, spacing_deg: float) -> Array:
    """Positions of the columns along one axis: symmetric about the middle, as many as the field holds."""
    n_side = int((field_deg / 2) / spacing_deg)
    if n_side < 1:
        raise ShapeError(
            f"the movie's field is {field_deg:g} degrees wide",
            expected=f"at least {2 * spacing_deg:g} degrees, three columns",
            remedy="show the movie on a larger field",
        )
    return np.arange(-n_side, n_side + 1) * spacing_deg


def _acceptance(columns_deg: Array, n_px: int, deg_per_px: float, fwhm_deg: float) -> Array:
    """Gaussian weights ``(columns, pixels)`` of unit sum on an endless field; beyond the movie is grey."""
    sigma_deg = fwhm_deg / FWHM_PER_SIGMA
    pixels_deg = (np.arange(n_px) - (n_px - 1) / 2) * deg_per_px
    distance = columns_deg[:, None] - pixels_deg
    weights = np.exp(-(distance**2) / (2 * sigma_deg**2)) / (sigma_deg * math.sqrt(2 * math.pi))
    return weights * deg_per_px
