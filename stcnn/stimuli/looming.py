"""Objects that grow or shrink at one place: discs and rings that loom or recede, and their dimming control.

Two laws of growth, for the diameter ``theta``:

* constant edge speed: ``theta`` grows by twice ``edge_speed_deg_s`` (Klapoetke et al. 2022,
  doi 10.1016/j.neuron.2022.02.013);
* approach at constant velocity: ``theta(t) = 2 atan((r/v) / t)`` with ``t`` the time left to collision, ``r/v`` the
  object's radius over its velocity (Gabbiani et al. 1999, doi 10.1523/JNEUROSCI.19-03-01122.1999).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stcnn.errors import ConfigError
from stcnn.stimuli.coverage import disc_coverage
from stcnn.stimuli.scene import Layer, Picture, animate, stimulus
from stcnn.stimuli.screen import AT_ONCE, Array, Fraction, NonNegative, Point, Positive, Screen, Timing


@dataclass(frozen=True)
class _Growth:
    """Diameter from ``small_deg`` to ``large_deg`` under one of the two laws."""

    small_deg: float
    large_deg: float
    edge_speed_deg_s: float | None
    r_over_v_s: float | None

    def __post_init__(self) -> None:
        if (self.edge_speed_deg_s is None) == (self.r_over_v_s is None):
            raise ConfigError(
                f"a growing disc has edge_speed_deg_s={self.edge_speed_deg_s} and r_over_v_s={self.r_over_v_s}",
                expected="exactly one of the two",
            )
        lowest = 0.0 if self.r_over_v_s is None else 1e-3
        if not lowest <= self.small_deg <= self.large_deg < 360 or (self.r_over_v_s and self.large_deg >= 180):
            raise ConfigError(
                f"a disc goes between {self.small_deg} and {self.large_deg} degrees",
                expected="0 <= smallest <= largest, with r_over_v_s also smallest > 0 and largest < 180",
            )

    def _left_s(self, size_deg: float) -> float:
        """Time left to collision at a size: ``(r/v) / tan(theta / 2)``."""
        assert self.r_over_v_s is not None
        return self.r_over_v_s / float(np.tan(np.radians(size_deg) / 2))

    @property
    def duration_s(self) -> float:
        if self.edge_speed_deg_s is not None:
            return (self.large_deg - self.small_deg) / (2 * self.edge_speed_deg_s)
        return self._left_s(self.small_deg) - self._left_s(self.large_deg)

    def at(self, time_s: Array) -> tuple[Array, Array]:
        """Diameter in degrees and speed of the edge in degrees per second."""
        if self.edge_speed_deg_s is not None:
            size = np.clip(self.small_deg + 2 * self.edge_speed_deg_s * time_s, self.small_deg, self.large_deg)
            return size, np.full(len(time_s), self.edge_speed_deg_s)
        assert self.r_over_v_s is not None
        left_s = self._left_s(self.small_deg) - time_s
        size = np.degrees(2 * np.arctan(self.r_over_v_s / left_s))
        return size, np.degrees(self.r_over_v_s / (left_s**2 + self.r_over_v_s**2))


@stimulus
def looming_disc(
    screen: Screen,
    *,
    start_deg: NonNegative = 0.0,
    end_deg: Positive = 60.0,
    edge_speed_deg_s: Positive | None = None,
    r_over_v_s: Positive | None = None,
    centre_deg: Point = (0.0, 0.0),
    luminance: Fraction = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """A disc that grows from ``start_deg`` to ``end_deg`` (diameters).

    Args:
        screen: where to draw.
        start_deg: first diameter; above 0 under the r/v law.
        end_deg: last diameter.
        edge_speed_deg_s: speed of the edge, half the growth of the diameter; either this or ``r_over_v_s``.
        r_over_v_s: radius over velocity of an object on collision course.
        centre_deg: azimuth and elevation.
        luminance: of the disc, 0..1.
        timing: grey and holds.

    Raises:
        ConfigError: not exactly one law of growth is given, or the sizes do not grow.
    """
    growth = _Growth(start_deg, end_deg, edge_speed_deg_s, r_over_v_s)

    def draw(time_s: Array) -> Picture:
        size, speed = growth.at(time_s)
        return _disc(screen, centre_deg, size, speed, luminance)

    return animate(screen, timing, growth.duration_s, draw)


def _disc(screen: Screen, centre_deg: Point, size_deg: Array, speed_deg_s: Array, luminance: float) -> Picture:
    track = {
        "azimuth_deg": centre_deg[0],
        "elevation_deg": centre_deg[1],
        "size_deg": size_deg,
        "speed_deg_s": speed_deg_s,
    }
    return Picture(disc_coverage(screen, *centre_deg, size_deg), luminance, track)
