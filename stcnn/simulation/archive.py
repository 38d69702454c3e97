"""Simulated recordings on disk: the cache of data sets that are made on first use, and folders to hand on.

A cached simulation is one ``.npz`` file with voltages, noise-free dF/F and trials; movies are rendered again from
their parameters. Its name is a hash of the configuration and of the code that makes it, so it never goes stale.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from importlib import resources
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from stcnn.data import Dataset
from stcnn.errors import FileError
from stcnn.reading import open_npz
from stcnn.simulation.population import Neuron
from stcnn.simulation.recordings import Responses, SimulatedDataConfig, Simulation, movies_of, simulate
from stcnn.writing import atomic_write, cache_folder

CODE = ("stcnn.simulation", "stcnn.stimuli")
"""Packages whose source the content of a cached simulation depends on."""


def simulated_dataset(config: SimulatedDataConfig) -> Dataset:
    """The recordings of a configuration, simulated on first use and then taken from the cache."""
    return cached_simulation(config).dataset


def cached_simulation(config: SimulatedDataConfig, folder: Path | None = None) -> Simulation:
    """The simulation of a configuration, from the cache or made and put there.

    Args:
        config: what is simulated.
        folder: the cache (default: see :func:`stcnn.writing.cache_folder`).

    Raises:
        ConfigError: as in :func:`~stcnn.simulation.recordings.simulate`.
        FileError: the cache cannot be written.
    """
    file = (folder or cache_folder()) / f"simulation_{fingerprint(config)}.npz"
    if file.is_file():
        try:
            return _load(file, config)
        except FileError:
            pass  # damaged from outside: made again
    simulation = simulate(config)
    _save(file, simulation)
    return simulation


def fingerprint(config: SimulatedDataConfig) -> str:
    """Hash of a configuration and of the code and tables that turn it into recordings."""
    digest = hashlib.sha256(config.model_dump_json().encode())
    for package in CODE:
        folder = Path(str(resources.files(package)))
        for source in sorted(file for file in folder.rglob("*") if file.suffix in {".py", ".yaml"}):
            digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:20]


def _save(file: Path, simulation: Simulation) -> None:
    arrays = {"neurons": np.array(json.dumps([asdict(neuron) for neuron in simulation.neurons]))}
    for name, responses in simulation.responses.items():
        arrays[f"voltage/{name}"] = responses.voltage
        arrays[f"dff/{name}"] = responses.dff
        for trial, (traces, time_s) in enumerate(zip(responses.trials, responses.times_s, strict=True)):
            arrays[f"trials/{name}/{trial}"] = traces
            arrays[f"times_s/{name}/{trial}"] = time_s
    try:
        with atomic_write(file) as draft:
            np.savez(draft, allow_pickle=False, **arrays)
    except FileError as error:
        raise FileError(error.found, remedy=f"{error.remedy}; STCNN_CACHE names the folder") from error


def _load(file: Path, config: SimulatedDataConfig) -> Simulation:
    with open_npz(file, "a simulation") as arrays:
        neurons = TypeAdapter(list[Neuron]).validate_json(str(arrays["neurons"]))
        movies = movies_of(config)
        responses = {}
        for name in movies:
            trials = [arrays[f"trials/{name}/{trial}"] for trial in range(config.n_trials)]
            times_s = [arrays[f"times_s/{name}/{trial}"] for trial in range(config.n_trials)]
            responses[name] = Responses(arrays[f"voltage/{name}"], arrays[f"dff/{name}"], trials, times_s)
    return Simulation(config, neurons, movies, responses)
