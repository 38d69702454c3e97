"""Small networks of every kind that look trained, run folders of them, and stimuli for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn.config import compose
from stcnn.export.probes import probes
from stcnn.nn.core import Core, CoreState
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.norms.batch import WeightedBatchNorm
from stcnn.nn.population import Population
from stcnn.run_folder import Run

RATE_HZ = 30.0
MOVIE_PX = (31, 35)
NEURONS = {"lc18": ("a", "b", "c"), "lc11": ("d", "e")}
SMALL: dict[str, Any] = {
    "eye": {"lattice": (11, 11)},
    "hidden": {"channels": [2, 3], "kernel_columns": 3},
    "cell_types": {"lc11": {"window_columns": 5}, "default": {"window_columns": 3}},
}
ENERGY = {"kernel_s": 0.5, "scale": "energy", "gain_hz": RATE_HZ}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "ours": {},
    "published": {
        "eye": {"filter": ENERGY},
        "hidden": {"filter": {"kind": "exponential", **ENERGY}, "norm": {"kind": "batch"}, "bias": True},
        "readout": {"filter": ENERGY},
        "calcium": {"filter": ENERGY},
    },
    "other filters": {
        "eye": {"filter": {"kind": "adapting"}},
        "hidden": {"filter": {"kind": "power_exponential", "kernel_s": 0.2}},
        "readout": {"filter": {"kind": "conductance"}},
        "calcium": {"rectifier": "softplus", "tau": "per_type", "tau_init_s": (0.2, 0.5)},
    },
    "no filters": {
        "hidden": {"filter": {"kind": "none"}, "activation": "tanh"},
        "readout": {"filter": {"kind": "exponential", "kernel_s": 0.05}},
        "calcium": {"kind": "none", "rectifier": "relu"},
    },
    "uneven": {
        "hidden": {"kernel_columns": [3, 4], "stride": [2, 1], "padding": [1, 0], "activation": "elu"},
        "readout": {"centre": (1, 1)},
        "cell_types": {"lc11": {"window_columns": 3}, "default": {"window_columns": 1}},
    },
    "hexagonal": {"eye": {"arrangement": {"kind": "hexagonal"}}},
    "measured": {
        "eye": {
            "lattice": None,
            "arrangement": {"kind": "measured", "table": str(Path(__file__).parent / "columns.csv")},
        },
    },
}


class PlainCore(Core):
    """A core that hands on what the eye sees."""

    channels = 1

    def initial_state(self, clips: int, lattice: tuple[int, int], like: Tensor) -> CoreState:
        return {}

    def advance(self, maps: Tensor, rate_hz: float, state: CoreState) -> tuple[Tensor, CoreState]:
        return maps.unsqueeze(-1), state


def network(name: str = "ours", seed: int = 0) -> STCNN:
    """A network that looks trained: every parameter has a value of its own."""
    torch.manual_seed(seed)
    sections = {**SMALL}
    for key, settings in CONFIGURATIONS[name].items():
        sections[key] = {**sections.get(key, {}), **settings}
    model = STCNN(ModelConfig.model_validate(sections), Population(neurons=NEURONS)).eval()
    with torch.no_grad():
        for neurons in model.calcium.each:
            neurons.gain.normal_()
            neurons.offset.normal_(0, 0.1)
        for layer in model.hidden:
            if isinstance(layer.norm, WeightedBatchNorm):
                layer.norm.running_mean.normal_(0, 0.1)
                layer.norm.running_var.uniform_(0.5, 2)
    return model


def clips(movie_px: tuple[int, int] = MOVIE_PX) -> list[NDArray[np.float32]]:
    found = list(probes(movie_px, 1.0, RATE_HZ))
    assert len(found) == 20
    assert all(not np.array_equal(a, b) for i, a in enumerate(found) for b in found[:i])
    return found


def run_of(models: list[STCNN], folder: Path) -> Run:
    """A run folder as a training leaves it, of several models an ensemble."""
    config = compose(["dataset.rate_hz=30"]).model_dump(mode="json")
    run = Run.create(folder, "made up", config)
    each = [run] if len(models) == 1 else [run.member(i, i) for i in range(1, len(models) + 1)]
    for one, model in zip(each, models, strict=True):
        torch.save({"state_dict": model.state_dict(), "optimizer_states": [{}]}, one.path / "checkpoints/epoch_1.ckpt")
        one.finish(model, 1)
        (one.path / "checkpoints/epoch_1.ckpt").unlink()
        one.write_json("split.json", {"train": ["lc18/a/x", "lc11/d/x"], "validation": [], "test": []})
    return run
