"""Peak responses of ten cell types as Klapoetke et al. 2022 measured them (Zenodo 10.5281/zenodo.5950008)."""

from __future__ import annotations

import pandas as pd
from record import ROOT

MEASURED = ROOT.parent / "shared" / "data" / "lc_tuning_klapoetke2022.csv"
SIZES = [str(5619 + i) for i in range(49)]
"""Moving rectangles, height by height, of the widths and heights of :data:`SIZES_DEG`."""
LOOMING = ["321", "322", "325", "327", "329"]
"""Slow and fast disc, ring, receding disc, r/v = 40 ms."""
SIZES_DEG = ("2", "4.5", "9", "15", "30", "45", "90")


def measured() -> pd.DataFrame:
    """Mean peaks as a fraction of the reference, a row per cell type and a column per protocol."""
    if not MEASURED.is_file():
        raise SystemExit(f"needs the measured responses in {MEASURED}")
    table = pd.read_csv(MEASURED, dtype={"protocol": str})
    peaks = table.pivot(index="cell_type", columns="protocol", values="mean_pct_ref") / 100
    return peaks.rename(index=str.lower)[SIZES + LOOMING]
