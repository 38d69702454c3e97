"""Objects that move along a straight line at constant speed."""

from __future__ import annotations

import numpy as np

from stcnn.errors import ConfigError
from stcnn.stimuli.coverage import direction, rectangle_coverage
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
    centre_deg: Point = (0.0, 0.0),
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
        start_deg: first position of its middle on the line of motion, counted from ``centre_deg``
            (default: just out of view).
        stop_deg: last position (default: just out of view on the other side).
        centre_deg: azimuth and elevation of a point on its path.
        luminance: of the rectangle, 0..1.
        timing: grey and holds.

    Raises:
        ConfigError: ``stop_deg`` is not beyond ``start_deg``.
    """
    path = _Path(screen, width_deg, direction_deg, centre_deg, (start_deg, stop_deg))

    def draw(time_s: Array) -> Picture:
        azimuth, elevation = path.at(time_s * speed_deg_s)
        coverage = rectangle_coverage(screen, (azimuth, elevation), (width_deg, height_deg), direction_deg)
        track = {
            "azimuth_deg": azimuth,
            "elevation_deg": elevation,
            "width_deg": width_deg,
            "height_deg": height_deg,
            "speed_deg_s": speed_deg_s,
        }
        return Picture(coverage, luminance, track)

    return animate(screen, timing, path.length_deg / speed_deg_s, draw)


class _Path:
    """A straight line across the field, long enough for an object of ``width_deg`` to enter and leave."""

    def __init__(
        self,
        screen: Screen,
        width_deg: float,
        direction_deg: float,
        centre_deg: Point,
        ends_deg: tuple[float | None, float | None],
    ) -> None:
        self.centre_deg, self.direction = centre_deg, direction(direction_deg)
        middle = -float(np.dot(centre_deg, self.direction))
        reach = (screen.extent_deg(direction_deg) + width_deg) / 2
        self.start_deg = middle - reach if ends_deg[0] is None else ends_deg[0]
        stop_deg = middle + reach if ends_deg[1] is None else ends_deg[1]
        self.length_deg = stop_deg - self.start_deg
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
