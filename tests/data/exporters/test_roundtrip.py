"""Recordings that left as NWB and came back train to the same losses as those from the folder."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.commands.test_data import answer
from tests.support.made_up_data import GREY, RATE_HZ, write_published
from tests.support.made_up_training import trained

SMALL = [
    *("model.eye.lattice=[5,5]", "model.hidden.channels=[2]", "model.hidden.kernel_columns=3"),
    *("model.cell_types={default:{window_columns:3}}", "split.validation=0.2", "batching.loss_start_s=-0.2"),
]


def both_ways(folder: Path, data: Path, **keys: object) -> tuple[Path, Path]:
    """Stores of the folder ``data``, and of its export as NWB."""
    values = {"kind": "published", "ca_path": str(data / "ca"), "mov_path": str(data / "mov")}
    (folder / "published.yaml").write_text(yaml.safe_dump(values | keys))
    (folder / "nwb.yaml").write_text(yaml.safe_dump({"kind": "nwb", "path": "nwb/*.nwb"}))
    direct, again = folder / "direct.zarr", folder / "again.zarr"
    answer("import", folder / "published.yaml", direct, "--no-check")
    answer("export", direct, folder / "nwb")
    answer("import", folder / "nwb.yaml", again, "--no-check")
    return direct, again


def losses(store: Path, runs: Path, *arguments: str) -> pd.DataFrame:
    """What two epochs of training from a store give, for each step and cell type."""
    options = ["dataset=store", f"dataset.path={store}", "training.epochs=2", "training.device=cpu"]
    return trained([*options, *arguments, f"experiments_dir={runs}"]).losses()


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert len(one) == len(other)
    numbers = one.select_dtypes("number").columns
    assert one.loss.notna().all()
    np.testing.assert_allclose(other[numbers], one[numbers], rtol=1e-6)


def test_nwb_and_back_trains_to_the_same_losses(tmp_path: Path) -> None:
    write_published(tmp_path / "data")
    direct, again = both_ways(tmp_path, tmp_path / "data", rate_hz=RATE_HZ, background=GREY)
    assert_same(losses(direct, tmp_path / "a", *SMALL), losses(again, tmp_path / "b", *SMALL))


@pytest.mark.slow
def test_t4_stripes_to_nwb_and_back_trains_to_the_same_losses(shared: Path, tmp_path: Path) -> None:
    direct, again = both_ways(tmp_path, shared / "data" / "t4_stripes", rate_hz=60.0)
    options = ("split.shifted_movies=apart", "batching.batch_size=16", "model.hidden.channels=[2,2]")
    assert_same(losses(direct, tmp_path / "a", *options), losses(again, tmp_path / "b", *options))
