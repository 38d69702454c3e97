"""Any movie file as a stimulus."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from stcnn.stimuli.files import read_chosen
from stcnn.stimuli.formats import Choices
from stcnn.stimuli.resample import Placement, frame_at
from stcnn.stimuli.scene import Layer, Picture, animate, stimulus
from stcnn.stimuli.screen import AT_ONCE, Array, Positive, Screen, Timing

AS_IT_IS = Choices()
"""Nothing is said of how to read a file."""


@stimulus
def recorded(
    screen: Screen,
    *,
    path: Annotated[str, Field(min_length=1)],
    rate_hz: Positive | None = None,
    deg_per_px: Positive | None = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    reading: Choices = AS_IT_IS,
    timing: Timing = AT_ONCE,
) -> Layer:
    """A movie from a file, on the grey of the screen.

    Args:
        screen: where to show it.
        path: of the file, from the current folder; for the formats see :mod:`stcnn.stimuli.files`.
        rate_hz: frames per second, where the file does not say it or another speed is wanted.
        deg_per_px: degrees per pixel of the file, where the file does not say it.
        azimuth_deg: of the middle of the movie.
        elevation_deg: likewise.
        reading: how the file is read, such as ``{rotation: apply}``; see :func:`~stcnn.stimuli.files.read_movie`.
        timing: grey and holds.

    Raises:
        FileError: the file is missing or cannot be read.
        DataError: rate or degrees per pixel are said neither by the file nor here.
    """
    said = {"rate_hz": rate_hz, "deg_per_px": deg_per_px, "background": screen.background}
    movie = read_chosen(
        path, reading.model_copy(update={key: value for key, value in said.items() if value is not None})
    )
    placement = Placement(movie.shape_px, movie.deg_per_px, screen, (azimuth_deg, elevation_deg))
    coverage = placement.coverage
    covered = np.where(coverage > 0, coverage, 1)

    def draw(time_s: Array) -> Picture:
        frame, place = np.unique(frame_at(movie.rate_hz, movie.n_frames, time_s), return_inverse=True)
        light = placement.place(movie.luminance()[frame], 0.0) / covered
        return Picture(coverage[None], light[place])

    return animate(screen, timing, movie.duration_s, draw)
