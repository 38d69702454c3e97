"""Where the pixels of a movie are."""

import numpy as np
from numpy.typing import NDArray

from stcnn.movie import Movie


def degrees_from(movie: Movie, middle_deg: tuple[float, float]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Azimuth of the columns ``(X,)`` and elevation of the rows ``(Y,)``, right and up of a place."""
    rows, columns = movie.shape_px
    x = (np.arange(columns) - (columns - 1) / 2) * movie.deg_per_px - middle_deg[0]
    y = -(np.arange(rows) - (rows - 1) / 2) * movie.deg_per_px - middle_deg[1]
    return x, y
