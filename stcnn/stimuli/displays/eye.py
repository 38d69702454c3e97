"""A measured eye in front of a display, in the array of a model: what its columns see, as the model takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stcnn.stimuli.displays.display import Display
from stcnn.stimuli.displays.optics import Optics
from stcnn.stimuli.sphere.columns import Columns
from stcnn.stimuli.sphere.directions import Floats


@dataclass(frozen=True)
class EyeOptics:
    """What the columns of one eye see of a display, laid in the array of a hexagonal lattice.

    Args:
        columns: of the eye, with their places p and q.
        array: their numbers ``(rows, columns)``; -1 where the eye has none.
        optics: from the display to the columns.
    """

    columns: Columns
    array: NDArray[np.int64]
    optics: Optics

    @classmethod
    def of(cls, display: Display, columns: Columns) -> EyeOptics:
        """Return the eye in front of a display.

        Raises:
            DataError: the columns are of several eyes, or have no places p and q.
        """
        return cls(columns, columns.array(), Optics.of(display, columns.looks, columns.fwhm_deg))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the array, which are those of ``model.eye.lattice``."""
        return int(self.array.shape[0]), int(self.array.shape[1])

    def see(self, luminance: NDArray[Any], surround: float) -> NDArray[Any]:
        """Return what the columns see of frames ``(..., Y, X)``, in the array ``(..., rows, columns)``.

        Args:
            luminance: of the pixels of the display.
            surround: luminance beside the display, and where the eye has no column.
        """
        return self.laid(self.optics.see(luminance, surround), surround)

    def laid(self, seen: NDArray[Any], elsewhere: float) -> NDArray[Any]:
        """Return values of columns ``(..., n)`` in the array ``(..., rows, columns)``."""
        return np.where(self.array >= 0, seen[..., self.array], np.asarray(elsewhere, seen.dtype))

    def of_columns(self, maps: NDArray[Any]) -> NDArray[Any]:
        """Return the values of the columns ``(..., n)`` that stand in the array ``(..., rows, columns)``."""
        there = self.array >= 0
        found = np.empty((*maps.shape[:-2], len(self.columns)), maps.dtype)
        found[..., self.array[there]] = maps[..., there]
        return found

    def on_display(self, maps: NDArray[Any]) -> Floats:
        """Return gradients by the columns ``(..., rows, columns)`` as gradients by the pixels ``(..., Y, X)``."""
        each = self.of_columns(maps)
        flat = each.reshape(-1, each.shape[-1]) @ self.optics.weights
        return np.asarray(flat).reshape(*each.shape[:-1], *self.optics.shape_px)
