"""An epoch of a synthetic set of the published size: 250 movies of 1,600 frames, 14,303 recordings of 66 neurons.

A part of it is made (``--movies``), some batches of it are loaded and trained on for real, and the epoch is computed
from their time: it is proportional to the number of batches. Loading is timed apart, as a training step waits for it.
Processor time of all threads stands beside wall time: of a machine that others use too it says more. ``--direct 1``
also takes one training step of the direct form on a clip, and writes how many times as long its epoch would take.
"""

from __future__ import annotations

import math
import resource
import time

import numpy as np
import record
import torch
from direct_form import direct_calls
from record import CELL_TYPES, RATE_HZ

from stcnn.data.batching import BatchingConfig, loader
from stcnn.data.dataset import Dataset, Recording
from stcnn.evaluate import predict_batch
from stcnn.metrics import mean_squared_error
from stcnn.movie import Movie
from stcnn.nn.hidden_stack import Compute
from stcnn.nn.model import STCNN
from stcnn.training.places import network_for
from stcnn.training.recipe import Recipe

N_MOVIES, N_RECORDINGS, MOVIE_FRAMES, BEFORE_S = 250, 14_303, 1260, 2.0


def part_of_the_set(n_movies: int) -> Dataset:
    """Return movies that begin 2 s after the traces do, and a share of the recordings, each neuron at its place."""
    random = np.random.default_rng(0)
    shifts = {(t, str(i)): tuple(random.integers(-15, 16, 2).tolist()) for t, n in CELL_TYPES.items() for i in range(n)}
    n_samples = MOVIE_FRAMES + round(BEFORE_S * RATE_HZ)
    time_s = np.arange(n_samples) / RATE_HZ - BEFORE_S
    movies, recordings = {}, []
    for m in range(n_movies):
        movies[f"vstim_{m}"] = Movie(random.integers(0, 256, (MOVIE_FRAMES, 83, 83), np.uint8), RATE_HZ)
        chosen = random.permutation(len(shifts))[: round(N_RECORDINGS / N_MOVIES)]
        for cell_type, neuron in (list(shifts)[i] for i in chosen):
            trace = random.normal(size=n_samples).astype(np.float32)
            shift = shifts[cell_type, neuron]
            recordings.append(Recording(cell_type, neuron, f"vstim_{m}", trace, time_s, RATE_HZ, shift_px=shift))
    return Dataset.of(movies, recordings, {t: [str(i) for i in range(n)] for t, n in CELL_TYPES.items()})


def main() -> None:
    """Measure batches of every kind and write the table."""
    options = record.arguments(
        __doc__,
        movies=(12, "movies that are made"),
        batches=(4, "batches that are timed, after one that is not"),
        paths=(["torch"], "implementations of the hidden stack"),
        kinds=(["recordings", "presentations", "movies"], "kinds of batching"),
        direct=(0, "1 also measures the direct form"),
    )
    data, rows = part_of_the_set(options.movies), []
    for path in options.paths:
        for config in (
            BatchingConfig(kind="recordings", batch_size=20),
            BatchingConfig(kind="presentations", batch_size=20),
            BatchingConfig(kind="movies", batch_size=2),
        ):
            if config.kind in options.kinds:
                timed = timed_batches(data, config, path, options.batches)
                rows.append({"path": path, "batching": config.kind, **timed})
    if options.direct:
        whole_cpu_min = direct_epoch_cpu_min()
        rows = [{**row, "direct_is_times": whole_cpu_min / row["epoch_cpu_min"]} for row in rows]
        rows.append({"path": "direct", "batching": "recordings", "epoch_cpu_min": whole_cpu_min})
    record.write("epoch", rows, epoch="computed from the timed batches", part=f"{options.movies} of {N_MOVIES} movies")


def direct_epoch_cpu_min() -> float:
    """Return the processor minutes of an epoch in the direct form, from one training step on one clip, unloaded."""
    step, _ = direct_calls(record.published_size_model(), record.clips(1))
    start_s = time.process_time()
    step()
    return (time.process_time() - start_s) * N_RECORDINGS / 60


def timed_batches(data: Dataset, config: BatchingConfig, path: Compute, n_batches: int) -> dict[str, float]:
    """Train on some batches; return the time of loading, of the step, and of the epoch they make up."""
    model = record.published_size_model()
    if config.kind == "movies":
        recipe = Recipe(model=model.config, batching=config)
        model = STCNN(network_for(data, recipe), model.population)  # on the lattice that a training has
    model.train()
    model.hidden.compute = path
    optimiser = torch.optim.Adam(p for p in model.parameters() if p.requires_grad)
    batches = iter(loader(data, config, seed=0, shuffle=True))
    loading, stepping, cpu, n_items = [], [], [], []
    for _ in range(n_batches + 1):
        start, start_cpu = time.perf_counter(), time.process_time()
        batch = next(batches)
        loaded = time.perf_counter()
        optimiser.zero_grad()
        mean_squared_error(predict_batch(model, batch), batch.target, batch.weight).mean().backward()
        optimiser.step()
        loading.append(loaded - start)
        stepping.append(time.perf_counter() - loaded)
        cpu.append(time.process_time() - start_cpu)
        n_items.append(len(batch.item))
    per_recording = sum(loading[1:] + stepping[1:]) / sum(n_items[1:])
    return {
        "recordings_per_batch": float(np.mean(n_items[1:])),
        "loading_s": float(np.mean(loading[1:])),
        "step_s": float(np.mean(stepping[1:])),
        "epoch_min": per_recording * N_RECORDINGS / 60,
        "epoch_cpu_min": sum(cpu[1:]) / sum(n_items[1:]) * N_RECORDINGS / 60,
        "columns": math.prod(model.config.eye.lattice),
        "peak_memory_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


if __name__ == "__main__":
    main()
