"""A synthetic set of the published size on disk: size, time to open, loading against the training step, peak memory.

250 movies of 1,600 frames at 83 x 83 pixels and 14,303 recordings (``--movies`` makes a part of them), as a store or as
plain ``.pt`` folders (``--form published``), made where ``--place`` says unless they are there already. Each number of
workers is measured in a fresh process: first the network of published size trains on one batch that is in memory, then
it trains from the data; what the second takes above the first is the memory that the data cost.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import record
import torch

from stcnn.data import BatchingConfig, PublishedDataConfig, loader, open_store, read_published
from stcnn.data.batch import Batch
from stcnn.data.dataset import Dataset
from stcnn.data.exporters import export_published
from stcnn.data.on_demand import MoviesOnDemand, RecordingsOnDemand
from stcnn.data.recordings import RecordingInfo, Samples, info_table, neurons_of
from stcnn.data.store import write_store
from stcnn.evaluate import predict_batch
from stcnn.metrics import mean_squared_error
from stcnn.movie import Movie

N_MOVIES, N_RECORDINGS, N_FRAMES, RATE_HZ, N_NEURONS = 250, 14_303, 1600, 180.0, 66

BATCH = 4


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
        azi_shift_px, ele_shift_px = shifts[neuron].tolist()
        rows.append(
            RecordingInfo(
                cell_type="lc18",
                neuron=str(neuron),
                animal=f"fly{neuron % 7}",
                session="",
                stimulus=f"vstim_{stimulus}",
                trials=(0,),
                azi_shift_px=azi_shift_px,
                ele_shift_px=ele_shift_px,
                n_samples=N_FRAMES,
                start_s=0.0,
                end_s=(N_FRAMES - 1) / RATE_HZ,
                rate_hz=RATE_HZ,
                exposure_s=0.0,
                even=True,
                movie_rate_hz=RATE_HZ,
                azimuth_deg=np.nan,
                elevation_deg=np.nan,
                indicator="",
            )
        )
    table = info_table(rows)
    movies = MoviesOnDemand([f"vstim_{i}" for i in range(n_movies)], make_movie)
    return Dataset(movies, RecordingsOnDemand(table, Traces()), table, neurons_of(table), (83, 83), 1.0)


def size_mb(folder: Path) -> float:
    """Size of everything in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def memory_mb(key: str, pid: int | str | None = "self", file: str = "status") -> float:
    """An entry of what Linux knows of the memory of a process: VmRSS, VmHWM (its peak), Private_Dirty, ..."""
    text = Path(f"/proc/{pid}/{file}").read_text()
    return sum(int(value) for value in re.findall(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)) / 1000


class Training:
    """Steps of the network of published size; remembers the seconds of each."""

    def __init__(self, compute: str) -> None:
        self.model = record.published_size_model().train()
        self.model.hidden.compute = compute
        self.optimiser = torch.optim.Adam(p for p in self.model.parameters() if p.requires_grad)
        self.seconds: list[float] = []

    def step(self, batch: Batch) -> None:
        """One step on a batch; neurons are numbered as the network knows them."""
        start = time.perf_counter()
        self.optimiser.zero_grad()
        mean_squared_error(predict_batch(self.model, batch), batch.target, batch.weight).mean().backward()
        self.optimiser.step()
        self.seconds.append(time.perf_counter() - start)


def measure(form: str, path: str, n_workers: int, n_clips: int, n_steps: int, compute: str) -> dict[str, Any]:
    """Train from memory, open, load, train from the data."""
    training, config = Training(compute), BatchingConfig(kind="recordings", batch_size=BATCH)
    (batch, *_) = loader(made_up(1).subset(range(BATCH)), config)
    for _ in range(3):
        training.step(batch)
    alone_mb, start = memory_mb("VmHWM"), time.perf_counter()
    del batch
    folders = {"ca_path": Path(path) / "ca", "mov_path": Path(path) / "mov", "average_trials": False}
    data = open_store(path) if form == "store" else read_published(PublishedDataConfig.model_validate(folders))
    open_s = time.perf_counter() - start
    reading = iter(loader(data, config, shuffle=True, n_workers=n_workers))
    for _ in range(2):  # workers have started, files are open
        next(reading)
    start = time.perf_counter()
    for _ in range(n_clips // BATCH):
        next(reading)
    load_s = (time.perf_counter() - start) / (n_clips // BATCH * BATCH)
    training.seconds.clear()
    for _ in range(n_steps):
        training.step(next(reading))
    workers = [memory_mb("Private_(?:Clean|Dirty)", c.pid, "smaps_rollup") for c in multiprocessing.active_children()]
    return {
        **{"form": form, "workers": n_workers, "open_s": open_s, "clips_per_s": 1 / load_s, "load_s_per_clip": load_s},
        "step_s_per_clip": float(np.median(training.seconds)) / BATCH,
        "training_alone_mb": alone_mb,
        "beyond_the_model_mb": memory_mb("VmHWM") - alone_mb,
        "each_worker_mb": max(workers, default=0.0),
    }


def main() -> None:
    """Write the set in both forms, read each in fresh processes, and write the table."""
    if sys.argv[1:2] == ["--case"]:
        case = json.loads(sys.argv[2])
        torch.set_num_threads(case.pop("threads"))
        print(json.dumps(measure(**case)))
        return
    options = record.arguments(
        __doc__,
        form=("store", "store or published"),
        movies=(N_MOVIES, "movies that are made"),
        clips=(200, "clips that are loaded"),
        steps=(8, "training steps from the data"),
        path=("native", "implementation of the hidden stack"),
        place=("", "folder for the data, kept; by default a temporary one"),
    )
    with TemporaryDirectory(dir=Path.cwd()) as temporary:
        place = Path(options.place or temporary) / f"{options.form}_{options.movies}"
        start = time.perf_counter()
        if not place.exists():
            {"store": write_store, "published": export_published}[options.form](made_up(options.movies), place)
            print(f"written in {time.perf_counter() - start:.0f} s")
        rows = []
        for n_workers in (0, 2):
            case = {"form": options.form, "path": str(place), "n_workers": n_workers, "n_clips": options.clips}
            case |= {"n_steps": options.steps, "compute": options.path, "threads": options.threads}
            rows.append({**in_a_fresh_process(case), "movies": options.movies, "disk_mb": size_mb(place)})
    notes = {"clip": f"{N_FRAMES} frames and 2 s of grey, 83 x 83 px", "batch": BATCH}
    part = "" if options.movies == N_MOVIES else f"_{options.movies}"
    record.write(f"data_loading_{options.form}{part}", rows, **notes)


def in_a_fresh_process(case: dict[str, Any]) -> dict[str, Any]:
    """Measure one case."""
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=record.ROOT)
    return json.loads(answer.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
