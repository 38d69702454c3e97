"""How much a movie darkens and brightens where a neuron looks, which tells when the stimulus reaches it.

An object that crosses the picture reaches two neurons at two times. Latencies are therefore measured from the stimulus
change within a Gaussian window about the place that the neuron looks at: the middle of the picture once it is shifted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from stcnn.data.dataset import Dataset
from stcnn.data.pictures import codes_with_grey
from stcnn.movie import Movie

INDICATOR_TAU_S = 0.5
"""Decay with which stimulus changes are smoothed before they are compared with calcium."""
WINDOW_SD_DEG = 10.0
"""Standard deviation of the window: receptive fields are 20 to 40 degrees wide (Klapoetke et al. 2022)."""
LARGEST_DELAY_S = 0.5

Array = NDArray[np.float64]
Shift = tuple[int, int]


@dataclass(frozen=True)
class StimulusChange:
    """How much a movie darkens and brightens in a window, smoothed as an indicator would, ``(T,)`` each, at ``time_s``.

    The last ``4 INDICATOR_TAU_S`` lie after the movie.
    """

    time_s: Array
    darkening: Array
    brightening: Array

    @property
    def end_s(self) -> float:
        """Time from stimulus onset to the end of the movie."""
        return float(self.time_s[-1]) - 4 * INDICATOR_TAU_S


Changes = Mapping[tuple[str, Shift], StimulusChange]
"""Stimulus and shift to the change that a neuron with this shift sees."""


def changes_of(data: Dataset) -> dict[tuple[str, Shift], StimulusChange]:
    """The change of each stimulus at each place where a neuron saw it; one movie at a time is in memory."""
    found = {}
    for stimulus, rows in data.table.groupby("stimulus", sort=False):
        shifts = list(dict.fromkeys(zip(rows.azi_shift_px.tolist(), rows.ele_shift_px.tolist(), strict=True)))
        for shift, change in zip(shifts, stimulus_changes(data.movies[str(stimulus)], shifts), strict=True):
            found[str(stimulus), shift] = change
    return found


def stimulus_changes(movie: Movie, shifts: Sequence[Shift]) -> list[StimulusChange]:
    """Darkening and brightening from frame to frame, from grey at first and back to it in the end, for each shift."""
    windows = np.stack([_window(movie, shift).ravel() for shift in shifts], axis=1)
    contrast = movie.contrast() if movie.levels is None else codes_with_grey(movie)[0][movie.frames]
    grey = np.zeros((1, *movie.shape_px), np.float32)
    change = np.diff(contrast, axis=0, prepend=grey, append=grey).reshape(-1, windows.shape[0])
    after = np.zeros((round(4 * INDICATOR_TAU_S * movie.rate_hz), len(shifts)))
    decay = np.exp(-1 / (INDICATOR_TAU_S * movie.rate_hz))
    dark, bright = (
        signal.lfilter([1], [1, -decay], np.concatenate([part @ windows, after]), axis=0)
        for part in (np.maximum(-change, 0), np.maximum(change, 0))
    )
    time_s = np.arange(len(dark)) / movie.rate_hz - movie.onset_s
    return [StimulusChange(time_s, dark[:, k], bright[:, k]) for k in range(len(shifts))]


def _window(movie: Movie, shift: Shift) -> NDArray[np.float32]:
    """Gaussian about the pixel that the shift brings to the middle, ``(Y, X)``, of sum 1."""
    rows, columns = movie.shape_px
    azi, ele = shift
    y = np.arange(rows) - (rows - 1) / 2 + ele
    x = np.arange(columns) - (columns - 1) / 2 - azi
    sd_px = WINDOW_SD_DEG / movie.deg_per_px
    window = np.exp(-(y[:, None] ** 2 + x**2) / (2 * sd_px**2)) + 1e-12  # a place beyond the picture sees its edge
    return (window / window.sum()).astype(np.float32)


def delay_s(change: StimulusChange, reference: StimulusChange) -> float:
    """By how much a change comes later than another of the same movie, by cross-correlation; 0 where one is nothing."""
    rate_hz = 1 / float(change.time_s[1] - change.time_s[0])
    own, other = (c.darkening + c.brightening for c in (change, reference))
    if not own.any() or not other.any():
        return 0.0
    products = cross_correlations(own[None], other[None], largest := round(LARGEST_DELAY_S * rate_hz))[0]
    return (peak(products) - largest) / rate_hz


def cross_correlations(x: Array, y: Array, largest: int) -> Array:
    """Products of rows of x, moved ahead by each lag up to the largest, with rows of y, ``(N, 2 largest + 1)``."""
    n = x.shape[1] + largest
    products = np.fft.irfft(np.fft.rfft(x, n) * np.conj(np.fft.rfft(y, n)), n)
    return np.concatenate([products[:, n - largest :], products[:, : largest + 1]], axis=1)


def peak(values: Array) -> float:
    """Place of the maximum to a part of a sample: the top of the parabola through it and its neighbours."""
    best = int(values.argmax())
    if best in (0, len(values) - 1):
        return float(best)
    before, top, after = values[best - 1 : best + 2]
    curvature = before - 2 * top + after
    return best + (0.5 * (before - after) / curvature if curvature else 0.0)
