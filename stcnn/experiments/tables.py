"""Tables of responses as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stcnn.errors import FileError, nearest
from stcnn.writing import atomic_write

TABLES = (".csv", ".parquet", ".npz")
"""Endings of tables."""


def write_responses(responses: pd.DataFrame, path: Path) -> Path:
    """Write responses (see :func:`stcnn.experiments.respond_together`) as CSV, Parquet or npz, whole or not at all.

    An npz has one array ``(T,)`` per stimulus and cell type, ``STIMULUS|CELL_TYPE|dff`` and ``...|voltage``, of an
    ensemble also ``...|dff_spread`` and ``...|voltage_spread``, and ``STIMULUS|time_s``.

    Raises:
        FileError: the ending is another, or the folder cannot be written to.
    """
    ending = path.suffix.lower()
    if ending not in TABLES:
        raise FileError(f"'{path}' ends in '{path.suffix}'", remedy=nearest(ending, TABLES))
    with atomic_write(path) as draft:
        if ending == ".csv":
            responses.to_csv(draft, index=False)
        elif ending == ".parquet":
            responses.to_parquet(draft, index=False)
        else:
            np.savez_compressed(draft, allow_pickle=False, **_arrays(responses))
    return path


def _arrays(responses: pd.DataFrame) -> dict[str, NDArray[np.floating]]:
    arrays = {}
    keys = ["stimulus", "cell_type", "time_s"]
    for (stimulus, cell_type), rows in responses.groupby(keys[:2], sort=False):
        arrays[f"{stimulus}|time_s"] = rows.time_s.to_numpy()
        for column in rows.columns.drop(keys):
            arrays[f"{stimulus}|{cell_type}|{column}"] = rows[column].to_numpy()
    return arrays
