"""Square cells of the field, in which receptive fields are drawn: those of the checks of noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.experiments.physiology.curves import Axis, Values
from stcnn.stimuli import Screen
from stcnn.stimuli.coverage import overlaps

Array = NDArray[np.floating[Any]]
USUAL_DEG = 6.0
WIDEST_DEG = 10.0


def side_deg(screen: Screen) -> float:
    """Return the side of the cells: the whole number of pixels nearest to 6 degrees whose borders lie on pixels'.

    Cells are counted from the middle, so that which sizes fit depends on the number of pixels; noise of others has as
    many greys as pixels that straddle. Where none up to 10 degrees fits, it is 6 degrees.
    """
    fitting = [n for n in range(1, int(WIDEST_DEG / screen.deg_per_px) + 1) if _fits(screen.shape_px, n)]
    wanted = USUAL_DEG / screen.deg_per_px
    return screen.deg_per_px * min(fitting, key=lambda n: abs(n - wanted)) if fitting else USUAL_DEG


def _fits(shape_px: tuple[int, int], side_px: int) -> bool:
    return all((n_px - -(-n_px // side_px) * side_px) % 2 == 0 for n_px in shape_px)


@dataclass(frozen=True)
class Cells:
    """A grid of cells over a screen, as noise of the same check size has it.

    Args:
        screen: the screen.
        side_deg: of each cell.
    """

    screen: Screen
    side_deg: float

    @classmethod
    def of(cls, screen: Screen) -> Cells:
        """Return the usual cells of a screen."""
        return cls(screen, side_deg(screen))

    def _along(self, edges_deg: Array) -> tuple[Values, Values]:
        """Return middles of the cells ``(C,)`` and the share of each pixel in each of them ``(P, C)``."""
        count = int(np.ceil(np.round((edges_deg[-1] - edges_deg[0]) / self.side_deg, 9)))
        borders_deg = (np.arange(count + 1) - count / 2) * self.side_deg
        return (borders_deg[1:] + borders_deg[:-1]) / 2, overlaps(edges_deg, borders_deg).astype(float)

    @property
    def azimuth(self) -> Axis:
        """Columns of cells from left to right."""
        return Axis("azimuth_deg", "azimuth", "°", self._along(self.screen.x_edges_deg)[0])

    @property
    def elevation(self) -> Axis:
        """Rows of cells from bottom to top."""
        return Axis("elevation_deg", "elevation", "°", self._along(-self.screen.y_edges_deg)[0])

    def sums(self, pictures: Array) -> Values:
        """Sum pixels ``(..., Y, X)`` in each cell, ``(..., V, W)`` from bottom to top and left to right."""
        rows = self._along(-self.screen.y_edges_deg)[1]
        columns = self._along(self.screen.x_edges_deg)[1]
        return np.asarray((rows.T @ pictures @ columns)[..., ::-1, :])

    def means(self, pictures: Array) -> Values:
        """Return the mean of pixels in each cell, as :meth:`sums`."""
        return np.asarray(self.sums(pictures) / self.sums(np.ones(self.screen.shape_px)))
