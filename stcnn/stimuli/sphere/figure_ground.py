"""A figure before a ground, both textured, of true angular size anywhere in the visual field.

Where textures are alike, only their motion tells the figure from the ground (Reichardt and Poggio 1979, doi
10.1007/BF00337434).
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from stcnn.stimuli.sphere import directions
from stcnn.stimuli.sphere.directions import Floats, around
from stcnn.stimuli.sphere.scenes import Bar, Dots, Grating, LoomingDisc, Scene, turned_around

Outline = Annotated[Bar | LoomingDisc, Field(discriminator="kind")]
Texture = Annotated[Dots | Grating, Field(discriminator="kind")]


class FigureAndGround(Scene):
    """A bar or a disc with a texture of its own, before a ground with another."""

    kind: Literal["figure_and_ground"] = "figure_and_ground"
    figure: Outline = Bar(width_deg=15, length_deg=60)
    """Where the figure is, how large, and how it moves; its luminance is that of the texture."""
    texture: Texture = Dots(n_dots=1000, seed=1)
    """What is seen in the figure at time 0."""
    ground: Texture = Dots(n_dots=1000, seed=2)
    """What is seen elsewhere, with its own motion."""
    carried: bool = True
    """Whether the texture moves with a bar; otherwise the bar is a window before a texture with its own motion."""

    def luminance(self, vectors: Floats, time_s: float) -> Floats:
        """Return the luminance of the texture where the figure is, elsewhere that of the ground."""
        in_figure = self.texture.luminance(self._before_motion(vectors, time_s), time_s)
        return np.where(self.figure.covers(vectors, time_s), in_figure, self.ground.luminance(vectors, time_s))

    def _before_motion(self, vectors: Floats, time_s: float) -> Floats:
        """Return where what is now seen in some directions was at time 0, if it moves with the figure."""
        if not self.carried or not isinstance(self.figure, Bar) or not self.figure.speed_deg_s:
            return vectors
        axes = around(self.figure.centre_deg)
        angle = np.radians(self.figure.direction_deg)
        axis = np.cross(axes.pole, np.cos(angle) * axes.right + np.sin(angle) * axes.up)
        axis_deg = (float(directions.azimuth_deg(axis)), float(directions.elevation_deg(axis)))
        return turned_around(vectors, axis_deg, -self.figure.speed_deg_s * time_s)
