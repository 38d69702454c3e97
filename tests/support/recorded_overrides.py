"""Overrides that train a small network on recordings that lie beside the checkout and are not part of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
STORES = ("ketkar_l2l3", "t4_edges", "t5_voltage")
"""Sets whose stores the benchmarks make."""
RECORDED = (*STORES, "t4_stripes", "pooled")
"""Configurations of ``conf/dataset`` with such recordings."""


def recorded_store(name: str, to: Path) -> Path:
    """Make the store of a recorded set as the benchmark does, from the files beside the checkout."""
    command = [sys.executable, str(BENCHMARKS / "recorded_sets.py"), name, "--to", str(to)]
    subprocess.run(command, check=True, capture_output=True)
    return to / f"{name}.zarr"


def of_recordings(name: str, to: Path) -> list[str]:
    """Overrides of one of :data:`RECORDED`; what has to be made is put into the folder ``to``."""
    small = "model.hidden.channels=[2,2]"
    if name == "t4_stripes":
        return ["dataset.cell_types=[t4_layer1]", small]
    if name == "pooled":
        edges = f"dataset.sets.edges.path={recorded_store('t4_edges', to)}"
        return [edges, "+dataset.sets.stripes.cell_types=[t4_layer1]", small]
    return [f"dataset.path={recorded_store(name, to)}", small]
