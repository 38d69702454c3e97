"""A world around the animal: a stimulus drawn all the way round, of which the model sees what lies ahead.

Our screens are equidistant in azimuth, so turning is a shift of columns; between two columns the picture is
interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import ConfigError
from stcnn.stimuli import Screen, render


class Panorama:
    """A stimulus on a cylinder of 360 degrees.

    Args:
        stimulus: ``{kind: name, argument: value, ...}`` of a generator; its frames are shown one after the other,
            again and again.
        seen: the screen that the model sees; 360 degrees must be a multiple of its pixels.

    Raises:
        ConfigError: the stimulus cannot be drawn, or the pixels do not go round.
    """

    def __init__(self, stimulus: Mapping[str, Any], seen: Screen) -> None:
        deg_per_px = seen.deg_per_px
        n_rows, n_seen = seen.shape_px
        n_columns = round(360 / deg_per_px)
        if not math.isclose(n_columns * deg_per_px, 360, rel_tol=1e-6) or n_columns < n_seen:
            raise ConfigError(
                f"pixels of {deg_per_px:g} degrees do not go round the animal",
                expected=f"360 degrees to be a whole number of pixels, {n_seen} at least",
                remedy="choose another --width-deg",
            )
        n_drawn = n_columns + (n_columns - n_seen) % 2  # so that pixels lie on those that are seen at heading 0
        around = Screen(**{**seen.model_dump(), "shape_px": (n_rows, n_drawn)})
        self.n_columns = n_columns
        self.deg_per_px = deg_per_px
        self._movie = render(around, stimulus).coded()
        offset = np.arange(n_seen) - (n_seen - 1) / 2
        self._middle = (n_drawn - 1) / 2 + offset
        """Places of the columns that are seen at heading 0."""

    def seen(self, number: int, heading_deg: float) -> NDArray[np.float32]:
        """Return what lies ahead in a frame, ``(Y, X)``.

        Args:
            number: of the frame, from the start.
            heading_deg: of the animal; positive is a turn to the right, which moves the world to the left.
        """
        place = (self._middle + heading_deg / self.deg_per_px) % self.n_columns
        left = np.floor(place).astype(int) % self.n_columns
        share = (place - np.floor(place)).astype(np.float32)
        index = number % self._movie.n_frames
        picture = self._movie.luminance(slice(index, index + 1))[0]
        return picture[:, left] * (1 - share) + picture[:, (left + 1) % self.n_columns] * share
