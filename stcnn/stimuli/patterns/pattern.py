"""Patterns of LED arenas: what files of every generation hold."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import ShapeError

Codes = NDArray[np.uint8]
Generation = Literal["G3", "G4", "G4.1", "G6"]
PANEL_PX: dict[Generation, int] = {"G3": 8, "G4": 16, "G4.1": 16, "G6": 20}
"""Pixels along the side of a panel."""


class Pattern(NamedTuple):
    """Frames of an arena.

    Rows run from the top of the arena, columns in the order of its columns of panels, as a fly in the middle sees them
    from left to right where these are numbered clockwise.
    """

    codes: Codes
    """Grey levels ``(T, Y, X)`` from 0 to ``n_levels - 1``."""
    n_levels: int
    generation: Generation = "G4"
    """Kind of panels; a G4 file of version 1 does not say whether they are G4 or G4.1."""
    n_y: int = 1
    """Along how many rows of frames positions move: frame ``x + n_x y`` is that of position (x, y) from 0."""
    brightness: Codes | None = None
    """Brightness byte of each frame ``(T,)``: duty cycle out of 255 of G6 panels, ``stretch`` of G4 panels; None is
    what their makers' tools choose."""
    arena: int = 0
    """Number of the arena in the registry of its maker; 0 is none."""

    @property
    def n_x(self) -> int:
        """Frames along x."""
        return len(self.codes) // self.n_y

    def frame(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:
        """Return the numbers of the frames at positions that count from 0, around where they go beyond the last."""
        return np.asarray(x, np.int64) % self.n_x + self.n_x * (np.asarray(y, np.int64) % self.n_y)


def panels_of(pattern: Pattern, most: int) -> tuple[int, int]:
    """Return rows and columns of panels.

    Args:
        pattern: to be written.
        most: rows, and columns, that a header can count.

    Raises:
        ShapeError: the sides are no multiples of those of a panel, there are more panels or frames than a header can
            count, or frames do not make ``n_y`` rows.
    """
    n_frames, height, width = pattern.codes.shape
    side = PANEL_PX[pattern.generation]
    rows, columns = height // side, width // side
    if height % side or width % side or not 0 < rows <= most or not 0 < columns <= most:
        screen = f"Screen(shape_px=({3 * side}, {12 * side}), deg_per_px={360 / (12 * side):g})"
        raise ShapeError(
            f"a movie of {height} x {width} pixels does not fit the panels of a {pattern.generation} arena",
            expected=f"multiples of {side} pixels",
            remedy=f"render it on a screen such as {screen}",
        )
    if not 0 < n_frames < 2**16:
        raise ShapeError(f"a movie has {n_frames} frames", expected="at most 65535 in an arena pattern")
    if n_frames % pattern.n_y:
        raise ShapeError(f"{n_frames} frames do not make {pattern.n_y} rows of frames", expected="as many in each row")
    return rows, columns
