"""Neurons whose place, the middle of the receptive field, lies beyond the edge of the pictures.

Such a neuron is compared with a stimulus that it may not have seen: either the screen went on and the pictures are too
small, or the place is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from stcnn.data.dataset import Dataset
from stcnn.data.edges import beyond_px


def looks_beyond(data: Dataset, rows: Sequence[int]) -> str:
    """What is said of a neuron with these recordings; empty where it looks at the picture in all of them."""
    beyond = beyond_px(data.table.iloc[list(rows)], data.shape_px)
    n_beyond = int((beyond > 0).any(axis=1).sum())
    if not n_beyond:
        return ""
    edge = str(beyond.max().idxmax())
    of = "" if n_beyond == len(beyond) else f" in {n_beyond} of {len(beyond)} recordings"
    return (
        f"looks {beyond[edge].max() * data.deg_per_px:.3g}° {edge} the picture{of}, where nothing is shown: import "
        "larger pictures if the screen went on, else look at its place"
    )
