"""Where neurons look: angles that there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stcnn.errors import DataError

LARGEST_DEG = {"azimuth_deg": 360.0, "elevation_deg": 90.0}


def require_angles(values: Sequence[float], key: str, rows: Sequence[int], where: str) -> None:
    """Refuse an angle that there is not.

    Args:
        values: one for each row, NaN where it is not known.
        key: ``azimuth_deg`` or ``elevation_deg``.
        rows: the number of each row.
        where: the file and what its rows are called, as in ``neurons.csv, row``.

    Raises:
        DataError: there is one; the message gives its row.
    """
    largest_deg = LARGEST_DEG[key]
    wrong = np.flatnonzero(np.abs(np.array(values, float)) > largest_deg)
    if len(wrong):
        raise DataError(
            f"{where} {rows[wrong[0]]} has {key} of {values[wrong[0]]:g}",
            expected=f"degrees from -{largest_deg:g} to {largest_deg:g}",
        )
