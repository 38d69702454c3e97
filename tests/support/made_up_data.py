"""Small made-up recordings, in memory and in the published folder layout."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from stcnn.data import Dataset, PublishedDataConfig, Recording
from stcnn.movie import Movie

RATE_HZ = 60.0
GREY = 0.5
MOVIE_FRAMES = {"loom": 40, "bar": 60, "spot": 50}
PRE_S = 0.5


def movie_luminance(name: str, shape_px: tuple[int, int] = (16, 20)) -> np.ndarray:
    """A dark square of three grey levels that wanders, float32 ``(T, Y, X)``; different for each name."""
    rng = np.random.default_rng(sum(map(ord, name)))
    frames = np.full((MOVIE_FRAMES[name], *shape_px), GREY, np.float32)
    for frame in frames[3:-3]:
        row, column = rng.integers(3, 8), rng.integers(3, 10)
        frame[row : row + 3, column : column + 4] = rng.choice([0.0, 0.25, 1.0])
    return frames


def movie(name: str) -> Movie:
    return Movie.from_luminance(movie_luminance(name), RATE_HZ, background=GREY)


def trace_times(name: str) -> np.ndarray:
    n_samples = MOVIE_FRAMES[name] + round(2 * PRE_S * RATE_HZ)
    return np.arange(n_samples) / RATE_HZ - PRE_S


def dataset(neurons_per_type: int = 3, stimuli: tuple[str, ...] = tuple(MOVIE_FRAMES), trials: int = 1) -> Dataset:
    """Two cell types, several neurons with their own shifts, every neuron shown every stimulus."""
    rng = np.random.default_rng(5)
    recordings = [
        Recording(
            *(cell_type, str(n), stimulus, rng.normal(size=len(trace_times(stimulus))).astype(np.float32)),
            *(trace_times(stimulus), RATE_HZ),
            trials=(trial,),
            shift_px=(n % 2, -(n % 3)),
            animal=f"fly{n % 2}",
        )
        for cell_type in ("lc11", "lc4")
        for n in range(neurons_per_type)
        for stimulus in stimuli
        for trial in range(trials)
    ]
    return Dataset.of({name: movie(name) for name in stimuli}, recordings)


def published_content(cell_type: str = "LC11", trials: int = 2) -> dict[str, Any]:
    """What one file of recordings holds: every stimulus, two neurons."""
    rng = np.random.default_rng(len(cell_type))
    return {
        f"vstim_{name}": {
            "t_axis": torch.tensor(trace_times(name), dtype=torch.float32),
            "Hz": int(RATE_HZ),
            "neuron": {
                uid: {
                    "traces": torch.tensor(rng.normal(size=(trials, len(trace_times(name)))), dtype=torch.float32),
                    "azi_shift": torch.tensor(uid / 10),
                    "ele_shift": torch.tensor(-uid / 10),
                }
                for uid in (7, 12)
            },
        }
        for name in MOVIE_FRAMES
    }


def write_published(folder: Path, cell_types: tuple[str, ...] = ("LC4", "LC11"), **change: Any) -> PublishedDataConfig:
    """Write a set in the published folder layout and return the configuration that reads it."""
    for cell_type in cell_types:
        (folder / "ca" / cell_type).mkdir(parents=True)
        torch.save(published_content(cell_type), folder / "ca" / cell_type / "fly1.pt")
    (folder / "mov").mkdir()
    for name in MOVIE_FRAMES:
        frames = torch.from_numpy(movie_luminance(name))
        entry = {"rect_mov": frames, "t_axis": torch.arange(len(frames)) / RATE_HZ}
        torch.save({f"vstim_{name}": entry}, folder / "mov" / f"vstim_{name}.pt")
    return PublishedDataConfig(
        ca_path=folder / "ca", mov_path=folder / "mov", rate_hz=RATE_HZ, background=GREY, **change
    )
