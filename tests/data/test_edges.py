"""Where pictures end for a neuron, by the same shifts with which they are moved."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from stcnn.data.edges import beyond_px
from stcnn.data.pictures import place

ODD = st.integers(0, 4).map(lambda half: 2 * half + 1)
SHIFT_PX = st.integers(-7, 7)


@given(rows=ODD, columns=ODD, azi=SHIFT_PX, ele=SHIFT_PX)
def test_a_place_lies_beyond_where_the_shifted_picture_no_longer_covers_the_middle(
    rows: int, columns: int, azi: int, ele: int
) -> None:
    bright = np.ones((1, rows, columns), np.float32)
    moved = np.zeros_like(bright)
    place(moved, bright, 0, (azi, ele))
    covers = bool(moved[0, rows // 2, columns // 2])
    shift = pd.DataFrame({"azi_shift_px": [azi], "ele_shift_px": [ele]})
    assert (beyond_px(shift, (rows, columns)) <= 0).all(axis=None) == covers


def test_the_distance_is_from_the_edge_and_the_edge_is_named() -> None:
    shifts = pd.DataFrame({"azi_shift_px": [0, 0, 12, -14], "ele_shift_px": [-6, 7, 0, 6]})
    beyond = beyond_px(shifts, (10, 20))
    assert beyond.idxmax(axis=1).astype(str).tolist() == ["below", "above", "right of", "left of"]
    assert beyond.max(axis=1).tolist() == [1.0, 2.0, 2.0, 4.0]
