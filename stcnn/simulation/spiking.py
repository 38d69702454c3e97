"""Spiking neurons whose model is known: a linear filter, a rectifier and Poisson spikes, shown noise.

    drive = sum_k sum_yx filter[k, y, x] contrast[t - k, y, x],  of standard deviation one over the noise
    rate = peak_hz softplus(slope (drive - threshold)) / softplus(slope (3 - threshold)),  counts ~ Poisson(rate dt)

This LN model is the standard description of retinal ganglion cells (Chichilnisky 2001, doi 10.1080/713663221) and of
simple cells. With contrast gain control the drive is divided by what it was of late, as in the retina (Shapley & Victor
1978, doi 10.1113/jphysiol.1978.sp012571; a divisive form as that of Heeger 1992, doi 10.1017/S0952523800009640):

    drive' = drive / (semi + a),  a = low-pass of |drive| with time constant tau

Axes: T frame, Y row, X column, K lag, N neuron.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

from stcnn.data.dataset import Dataset
from stcnn.data.recordings import Recording
from stcnn.movie import Movie

Values = NDArray[np.float64]
GREY = 0.5
SWITCH_S = 2.0
"""Time from one contrast to the other."""
STRONG = 3.0
"""Drive, in standard deviations, at which a neuron has its peak rate."""


@dataclass(frozen=True)
class GainControl:
    """Division by the drive of late.

    Args:
        semi: what the divisor is at rest.
        tau_s: time constant of the memory.
    """

    semi: float = 0.3
    tau_s: float = 0.2


@dataclass(frozen=True, eq=False)
class SpikingNeuron:
    """A neuron of known model.

    Args:
        filter: ``(K, Y, X)``, the latest frame first, scaled so that the drive has a standard deviation of one.
        threshold: drive at which the rate rises, in standard deviations.
        slope: of the softplus, per standard deviation.
        peak_hz: rate at a drive of three standard deviations.
        control: contrast gain control, if any.
    """

    filter: Values
    threshold: float = 0.5
    slope: float = 3.0
    peak_hz: float = 60.0
    control: GainControl | None = None

    def rate_hz(self, contrast: Values, frame_rate_hz: float) -> Values:
        """Return the rate at every frame of contrast ``(T, Y, X)``, before which all was grey, ``(T,)``."""
        n_lags = len(self.filter)
        padded = np.concatenate([np.zeros((n_lags - 1, *contrast.shape[1:])), contrast])
        reversed_places = self.filter[:, ::-1, ::-1]
        drive = fftconvolve(padded, reversed_places, mode="valid")[:, 0, 0]
        if self.control is not None:
            leak = -np.expm1(-1 / (self.control.tau_s * frame_rate_hz))
            drive = drive / (self.control.semi + lfilter([leak], [1, leak - 1], np.abs(drive)))
        return self.peak_hz * _softplus(self.slope * (drive - self.threshold)) / self._at_peak

    @property
    def _at_peak(self) -> float:
        return float(_softplus(np.asarray(self.slope * (STRONG - self.threshold))))


def _softplus(x: Values) -> Values:
    return np.logaddexp(0, x)


def biphasic(rate_hz: float, peak_s: float, biphasic_share: float, duration_s: float = 0.4) -> Values:
    """Return a temporal filter ``(K,)`` of two lobes, as retinal ganglion cells have.

    Args:
        rate_hz: frames per second.
        peak_s: time of the first lobe's peak; the second comes at 1.7 times that.
        biphasic_share: area of the second lobe as a share of the first.
        duration_s: length.
    """
    t = np.arange(round(duration_s * rate_hz)) / rate_hz

    def lobe(at_s: float) -> Values:
        shape = (t / at_s * np.exp(1 - t / at_s)) ** 5
        return np.asarray(shape / shape.sum())

    return lobe(peak_s) - biphasic_share * lobe(1.7 * peak_s)


def retinal_neurons(n: int, rate_hz: float, noise_sd: float, rng: np.random.Generator) -> list[SpikingNeuron]:
    """Return ON and OFF neurons that see the whole field, for noise of a standard deviation of contrast."""
    neurons = []
    for number in range(n):
        kernel = biphasic(rate_hz, rng.uniform(0.04, 0.07), rng.uniform(0.4, 0.9)) * (-1) ** number
        scaled = kernel / (np.linalg.norm(kernel) * noise_sd)
        neurons.append(
            SpikingNeuron(scaled[:, None, None], rng.uniform(0.3, 1.0), rng.uniform(2, 4), rng.uniform(40, 90))
        )
    return neurons


def cortical_neuron(rate_hz: float, noise_sd: float, angle: float = 0.64, rows: int = 9) -> SpikingNeuron:
    """Return a simple cell with an oriented receptive field of subregions on a square grid of probes.

    Args:
        rate_hz: frames per second.
        noise_sd: standard deviation of the contrast of a probe.
        angle: orientation, radians.
        rows: and columns of probes.
    """
    places = np.arange(rows) - (rows - 1) / 2
    along = np.cos(angle) * places[:, None] + np.sin(angle) * places
    across = -np.sin(angle) * places[:, None] + np.cos(angle) * places
    field = np.exp(-(along**2) / (2 * 2.0**2) - across**2 / (2 * 1.3**2)) * np.sin(2 * np.pi * across / 6)
    kernel = biphasic(rate_hz, 0.06, 0.5)[:, None, None] * field
    return SpikingNeuron(kernel / (np.linalg.norm(kernel) * noise_sd), threshold=0.8, slope=3.0, peak_hz=50.0)


@dataclass(frozen=True)
class Noise:
    """Gaussian noise, each pixel and frame its own, cut at black and white.

    Args:
        shape: rows and columns of pixels.
        deg_per_px: degrees per pixel.
        rate_hz: frames per second.
        sd: standard deviation of the contrast.
        weak_share: of that in every other two seconds; 1 keeps the contrast as it is.
    """

    shape: tuple[int, int]
    deg_per_px: float
    rate_hz: float
    sd: float = 0.15
    weak_share: float = 1.0

    def movie(self, duration_s: float, rng: np.random.Generator) -> Movie:
        """Return a movie, the mean of which is its background."""
        n_frames = round(duration_s * self.rate_hz)
        strong = np.arange(n_frames) // round(SWITCH_S * self.rate_hz) % 2 == 0
        sd = np.where(strong, self.sd, self.weak_share * self.sd)[:, None, None]
        luminance = np.clip(GREY + sd * rng.standard_normal((n_frames, *self.shape)), 0, 1)
        codes = np.round(luminance * 255).astype(np.uint8)
        return Movie.from_luminance(codes, self.rate_hz, deg_per_px=self.deg_per_px, background=GREY)


def spike_counts(
    neurons: Sequence[SpikingNeuron],
    movies: Mapping[str, Movie],
    n_trials: Mapping[str, int],
    rng: np.random.Generator,
) -> Dataset:
    """Return the spikes of every neuron in every frame of every movie.

    Args:
        neurons: each is a cell type of its own, ``unit0`` and so on, with its own readout.
        movies: what is shown, from grey.
        n_trials: how often each is shown.
        rng: of the spikes.
    """
    recordings = []
    for stimulus, movie in movies.items():
        time_s = np.arange(len(movie.frames)) / movie.rate_hz
        for number, neuron in enumerate(neurons):
            expected = neuron.rate_hz(movie.contrast().astype(float), movie.rate_hz) / movie.rate_hz
            for trial in range(n_trials[stimulus]):
                counts = rng.poisson(expected).astype(np.float32)
                name = f"unit{number}"
                recordings.append(Recording(name, "0", stimulus, counts, time_s, movie.rate_hz, trials=(trial,)))
    return Dataset.of(movies, recordings)
