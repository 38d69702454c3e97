"""Responses are written as tables that read back."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stcnn.errors import FileError
from stcnn.experiments import write_responses


@pytest.mark.parametrize("ending", ["csv", "CSV", "parquet", "npz", "NPZ"])
def test_tables_read_back(ending: str, tmp_path: Path):
    rows = [("s", c, t / 10, float(t), t / 3) for c in ("a", "b") for t in range(3)]
    table = pd.DataFrame(rows, columns=["stimulus", "cell_type", "time_s", "voltage", "dff"])
    path = write_responses(table, tmp_path / f"table.{ending}")
    if ending.lower() == "npz":
        with np.load(path, allow_pickle=False) as arrays:
            np.testing.assert_array_equal(arrays["s|b|dff"], table.dff[3:])
            np.testing.assert_array_equal(arrays["s|time_s"], [0, 0.1, 0.2])
    else:
        read = pd.read_csv(path) if ending.lower() == "csv" else pd.read_parquet(path)
        pd.testing.assert_frame_equal(read, table, check_dtype=False)


def test_unknown_ending_of_the_table_is_refused(tmp_path: Path):
    with pytest.raises(FileError, match=r"ends in '.xls'"):
        write_responses(pd.DataFrame(), tmp_path / "table.xls")
