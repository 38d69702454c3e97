"""Objects that move along a straight line at constant speed: rectangle, bar, edge and spot."""

from __future__ import annotations

import numpy as np

from stcnn.errors import ConfigError
from stcnn.stimuli.coverage import direction, disc_coverage, rectangle_coverage
from stcnn.stimuli.scene import Layer, Picture, animate, stimulus
from stcnn.stimuli.screen import AT_ONCE, Array, Fraction, Point, Positive, Screen, Timing


@stimulus
def moving_rectangle(
    screen: Screen,
    *,
    width_deg: Positive,
    height_deg: Positive,
    speed_deg_s: Positive = 100.0,
    direction_deg: float = 0.0,
    start_deg: float | None = None,
    stop_deg: float | None = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    luminance: Fraction = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """A rectangle that crosses the field.

    Args:
        screen: where to draw.
        width_deg: its side along the motion.
        height_deg: its side across the motion.
        speed_deg_s: its speed.
        direction_deg: of motion; 0 rightward, 90 upward.
        start_deg: first position of its middle, in the direction of motion and counted from azimuth_deg and
            elevation_deg (default: just out of view).
        stop_deg: last position (default: just out of view on the other side).
        azimuth_deg: of a point on its path.
        elevation_deg: of that point.
        luminance: of the rectangle, 0..1.
        timing: grey and holds.

    Raises:
        ConfigError: ``stop_deg`` is not beyond ``start_deg``.
    """
    path = _Path(screen, direction_deg, (azimuth_deg, elevation_deg), width_deg, (start_deg, stop_deg))

    def draw(time_s: Array) -> Picture:
        centre = path.at(time_s * speed_deg_s)
        coverage = rectangle_coverage(screen, centre, (width_deg, height_deg), direction_deg)
        sizes = {"width_deg": width_deg, "height_deg": height_deg}
        return Picture(coverage, luminance, _track(centre, speed_deg_s) | sizes)

    return animate(screen, timing, path.length_deg / speed_deg_s, draw)


@stimulus
def moving_bar(
    screen: Screen,
    *,
    width_deg: Positive,
    speed_deg_s: Positive = 100.0,
    direction_deg: float = 0.0,
    start_deg: float | None = None,
    stop_deg: float | None = None,
    luminance: Fraction = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """A bar as long as the field that crosses it broadside.

    Arguments and errors are those of :func:`moving_rectangle`.
    """
    path = _Path(screen, direction_deg, (0.0, 0.0), width_deg, (start_deg, stop_deg))

    def draw(time_s: Array) -> Picture:
        centre = path.at(time_s * speed_deg_s)
        coverage = rectangle_coverage(screen, centre, (width_deg, path.beyond_deg), direction_deg)
        return Picture(coverage, luminance, _track(centre, speed_deg_s) | {"width_deg": width_deg})

    return animate(screen, timing, path.length_deg / speed_deg_s, draw)


@stimulus
def moving_edge(
    screen: Screen,
    *,
    speed_deg_s: Positive = 100.0,
    direction_deg: float = 0.0,
    start_deg: float | None = None,
    stop_deg: float | None = None,
    luminance: Fraction = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """A straight edge that sweeps the field and leaves ``luminance`` behind it.

    The positions and the track are those of the edge; arguments and errors are those of :func:`moving_rectangle`.
    """
    path = _Path(screen, direction_deg, (0.0, 0.0), 0.0, (start_deg, stop_deg))

    def draw(time_s: Array) -> Picture:
        edge = path.at(time_s * speed_deg_s)
        middle = edge[0] - path.direction[0] * path.beyond_deg / 2, edge[1] - path.direction[1] * path.beyond_deg / 2
        coverage = rectangle_coverage(screen, middle, (path.beyond_deg, path.beyond_deg), direction_deg)
        return Picture(coverage, luminance, _track(edge, speed_deg_s))

    return animate(screen, timing, path.length_deg / speed_deg_s, draw)


@stimulus
def moving_spot(
    screen: Screen,
    *,
    size_deg: Positive,
    speed_deg_s: Positive = 100.0,
    direction_deg: float = 0.0,
    start_deg: float | None = None,
    stop_deg: float | None = None,
    azimuth_deg: float = 0.0,
    elevation_deg: float = 0.0,
    luminance: Fraction = 0.0,
    timing: Timing = AT_ONCE,
) -> Layer:
    """A disc that crosses the field.

    Args:
        screen: where to draw.
        size_deg: its diameter.
        speed_deg_s: its speed.
        direction_deg: of motion; 0 rightward, 90 upward.
        start_deg: first position of its middle, in the direction of motion and counted from azimuth_deg and
            elevation_deg (default: just out of view).
        stop_deg: last position (default: just out of view on the other side).
        azimuth_deg: of a point on its path.
        elevation_deg: of that point.
        luminance: of the disc, 0..1.
        timing: grey and holds.

    Raises:
        ConfigError: ``stop_deg`` is not beyond ``start_deg``.
    """
    path = _Path(screen, direction_deg, (azimuth_deg, elevation_deg), size_deg, (start_deg, stop_deg))

    def draw(time_s: Array) -> Picture:
        centre = path.at(time_s * speed_deg_s)
        return Picture(
            disc_coverage(screen, *centre, size_deg), luminance, _track(centre, speed_deg_s) | {"size_deg": size_deg}
        )

    return animate(screen, timing, path.length_deg / speed_deg_s, draw)


class _Path:
    """A straight line through ``centre_deg``, by default long enough for ``width_deg`` to enter and leave the field."""

    def __init__(
        self,
        screen: Screen,
        direction_deg: float,
        centre_deg: Point,
        width_deg: float,
        ends_deg: tuple[float | None, float | None],
    ) -> None:
        self.centre_deg = centre_deg
        self.direction = direction(direction_deg)
        field_middle = -float(np.dot(centre_deg, self.direction))
        reach = (screen.extent_deg(direction_deg) + width_deg) / 2
        self.start_deg = field_middle - reach if ends_deg[0] is None else ends_deg[0]
        stop_deg = field_middle + reach if ends_deg[1] is None else ends_deg[1]
        self.length_deg = stop_deg - self.start_deg
        self.beyond_deg = 2 * (np.hypot(screen.width_deg, screen.height_deg) + abs(self.start_deg) + abs(stop_deg))
        """A length that no part of the field sees the end of."""
        if not self.length_deg > 0:
            raise ConfigError(
                f"a moving object starts at {self.start_deg:g} and stops at {stop_deg:g} degrees",
                expected="stop_deg beyond start_deg",
                remedy="turn the motion round with direction_deg",
            )

    def at(self, travelled_deg: Array) -> tuple[Array, Array]:
        """Azimuth and elevation after a way travelled."""
        along = self.start_deg + travelled_deg
        return self.centre_deg[0] + along * self.direction[0], self.centre_deg[1] + along * self.direction[1]


def _track(centre_deg: tuple[Array, Array], speed_deg_s: float) -> dict[str, Array | float]:
    return {"azimuth_deg": centre_deg[0], "elevation_deg": centre_deg[1], "speed_deg_s": speed_deg_s}
