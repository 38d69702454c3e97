"""Simulated recordings as a folder to hand on: a store of recordings beside the truth."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from stcnn.data.store.writer import write_store
from stcnn.errors import FileError
from stcnn.simulation.population import Neuron
from stcnn.simulation.recordings import Simulation
from stcnn.writing import atomic_folder


def write_simulation(simulation: Simulation, folder: Path) -> Path:
    """Write recordings and their truth, for others to use.

    The folder holds ``recordings.zarr`` (a store of single trials, with the faults asked for), ``truth.npz`` (arrays
    ``voltage/STIMULUS`` and ``dff/STIMULUS``, neurons by frames), ``neurons.csv`` (a row per neuron, in that order),
    and ``simulation.yaml``, the configuration that makes the same again.

    Args:
        simulation: what to write.
        folder: where; must not exist.

    Raises:
        FileError: there is something at ``folder`` already, or it cannot be written.
    """
    if folder.exists():
        raise FileError(f"{folder} exists already", remedy="choose another name")
    config = simulation.config.model_copy(update={"average_trials": False})
    single = replace(simulation, config=config)
    with atomic_folder(folder) as draft:
        write_store(single.dataset, draft / "recordings.zarr", provenance=config.model_dump(mode="json"))
        truth = {
            f"{field}/{name}": getattr(responses, field)
            for name, responses in simulation.responses.items()
            for field in ("voltage", "dff")
        }
        np.savez(draft / "truth.npz", allow_pickle=False, **truth)
        pd.DataFrame(map(_row, simulation.neurons)).to_csv(draft / "neurons.csv", index=False)
        (draft / "simulation.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    return folder


def _row(neuron: Neuron) -> dict[str, object]:
    """A neuron with a column for each number."""
    row = asdict(neuron)
    row["azimuth_deg"], row["elevation_deg"] = row.pop("position_deg")
    row["azi_shift_px"], row["ele_shift_px"] = row.pop("shift_px")
    return row
