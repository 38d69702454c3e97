"""Gratings that drift, in the whole field or in an aperture."""

from __future__ import annotations

import numpy as np

from stcnn.errors import ConfigError
from stcnn.stimuli.coverage import direction
from stcnn.stimuli.flashes import Patch, patch_coverage
from stcnn.stimuli.scene import Layer, Picture, animate, stimulus
from stcnn.stimuli.screen import AT_ONCE, Array, Fraction, NonNegative, Positive, Screen, Timing
from stcnn.stimuli.waves import Waveform, luminance_of, pixel_wave


@stimulus
def drifting_grating(
    screen: Screen,
    *,
    period_deg: Positive,
    speed_deg_s: NonNegative | None = None,
    frequency_hz: NonNegative | None = None,
    direction_deg: float = 0.0,
    duration_s: Positive = 1.0,
    contrast: Fraction = 1.0,
    mean_luminance: Fraction | None = None,
    waveform: Waveform = "square",
    phase_cycles: float = 0.0,
    aperture_deg: Patch = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """A square or sine grating that drifts; during the holds of ``timing`` it stands still.

    A pixel shows the average of the grating over its area. At the border of an aperture this average counts by
    the fraction of the pixel inside.

    Args:
        screen: where to draw.
        period_deg: of the grating.
        speed_deg_s: of its drift; either this or ``frequency_hz``, 0 stands.
        frequency_hz: cycles that pass a point per second.
        direction_deg: of the drift; 0 rightward, 90 upward. The bars are perpendicular to it.
        duration_s: of the drift.
        contrast: Michelson, 0..1.
        mean_luminance: of the grating; by default the background.
        waveform: "square" or "sine".
        phase_cycles: at onset: 0 starts a bright half cycle at the aperture's centre, in the direction of the drift.
        aperture_deg: diameter of a disc, or width and height (along azimuth and elevation) of a rectangle.
        azimuth_deg: of the aperture's centre.
        elevation_deg: of the aperture's centre.
        timing: grey and holds.

    Raises:
        ConfigError: not exactly one of speed and frequency is given, or contrast and mean exceed white.
    """
    if (speed_deg_s is None) == (frequency_hz is None):
        raise ConfigError(
            f"a drifting grating has speed_deg_s={speed_deg_s} and frequency_hz={frequency_hz}",
            expected="exactly one of the two",
        )
    drift_hz = frequency_hz if frequency_hz is not None else (speed_deg_s or 0.0) / period_deg
    cosine, sine = direction(direction_deg)
    pixel_cycles = cosine * screen.deg_per_px / period_deg, sine * screen.deg_per_px / period_deg
    coverage = patch_coverage(screen, aperture_deg, (azimuth_deg, elevation_deg))
    mean = screen.background if mean_luminance is None else mean_luminance

    def draw(time_s: Array) -> Picture:
        across = screen.x_deg - azimuth_deg
        along = screen.y_deg - elevation_deg
        if sine == 0:
            place = (across * cosine)[None, :]
        elif cosine == 0:
            place = (along * sine)[:, None]
        else:
            place = across[None, :] * cosine + along[:, None] * sine
        level = np.empty((len(time_s), *place.shape), np.float32)
        for frame, passed in zip(level, drift_hz * time_s, strict=True):  # one by one: they stay in the cache
            cycles = place / period_deg + phase_cycles - passed
            frame[:] = luminance_of(pixel_wave(cycles, waveform, pixel_cycles), contrast, mean)
        track = {"phase_cycles": drift_hz * time_s + phase_cycles, "speed_deg_s": drift_hz * period_deg}
        return Picture(coverage, level, track)

    return animate(screen, timing, duration_s, draw)
