"""Noise for receptive fields: sparse and dense, and scenes with the spectrum and the motion of natural ones.

Noise is drawn in degrees and seconds, with its own seed, and then shown on the screen: another frame rate or
resolution shows the same noise. Checks that straddle pixels count by area.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from stcnn.errors import ConfigError
from stcnn.stimuli.coverage import overlaps
from stcnn.stimuli.flashes import Levels
from stcnn.stimuli.scene import Layer, Picture, animate, stimulus
from stcnn.stimuli.screen import AT_ONCE, Array, Fraction, NonNegative, Positive, Screen, Timing
from stcnn.stimuli.waves import luminance_of

Seed = Annotated[int, Field(ge=0)]
Indices = NDArray[np.intp]
Count = Annotated[int, Field(gt=0)]

STEP_S = 1e-3
"""Step in which motion is drawn, whatever the frame rate."""


@stimulus
def white_noise(
    screen: Screen,
    *,
    check_deg: Positive,
    update_hz: Positive,
    duration_s: Positive,
    seed: Seed = 0,
    distribution: Literal["binary", "gaussian"] = "binary",
    contrast: Fraction = 1.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """Dense noise: every check takes a new luminance around the background ``update_hz`` times per second.

    Args:
        screen: where to draw.
        check_deg: side of the square checks; one is centred or four meet in the middle of the field.
        update_hz: new pictures per second.
        duration_s: of the noise.
        seed: of the random numbers.
        distribution: "binary", or "gaussian" cut at black and white.
        contrast: of the binary checks, or standard deviation over mean of the gaussian ones.
        timing: grey and holds.

    Raises:
        ConfigError: binary checks exceed white.
    """
    rows, columns = _checks(screen, check_deg)
    random = np.random.default_rng(seed)
    shape = (int(np.ceil(np.round(duration_s * update_hz, 9))), rows.shape[1], columns.shape[1])
    if distribution == "binary":
        levels = luminance_of(random.integers(0, 2, shape) * 2.0 - 1, contrast, screen.background)
    else:
        levels = np.clip(screen.background * (1 + contrast * random.standard_normal(shape)), 0, 1)
    ones = np.ones((1, *screen.shape_px), np.float32)

    def draw(time_s: Array) -> Picture:
        shown, place = np.unique(_update(time_s, update_hz, len(levels)), return_inverse=True)
        return Picture(ones, (rows @ levels[shown] @ columns.T).astype(np.float32)[place])

    return animate(screen, timing, duration_s, draw)


@stimulus
def sparse_noise(
    screen: Screen,
    *,
    check_deg: Positive,
    flash_s: Positive,
    gap_s: NonNegative = 0.0,
    per_flash: Count = 1,
    repeats: Count = 1,
    luminances: Levels = (0.0, 1.0),
    seed: Seed = 0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """Single checks flashed at every place of the field with every luminance, in random order.

    Args:
        screen: where to draw.
        check_deg: side of the square checks.
        flash_s: how long each is shown.
        gap_s: grey after each flash.
        per_flash: checks shown together.
        repeats: how often each place and luminance is shown.
        luminances: of the checks.
        seed: of the order.
        timing: grey and holds.

    Raises:
        ConfigError: more checks at a time than there are places.
    """
    rows, columns = _checks(screen, check_deg)
    n_rows = rows.shape[1]
    n_columns = columns.shape[1]
    period_s = flash_s + gap_s
    place, level = _flash_order(n_rows * n_columns, len(luminances), repeats, per_flash, seed)
    light = np.append(luminances, 0.0)[level]  # code -1: nothing
    pictures = np.zeros((2, len(place), n_rows * n_columns))
    flashes = np.arange(len(place))[:, None]
    pictures[:, flashes, place] = (level >= 0), light
    coverages, lights = (rows @ part.reshape(-1, n_rows, n_columns) @ columns.T for part in pictures)
    lights = np.divide(lights, coverages, out=np.zeros_like(lights), where=coverages > 0).astype(np.float32)
    coverages = coverages.astype(np.float32)

    def draw(time_s: Array) -> Picture:
        flash = _update(time_s, 1 / period_s, len(place))
        lit = np.round(time_s - flash * period_s, 9) < flash_s
        row, column = np.divmod(place[flash, 0], n_columns)
        track = {
            "azimuth_deg": (column - (n_columns - 1) / 2) * check_deg,
            "elevation_deg": ((n_rows - 1) / 2 - row) * check_deg,
            "luminance": np.where(lit, light[flash, 0], np.nan),
        }
        return Picture(coverages[flash] * lit[:, None, None], lights[flash], track if per_flash == 1 else {})

    return animate(screen, timing, len(place) * period_s, draw)


@stimulus
def natural_motion(
    screen: Screen,
    *,
    duration_s: Positive,
    velocity_deg_s: NonNegative = 60.0,
    velocity_tau_s: Positive = 0.2,
    contrast: NonNegative = 0.3,
    finest_deg: Positive = 2.0,
    seed: Seed = 0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """A scene with the 1/f^2 power spectrum of natural ones that moves as the view of a turning animal does.

    The scene is a sum of plane waves with amplitudes 1/f and random phases (Field 1987,
    doi 10.1364/JOSAA.4.002379), periodic in twice the larger side of the field. It moves as a whole; azimuth and
    elevation each have a velocity that varies as an Ornstein-Uhlenbeck process.

    Args:
        screen: where to draw.
        duration_s: of the motion.
        velocity_deg_s: standard deviation of the velocity along each axis.
        velocity_tau_s: correlation time of the velocity.
        contrast: standard deviation of the luminance over its mean, the background; cut at black and white.
        finest_deg: period of the finest wave.
        seed: of scene and motion.
        timing: grey and holds.
    """
    random = np.random.default_rng(seed)
    scene = _Scene(screen, finest_deg, random)
    velocity = velocity_deg_s * _ornstein_uhlenbeck(int(duration_s / STEP_S) + 2, velocity_tau_s, random)
    way = np.concatenate([np.zeros((1, 2)), np.cumsum((velocity[1:] + velocity[:-1]) / 2 * STEP_S, axis=0)])
    clock = np.arange(len(way)) * STEP_S
    ones = np.ones((1, *screen.shape_px), np.float32)

    def draw(time_s: Array) -> Picture:
        azimuth, elevation = (np.interp(time_s, clock, way[:, axis]) for axis in (0, 1))
        speed = np.interp(time_s, clock, np.hypot(*velocity.T))
        luminance = screen.background * (1 + contrast * scene.at(azimuth, elevation))
        track = {"azimuth_deg": azimuth, "elevation_deg": elevation, "speed_deg_s": speed}
        return Picture(ones, np.clip(luminance, 0, 1), track)

    return animate(screen, timing, duration_s, draw)


def _ornstein_uhlenbeck(n_steps: int, tau_s: float, random: np.random.Generator) -> Array:
    """Two independent processes of variance 1 with an exponential memory, ``(steps, 2)``, exact at every step."""
    decay = np.exp(-STEP_S / tau_s)
    process = random.standard_normal((n_steps, 2))
    process[1:] *= np.sqrt(1 - decay**2)
    for i in range(1, n_steps):
        process[i] += decay * process[i - 1]
    return process


class _Scene:
    """A random periodic picture of mean 0 and variance 1 with power 1/f^2, averaged over the pixels of a screen."""

    def __init__(self, screen: Screen, finest_deg: float, random: np.random.Generator) -> None:
        period_deg = 2 * max(screen.width_deg, screen.height_deg)
        highest = max(1, int(period_deg / finest_deg))
        self.y_per_deg = np.arange(-highest, highest + 1) / period_deg
        self.x_per_deg = np.arange(highest + 1) / period_deg
        frequency = np.hypot(self.y_per_deg[:, None], self.x_per_deg)
        half = (self.x_per_deg > 0) | (self.y_per_deg[:, None] > 0)  # the other half is the complex conjugate
        kept = half & (frequency <= 1 / finest_deg + 1e-12)
        amplitude = np.divide(1, frequency, out=np.zeros_like(frequency), where=kept)
        amplitude *= np.sqrt(2 / np.sum(amplitude**2))
        wave = amplitude * np.exp(2j * np.pi * random.random(frequency.shape))
        self.waves = (
            wave * np.sinc(self.y_per_deg[:, None] * screen.deg_per_px) * np.sinc(self.x_per_deg * screen.deg_per_px)
        )
        self.rows = np.exp(2j * np.pi * screen.y_deg[:, None] * self.y_per_deg)
        self.columns = np.exp(2j * np.pi * self.x_per_deg[:, None] * screen.x_deg)

    def at(self, azimuth_deg: Array, elevation_deg: Array) -> Array:
        """The picture moved by ``(T,)`` degrees rightward and upward, ``(T, Y, X)``."""
        x_phase = np.exp(-2j * np.pi * azimuth_deg[:, None] * self.x_per_deg)
        y_phase = np.exp(-2j * np.pi * elevation_deg[:, None] * self.y_per_deg)
        rows, waves, columns = (part.astype(np.complex64) for part in (self.rows, self.waves, self.columns))
        frames = np.empty((len(azimuth_deg), len(rows), columns.shape[1]), np.float32)
        for frame, x, y in zip(frames, x_phase, y_phase, strict=True):
            frame[:] = (((rows * y.astype(np.complex64)) @ waves * x.astype(np.complex64)) @ columns).real
        return frames


def _flash_order(n_places: int, n_levels: int, repeats: int, per_flash: int, seed: int) -> tuple[Indices, Indices]:
    """Place and luminance (an index, -1 for none) of the checks of each flash, ``(flashes, per_flash)`` each.

    Each pass goes once through all places, so that the checks of one flash never share a place; ``n_levels`` passes
    show every place with every luminance.
    """
    random = np.random.default_rng(seed)
    if per_flash > n_places:
        raise ConfigError(
            f"sparse noise shows {per_flash} checks at a time", expected=f"at most the {n_places} places of the field"
        )
    missing = -n_places % per_flash
    places = []
    levels = []
    for _ in range(repeats):
        first = random.integers(0, n_levels, n_places)
        for shift in range(n_levels):
            order = random.permutation(n_places)
            places.append(np.append(order, order[:missing]))
            levels.append(np.append((first[order] + shift) % n_levels, np.full(missing, -1)))
    return np.concatenate(places).reshape(-1, per_flash), np.concatenate(levels).reshape(-1, per_flash)


def _checks(screen: Screen, check_deg: float) -> tuple[Array, Array]:
    """Fraction of each row taken by each row of checks, ``(Y, rows)``, and the same for columns."""

    def along(pixel_edges_deg: Array) -> Array:
        count = int(np.ceil(np.round((pixel_edges_deg[-1] - pixel_edges_deg[0]) / check_deg, 9)))
        return overlaps(pixel_edges_deg, (np.arange(count + 1) - count / 2) * check_deg)

    return along(-screen.y_edges_deg), along(screen.x_edges_deg)


def _update(time_s: Array, update_hz: float, count: int) -> Indices:
    """Which of ``count`` pictures is shown at each time."""
    return np.minimum(np.floor(np.round(time_s * update_hz, 9)).astype(int), count - 1)
