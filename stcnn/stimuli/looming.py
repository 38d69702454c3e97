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
from stcnn.stimuli.screen import AT_ONCE, Array, Fraction, NonNegative, Positive, Screen, Timing


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
                f"a disc goes between diameters of {self.small_deg} and {self.large_deg} degrees",
                expected="start_deg from 0 to end_deg, which is below 360 (receding: the other way round); "
                "with r_over_v_s the smaller is above 0 and the larger below 180",
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
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
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
        azimuth_deg: of the centre.
        elevation_deg: of the centre.
        luminance: of the disc, 0..1.
        timing: grey and holds.

    Raises:
        ConfigError: not exactly one law of growth is given, or the sizes do not grow.
    """
    growth = _Growth(start_deg, end_deg, edge_speed_deg_s, r_over_v_s)

    def draw(time_s: Array) -> Picture:
        size, speed = growth.at(time_s)
        return Picture(
            disc_coverage(screen, azimuth_deg, elevation_deg, size),
            luminance,
            _track(azimuth_deg, elevation_deg, size, speed),
        )

    return animate(screen, timing, growth.duration_s, draw)


@stimulus
def receding_disc(
    screen: Screen,
    *,
    start_deg: Positive = 60.0,
    end_deg: NonNegative = 0.0,
    edge_speed_deg_s: Positive | None = None,
    r_over_v_s: Positive | None = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    luminance: Fraction = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """A disc that shrinks from ``start_deg`` to ``end_deg``: a looming disc backwards in time.

    Arguments and errors are those of :func:`looming_disc`. The speed of the edge is tracked as a positive number.
    """
    growth = _Growth(end_deg, start_deg, edge_speed_deg_s, r_over_v_s)

    def draw(time_s: Array) -> Picture:
        size, speed = growth.at(growth.duration_s - time_s)
        return Picture(
            disc_coverage(screen, azimuth_deg, elevation_deg, size),
            luminance,
            _track(azimuth_deg, elevation_deg, size, speed),
        )

    return animate(screen, timing, growth.duration_s, draw)


@stimulus
def looming_ring(
    screen: Screen,
    *,
    line_deg: Positive = 3.0,
    start_deg: NonNegative = 0.0,
    end_deg: Positive = 60.0,
    edge_speed_deg_s: Positive | None = None,
    r_over_v_s: Positive | None = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    luminance: Fraction = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """The outline of a looming disc: edges that expand without an area that darkens.

    Args:
        screen: where to draw.
        line_deg: width of the line, inside the disc's edge.
        start_deg: first outer diameter.
        end_deg: last outer diameter.
        edge_speed_deg_s: speed of the outer edge; either this or ``r_over_v_s``.
        r_over_v_s: radius over velocity of an object on collision course.
        azimuth_deg: of the centre.
        elevation_deg: of the centre.
        luminance: of the line, 0..1.
        timing: grey and holds.

    Raises:
        ConfigError: not exactly one law of growth is given, or the sizes do not grow.
    """
    growth = _Growth(start_deg, end_deg, edge_speed_deg_s, r_over_v_s)

    def draw(time_s: Array) -> Picture:
        size, speed = growth.at(time_s)
        hole = disc_coverage(screen, azimuth_deg, elevation_deg, np.maximum(size - 2 * line_deg, 0))
        return Picture(
            disc_coverage(screen, azimuth_deg, elevation_deg, size) - hole,
            luminance,
            _track(azimuth_deg, elevation_deg, size, speed),
        )

    return animate(screen, timing, growth.duration_s, draw)


@stimulus
def dimming_disc(
    screen: Screen,
    *,
    start_deg: NonNegative = 0.0,
    end_deg: Positive = 60.0,
    edge_speed_deg_s: Positive | None = None,
    r_over_v_s: Positive | None = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    luminance: Fraction = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """The control for looming: a disc of ``end_deg`` that changes luminance as a looming disc would, and does not move.

    Its luminance goes from grey towards ``luminance`` with the square of the diameter, so that at every moment the
    field is as bright as with the looming disc of the same arguments (as long as that lies within the field).
    Arguments and errors are those of :func:`looming_disc`; the track gives the luminance instead of a size.
    """
    growth = _Growth(start_deg, end_deg, edge_speed_deg_s, r_over_v_s)

    def draw(time_s: Array) -> Picture:
        size, _ = growth.at(time_s)
        level = screen.background + (luminance - screen.background) * (size / end_deg) ** 2
        track = _track(azimuth_deg, elevation_deg, end_deg, 0.0) | {"luminance": level}
        return Picture(disc_coverage(screen, azimuth_deg, elevation_deg, end_deg), level[:, None, None], track)

    return animate(screen, timing, growth.duration_s, draw)


def _track(
    azimuth_deg: float, elevation_deg: float, size_deg: Array | float, speed_deg_s: Array | float
) -> dict[str, Array | float]:
    return {
        "azimuth_deg": azimuth_deg,
        "elevation_deg": elevation_deg,
        "size_deg": size_deg,
        "speed_deg_s": speed_deg_s,
    }
