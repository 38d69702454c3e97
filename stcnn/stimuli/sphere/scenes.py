"""Stimuli of true angular size anywhere around the fly: luminance as a function of direction and time.

A scene is a configuration; ``luminance(directions, time_s)`` takes unit vectors ``(..., 3)`` and gives luminance
``(...)`` from 0 to 1. Great circles, angles and gratings are those of the sphere, whatever display shows them.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from stcnn.movie import BACKGROUND
from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.directions import Floats, around
from stcnn.validation import Config

Fraction = Annotated[float, Field(ge=0, le=1)]
Azimuth = Annotated[float, Field(ge=-360, le=360)]
Elevation = Annotated[float, Field(ge=-90, le=90)]
Direction = tuple[Azimuth, Elevation]
Angle = Annotated[float, Field(gt=0, le=360)]


class Scene(Config):
    """What is seen in every direction at a time."""

    kind: str
    background: Fraction = BACKGROUND
    """Luminance where nothing else is."""

    @abstractmethod
    def luminance(self, vectors: Floats, time_s: float) -> Floats:
        """Return the luminance in directions ``(..., 3)``, 0 to 1."""


class Figure(Scene):
    """Form of all scenes that are something before the background."""

    object_luminance: Fraction = 0.0
    """Luminance of what is seen before the background."""

    def luminance(self, vectors: Floats, time_s: float) -> Floats:
        """Return the luminance of the figure where it is, elsewhere that of the background."""
        return np.where(self.covers(vectors, time_s), self.object_luminance, self.background)

    @abstractmethod
    def covers(self, vectors: Floats, time_s: float) -> NDArray[np.bool_]:
        """Return in which directions the figure is seen."""


class LoomingDisc(Figure):
    """A disc, or a sphere that comes nearer at constant speed on a line to the eye."""

    kind: Literal["looming_disc"] = "looming_disc"
    centre_deg: Direction = (0.0, 0.0)
    """Where its middle is."""
    r_over_v_s: PositiveFloat | None = None
    """Radius over speed of approach; None for a disc that keeps its size."""
    start_deg: Annotated[float, Field(gt=0, lt=360)] = 10.0
    """Diameter at time 0."""
    end_deg: Annotated[float, Field(gt=0, le=360)] = 180.0
    """Diameter at which it stops growing."""

    def size_deg(self, time_s: float) -> float:
        """Return its diameter: ``2 arctan((r/v) / t)`` with the time t to collision."""
        if self.r_over_v_s is None or time_s <= 0:
            return self.start_deg
        to_collision_s = self.r_over_v_s / np.tan(np.radians(self.start_deg / 2)) - time_s
        grown_deg = 2 * np.degrees(np.arctan2(self.r_over_v_s, to_collision_s))
        return float(min(grown_deg, max(self.end_deg, self.start_deg)))

    def covers(self, vectors: Floats, time_s: float) -> NDArray[np.bool_]:
        """Return what lies within half its diameter of its middle."""
        return directions.angle_deg(vectors, directions.unit(*self.centre_deg)) <= self.size_deg(time_s) / 2


class Bar(Figure):
    """A bar between two great circles through the poles of its turning, or a piece of one."""

    kind: Literal["bar"] = "bar"
    centre_deg: Direction = (0.0, 0.0)
    """Where its middle is at time 0; it moves along the great circle through there in its direction."""
    direction_deg: float = 0.0
    """Where it moves to: 0 rightward, 90 upward."""
    width_deg: Angle = 10.0
    """Size along the direction of movement."""
    length_deg: Annotated[float, Field(gt=0, le=180)] = 180.0
    """Size across it; 180 reaches from pole to pole."""
    speed_deg_s: float = 0.0
    """Along the great circle."""

    def covers(self, vectors: Floats, time_s: float) -> NDArray[np.bool_]:
        """Return what lies within its width along the great circle, and within its length beside that."""
        along_deg, beside_deg = great_circle_deg(vectors, self.centre_deg, self.direction_deg)
        away_deg = (along_deg - self.speed_deg_s * time_s + 180) % 360 - 180
        return (np.abs(away_deg) <= self.width_deg / 2) & (np.abs(beside_deg) <= self.length_deg / 2)


class Grating(Scene):
    """Bright and dark stripes that turn around an axis, run from one pole to the other, or lie in parallel planes."""

    kind: Literal["grating"] = "grating"
    COORDINATES: ClassVar[tuple[str, ...]] = ("rotation", "expansion", "translation", "parallel")
    motion: Literal["rotation", "expansion", "translation", "parallel"] = "rotation"
    """Along what they follow each other: around the pole; from the pole, as rings; by the distance at which a tunnel
    around the fly is seen; or as stripes whose middle one is a great circle, parallel where it passes (the angle from
    the plane to which the pole is upright)."""
    pole_deg: Direction = (0.0, -90.0)
    """Axis of the motion: what is turned around, right-handed (around what is below the fly, rightward), or come from;
    upright to the middle stripe of parallel ones."""
    wavelength_deg: PositiveFloat = 30.0
    """Angle of a dark and a bright stripe; of a translation, that distance over the radius of the tunnel times
    180/pi."""
    frequency_hz: float = 0.0
    """Cycles per second past every place."""
    phase_deg: float = 0.0
    """Phase at time 0; 360 is a wavelength."""
    waveform: Literal["sine", "square"] = "sine"
    """Profile of the stripes."""
    duty: Fraction = 0.5
    """Share of a wavelength that is bright, of square ones."""
    contrast: Fraction = 1.0
    """Difference of bright and dark, as a share of twice the background or of what is left to white."""

    def coordinate(self, vectors: Floats) -> Floats:
        """Return what stripes follow each other along, in radians."""
        axes = around(self.pole_deg)
        if self.motion == "rotation":
            return np.arctan2(vectors @ axes.right, vectors @ axes.up)
        from_pole = np.radians(directions.angle_deg(vectors, axes.pole))
        if self.motion == "translation":
            return np.tan(from_pole - np.pi / 2)
        return from_pole if self.motion == "expansion" else np.pi / 2 - from_pole

    def wave(self, vectors: Floats, time_s: float) -> Floats:
        """Return stripes from -1 (dark) to 1 (bright)."""
        cycles = self.coordinate(vectors) / np.radians(self.wavelength_deg)
        cycles = cycles - self.frequency_hz * time_s + self.phase_deg / 360
        if self.waveform == "sine":
            return np.sin(2 * np.pi * cycles)
        return np.where(cycles % 1 < self.duty, 1.0, -1.0)

    def luminance(self, vectors: Floats, time_s: float) -> Floats:
        """Return the background with stripes of equal size above and below it."""
        amplitude = self.contrast * min(self.background, 1 - self.background)
        return self.background + amplitude * self.wave(vectors, time_s)


class Dots(Figure):
    """Discs at random places of the sphere, equally dense everywhere, that turn together around an axis."""

    kind: Literal["dots"] = "dots"
    n_dots: Annotated[int, Field(gt=0, le=10_000)] = 300
    """How many there are on the whole sphere."""
    size_deg: Annotated[float, Field(gt=0, le=180)] = 5.0
    """Diameter of each."""
    pole_deg: Direction = (0.0, -90.0)
    """Axis of the turning, right-handed: around what is below the fly, rightward."""
    speed_deg_s: float = 0.0
    """Around the axis."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of their places."""

    def places(self) -> Floats:
        """Return where they are at time 0, unit vectors ``(n_dots, 3)``."""
        drawn = np.random.default_rng(self.seed).normal(size=(self.n_dots, 3))
        return directions.normalised(drawn)

    def covers(self, vectors: Floats, time_s: float) -> NDArray[np.bool_]:
        """Return what lies within half a diameter of the nearest dot."""
        from scipy.spatial import cKDTree

        moved = turned_around(self.places(), self.pole_deg, self.speed_deg_s * time_s)
        chord, _ = cKDTree(moved).query(vectors.reshape(-1, 3))
        return (chord <= 2 * np.sin(np.radians(self.size_deg / 4))).reshape(vectors.shape[:-1])


def great_circle_deg(vectors: Floats, centre_deg: Direction, direction_deg: float) -> tuple[Floats, Floats]:
    """Return how far directions lie along a great circle through a place, from -180 to 180, and beside it, to 90."""
    axes = around(centre_deg)
    angle = np.radians(direction_deg)
    ahead = np.cos(angle) * axes.right + np.sin(angle) * axes.up
    beside = np.cross(axes.pole, ahead)
    along_deg = np.degrees(np.arctan2(vectors @ ahead, vectors @ axes.pole))
    across: NDArray[Any] = np.clip(vectors @ beside, -1, 1)
    return along_deg, np.degrees(np.arcsin(across))


def turned_around(vectors: Floats, pole_deg: Direction, by_deg: float) -> Floats:
    """Return vectors turned around an axis, right-handed."""
    pole = directions.unit(*pole_deg)
    angle = np.radians(by_deg)
    along = (vectors @ pole)[..., None] * pole
    return along + np.cos(angle) * (vectors - along) + np.sin(angle) * np.cross(pole, vectors)
