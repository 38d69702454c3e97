"""Planted places, learned with everything else: from recorded places four degrees off, and from none.

    python benchmarks/places.py --start off unknown

The simulated set with ten neurons of each of three types, each looking somewhere of its own (standard deviation of
six degrees in azimuth and elevation). ``recorded`` trains with the true places, to the whole pixel, ``off`` says places
four degrees beside them in random directions, ``unknown`` says that all sit in the middle. A type's readout may take up
what its neurons have in common, so distances are given as they are and without the mean displacement of each type.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from record import write, written

from stcnn.config import compose
from stcnn.data.dataset import Dataset
from stcnn.run_folder import Run
from stcnn.simulation import SimulatedDataConfig, simulate
from stcnn.training.fit import train
from stcnn.training.places import places_table

OFF_DEG = 4.0
STARTS = {
    "recorded": [],
    "off": ["model.readout.place=learned", f"model.readout.place_sd_deg={OFF_DEG}"],
    "unknown": [
        *("model.readout.place=learned", "model.readout.place_sd_deg=10"),
        "model.readout.place_start=searched",
    ],
}


def recordings(seed: int, protocols: tuple[str, ...]) -> Dataset:
    """Return the simulated set, each neuron at a place of its own."""
    plan = SimulatedDataConfig(seed=seed, n_animals=10, neurons_per_animal=1, position_sd_deg=6.0, stimuli=protocols)
    return simulate(plan).dataset


def told(data: Dataset, start: str, seed: int) -> Dataset:
    """Return the recordings with what is known of places."""
    rng = np.random.default_rng(seed)
    said = {}
    for name, neurons in data.neurons.items():
        for neuron in neurons:
            angle = rng.uniform(0, 2 * np.pi)
            said[name, neuron] = OFF_DEG * np.array([np.cos(angle), np.sin(angle)]) / data.deg_per_px
    found = []
    for recording in data.recordings:
        shift_px = np.zeros(2)
        if start != "unknown":
            shift_px = np.array(recording.position_deg) / data.deg_per_px
        if start == "off":
            shift_px = shift_px + said[recording.cell_type, recording.neuron]
        azimuth, elevation = np.round(shift_px).astype(int).tolist()
        found.append(replace(recording, shift_px=(azimuth, elevation)))
    return Dataset.of(dict(data.movies), found, data.neurons)


def learned(start: str, seed: int, steps: int, protocols: tuple[str, ...], also: list[str]) -> dict[str, object]:
    """Train, and return how far neurons were found from where they are."""
    data = told(recordings(seed, protocols), start, seed)
    engine = ["training.compute=native", "training.device=cpu", f"training.steps={steps}", f"seed={seed}"]
    config = compose(["dataset=simulated", *engine, *STARTS[start], *also])
    began_s = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder), "places", {})
        model = train(data, config, run)
        scores = run.scores()
    cpu_s = time.process_time() - began_s
    truth = {(r.cell_type, r.neuron): r.position_deg for r in data.recordings}
    table = places_table(model, data)
    axes = ["azimuth_deg", "elevation_deg"]
    true_deg = np.array([truth[row.cell_type, row.neuron] for row in table.itertuples()])
    away = table[["cell_type"]].assign(azimuth_deg=table.azimuth_deg, elevation_deg=table.elevation_deg)
    away[axes] = away[axes] - true_deg
    apart = away[axes] - away.groupby("cell_type")[axes].transform("mean")
    of_type = away[axes].pow(2).sum(axis=1).pow(0.5).groupby(away.cell_type)
    before = np.linalg.norm(table[[f"recorded_{axis}" for axis in axes]].to_numpy() - true_deg, axis=1)
    best = scores.groupby("epoch").correlation.mean().max()
    return {
        "start": start,
        "seed": seed,
        "steps": steps,
        "protocols": " ".join(protocols),
        "also": " ".join(also),
        "told_median_deg": float(np.median(before)),
        **_distances("", away[axes].to_numpy()),
        **_distances("apart_", apart.to_numpy()),
        **{f"{name}_median_deg": float(np.median(found)) for name, found in of_type},
        "correlation": float(best),
        "cpu_s": cpu_s,
    }


def _distances(name: str, away_deg: np.ndarray) -> dict[str, float]:
    found = np.linalg.norm(away_deg, axis=1)
    quantiles = {"median": 0.5, "ninth_tenth": 0.9, "largest": 1.0}
    return {f"{name}{label}_deg": float(np.quantile(found, share)) for label, share in quantiles.items()}


def main() -> None:
    """Train from each start and add to the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", nargs="+", choices=list(STARTS), default=list(STARTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--protocols", nargs="+", default=["mixed"], help="that are shown")
    parser.add_argument("--also", nargs="*", default=[], help="further overrides, KEY=VALUE")
    given = parser.parse_args()
    for start in given.start:
        row = learned(start, given.seed, given.steps, tuple(given.protocols), given.also)
        write("places", [*rows_beside(row), row])


def rows_beside(row: dict[str, object]) -> list[dict[str, object]]:
    """Return the rows of earlier calls but for the one that this row replaces."""
    same = ("start", "seed", "steps", "protocols", "also")
    return [each for each in written("places") if any(each.get(name) != row.get(name) for name in same)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
