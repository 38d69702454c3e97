"""A synthetic set of the published size on disk: size, time to open, samples per second, peak memory of loading.

250 movies of 1,600 frames at 83 x 83 pixels and 14,303 recordings (``--movies`` makes a part), as a store and as plain
``.pt`` folders. Everything is measured in a process of its own, so that peak memory is that of the reading alone; the
memory of an interpreter that has imported the package is subtracted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import record
import torch

from stcnn.data.dataset import Dataset
from stcnn.data.exporters import export_published
from stcnn.data.recordings import TABLE_COLUMNS, MoviesOnDemand, RecordingsOnDemand, Samples, neurons_of
from stcnn.data.store import write_store
from stcnn.movie import Movie

N_MOVIES, N_RECORDINGS, N_FRAMES, RATE_HZ, N_NEURONS = 250, 14_303, 1600, 180.0, 66

READ = """
import json, resource, sys, time
kind, path, workers, clips = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
import torch
from stcnn.data import BatchingConfig, PublishedDataConfig, loader, open_store, read_published
torch.set_num_threads(1)
def peak_mb(who=resource.RUSAGE_SELF): return resource.getrusage(who).ru_maxrss / 1024
before_mb, start = peak_mb(), time.perf_counter()
if kind == "store":
    data = open_store(path)
else:
    data = read_published(PublishedDataConfig(ca_path=path + "/ca", mov_path=path + "/mov", average_trials=False))
open_s, open_mb = time.perf_counter() - start, peak_mb() - before_mb
batches = loader(data, BatchingConfig(kind="recordings", batch_size=4), shuffle=True, n_workers=workers)
frames, start, seen = 0, time.perf_counter(), 0
reading = iter(batches)
for batch in reading:
    frames += batch.codes.shape[0] * batch.codes.shape[1]
    seen += len(batch.item)
    if seen >= clips:
        break
load_s = time.perf_counter() - start
del reading, batches
print(json.dumps({"open_s": open_s, "open_mb": open_mb, "samples_per_s": seen / load_s, "frames_per_s": frames / load_s,
    "peak_mb": peak_mb() - before_mb, "worker_mb": peak_mb(resource.RUSAGE_CHILDREN) - before_mb if workers else 0.0}))
"""


def make_movie(name: str) -> Movie:
    """A rectangle of one of a few grey values that crosses the picture, different for each name."""
    random = np.random.default_rng(int(name.removeprefix("vstim_")))
    codes = np.full((N_FRAMES, 83, 83), 1, np.uint8)
    height, width = random.integers(3, 40, 2)
    row, speed = int(random.integers(0, 83 - height)), random.uniform(0.05, 0.6)
    for t in range(200, N_FRAMES - 100):
        left = int((t - 200) * speed) % (83 + width) - width
        codes[t, row : row + height, max(0, left) : max(0, left + width)] = random.integers(0, 2) * 2 if t == 200 else 0
    return Movie(codes, RATE_HZ, levels=np.array([0, 0.498, 1], np.float32))


class Traces:
    """Makes the samples of a recording when asked."""

    time_s = np.arange(N_FRAMES) / RATE_HZ

    def __call__(self, index: int) -> Samples:
        """Smooth noise."""
        return np.random.default_rng(index).normal(size=N_FRAMES).astype(np.float32).cumsum() / 40, self.time_s


def made_up(n_movies: int) -> Dataset:
    """The set, made piece by piece as it is written."""
    random = np.random.default_rng(0)
    n_recordings = round(N_RECORDINGS * n_movies / N_MOVIES)
    shifts = random.integers(-15, 16, (N_NEURONS, 2))
    rows = []
    for i in range(n_recordings):
        stimulus, neuron = divmod(i, -(-n_recordings // n_movies))
        rows.append(
            [
                *("lc18", str(neuron), f"fly{neuron % 7}", "", f"vstim_{stimulus}", (0,), *shifts[neuron].tolist()),
                *(N_FRAMES, 0.0, (N_FRAMES - 1) / RATE_HZ, RATE_HZ, 0.0, True, RATE_HZ, np.nan, np.nan, ""),
            ]
        )
    table = pd.DataFrame(rows, columns=list(TABLE_COLUMNS))
    movies = MoviesOnDemand([f"vstim_{i}" for i in range(n_movies)], make_movie)
    return Dataset(movies, RecordingsOnDemand(table, Traces()), table, neurons_of(table), (83, 83), 1.0)


def size_mb(folder: Path) -> float:
    """Size of everything in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    """Write the set in both forms, read each in fresh processes, and write the table."""
    options = record.arguments(
        __doc__, movies=(N_MOVIES, "movies that are made"), clips=(200, "recordings that are loaded")
    )
    rows = []
    with TemporaryDirectory(dir=Path.cwd()) as temporary:
        data = made_up(options.movies)
        for kind, write in (("store", write_store), ("published", export_published)):
            path, start = Path(temporary) / kind, time.perf_counter()
            write(data, path)
            written = {"form": kind, "write_s": time.perf_counter() - start, "disk_mb": size_mb(path)}
            for workers in (0, 2):
                arguments = [kind, str(path), str(workers), str(options.clips)]
                answer = subprocess.run(
                    [sys.executable, "-c", READ, *arguments],
                    capture_output=True,
                    text=True,
                    check=True,
                    cwd=record.ROOT,
                )
                rows.append({**written, "workers": workers, **json.loads(answer.stdout.splitlines()[-1])})
                print(rows[-1], flush=True)
    record.write("data_loading", rows, part=f"{options.movies} of {N_MOVIES} movies", torch=torch.__version__)


if __name__ == "__main__":
    main()
