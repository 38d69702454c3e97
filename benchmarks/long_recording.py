"""A continuous recording: noise of 60 frames a second at 83 x 83 pixels, 50 neurons, trained on in pieces.

One whole pass (epoch) of the default network over each length, in a process of its own, with the memory that it takes
at most, the movie in 8 bits (0.41 MB a second) included.

python benchmarks/long_recording.py --minutes 5 30
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import numpy as np
import record
import torch

from stcnn.config import compose
from stcnn.data import BatchingConfig, Dataset, Recording, loader
from stcnn.evaluate import Passes
from stcnn.metrics import mean_squared_error
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.training.fit import population_of
from stcnn.training.places import network_for

RATE_HZ, N_NEURONS, SHAPE_PX, REACH_PX = 60.0, 50, (83, 83), 15


def noise(minutes: float) -> Dataset:
    """Return white noise and what 50 neurons of two types, up to 15 degrees from the middle, were recorded at 15 Hz."""
    random = np.random.default_rng(0)
    n_frames = round(60 * minutes * RATE_HZ)
    movie = Movie(random.integers(0, 256, (n_frames, *SHAPE_PX), np.uint8), RATE_HZ, background=0.5)
    time_s = np.arange(0.05, n_frames / RATE_HZ - 0.1, 1 / 15)
    recordings = []
    for n in range(N_NEURONS):
        trace = random.normal(size=len(time_s)).astype(np.float32)
        shift_px = tuple(random.integers(-REACH_PX, REACH_PX + 1, 2).tolist())
        recordings.append(
            Recording(("lc11", "lc4")[n % 2], str(n), "noise", trace, time_s, 15.0, shift_px=shift_px, exposure_s=0.06)
        )
    return Dataset.of({"noise": movie}, recordings)


def measure(minutes: float, piece_s: float) -> dict[str, float]:
    """Train for one pass over the recording."""
    torch.set_num_threads(1)
    data = noise(minutes)
    config = compose([])
    batching = BatchingConfig(kind="movies", piece_s=piece_s, batch_size=1)
    recipe = config.model_copy(update={"batching": batching})
    model = STCNN(network_for(data, recipe), population_of(data, config.model)).train()
    model.hidden.compute = "native"
    optimiser = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), 1e-4)
    passes = Passes(model)
    loaded_mb = peak_mb()
    start_s, start_cpu_s, n_steps = time.perf_counter(), time.process_time(), 0
    for batch in loader(data, batching, shuffle=True):
        optimiser.zero_grad()
        error = mean_squared_error(passes.predict(batch), batch.target, batch.weight)
        error[batch.weight.sum(1) > 0].mean().backward()
        optimiser.step()
        n_steps += 1
    return {
        "minutes": minutes,
        "piece_s": piece_s,
        "steps": n_steps,
        "columns": model.config.eye.lattice[0] * model.config.eye.lattice[1],
        "epoch_s": time.perf_counter() - start_s,
        "epoch_cpu_s": time.process_time() - start_cpu_s,
        "peak_mb": peak_mb(),
        "before_training_mb": loaded_mb,
        "movie_mb": data.movies["noise"].frames.nbytes / 1e6,
    }


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, in MB (Linux counts it in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    """Measure every length and write the table."""
    options = record.arguments(
        __doc__,
        minutes=([5.0, 30.0], "lengths"),
        piece_s=(10.0, "length of a piece"),
    )
    rows = []
    for minutes in options.minutes:
        command = [sys.executable, __file__, "one", str(minutes), str(options.piece_s)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    record.write("long_recording", rows, neurons=N_NEURONS, rate_hz=RATE_HZ, threads=1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measure(float(sys.argv[2]), float(sys.argv[3]))))
    else:
        main()
