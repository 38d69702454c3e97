"""A small network with made-up recordings, some of a movie and some of a stimulus that the page draws itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from stcnn.data import Dataset, Recording
from stcnn.data.splitting.splits import Split
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.run_folder import Run
from stcnn.stimuli import Screen, render
from tests.support import made_up_data
from tests.support.made_up_data import RATE_HZ
from tests.support.networks import SMALL, run_of

SHAPE_PX = (16, 20)
DRAWN = {"kind": "flash", "luminance": 0, "duration_s": 0.5}


def small_model() -> STCNN:
    """A network for the neurons of the recordings."""
    torch.manual_seed(0)
    sections = {**SMALL, "cell_types": {"default": {"window_columns": 3}}}
    neurons = {"lc11": ("0", "1", "2"), "lc4": ("0", "1", "2")}
    return STCNN(ModelConfig.model_validate(sections), Population(neurons=neurons)).eval()


def recorded() -> Dataset:
    """Eighteen recordings with two repeats each."""
    random = np.random.default_rng(0)

    def repeated(recording: Recording) -> Recording:
        trace = np.sin(np.arange(len(recording.trace)) / 9).astype(np.float32)
        repeats = trace + random.normal(0, 0.3, (2, len(trace))).astype(np.float32)
        return replace(recording, trace=repeats.mean(0), repeats=repeats)

    whole = made_up_data.dataset()
    movies = dict(whole.movies) | {"spot": render(Screen(shape_px=SHAPE_PX, rate_hz=RATE_HZ), DRAWN)}
    return Dataset.of(movies, [repeated(each) for each in whole.recordings])


def run_with_split(model: STCNN, dataset: Dataset, folder: Path) -> Run:
    """A run of which nine recordings were trained on, six held out, and three are of the test."""
    run = run_of([model], folder)
    run.write_json("split.json", Split(tuple(range(9)), tuple(range(9, 15)), tuple(range(15, 18))).to_json(dataset))
    return run
