"""Where neurons look, against where the picture ends: beyond it lies the background, which nothing crosses."""

from __future__ import annotations

import pandas as pd


def beyond_px(table: pd.DataFrame, shape_px: tuple[int, int]) -> pd.DataFrame:
    """Pixels by which the place that a shift brings to the middle lies beyond each edge of the picture.

    Args:
        table: of recordings, as of a data set.
        shape_px: rows and columns of the movies.

    Returns:
        One row per recording, a column per edge, named as in "to look ... the picture"; zero or less inside.
    """
    rows, columns = shape_px
    return pd.DataFrame(
        {
            "left of": -columns / 2 - table.azi_shift_px,
            "right of": table.azi_shift_px - columns / 2,
            "above": table.ele_shift_px - rows / 2,
            "below": -rows / 2 - table.ele_shift_px,
        }
    )
