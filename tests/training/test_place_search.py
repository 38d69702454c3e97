"""Planted places: found from a prior that is off, and from nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from stcnn.data import BatchingConfig, Dataset, Recording, loader
from stcnn.data.batch import Batch
from stcnn.evaluate import predict_batch
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.training.module import TrainingModule
from stcnn.training.place_search import PlaceSearch, columns_deg, light_and_dark, of_cell_types
from stcnn.training.places import STEP_DEG, PlaceBounds, PlacePrior
from stcnn.training.recipe import Recipe

RATE_HZ = 30.0
PER_TYPE = 10
TYPES = ("lc11", "lc4")
MOVIES = BatchingConfig(kind="movies", batch_size=4, pre_grey_s=0.2, loss_start_s=0.0)


def network(place_sd_deg: float) -> STCNN:
    """A core whose readouts respond to what lies in the middle of their windows, columns four degrees apart."""
    torch.manual_seed(0)
    config = ModelConfig.model_validate(
        {
            "eye": {"lattice": (13, 13)},
            "hidden": {"channels": (4, 4), "kernel_columns": 3, "norm": {"kind": "none"}},
            "readout": {"place": "learned", "place_sd_deg": place_sd_deg, "place_start": "searched"},
            "cell_types": {"default": {"window_columns": 3}},
        }
    )
    neurons = tuple(map(str, range(PER_TYPE)))
    model = STCNN(config, Population(neurons=dict.fromkeys(TYPES, neurons)))
    model.hidden.compute = "torch"  # too small to be worth compiling
    with torch.no_grad():
        for layer in model.hidden:  # of one sign, so that what a neuron sees falls off smoothly
            layer.weight.abs_()
        for readout in model.readouts.each:
            readout.weight.abs_().mul_(5)  # type: ignore[operator]
            readout.bias.zero_()
        for neurons_of_type in model.calcium.each:
            neurons_of_type.gain.fill_(0.5)
    return model


def flicker(random: np.random.Generator) -> Movie:
    """Squares of four degrees, most of them grey, drawn anew every tenth of a second."""
    squares = random.choice([0.0, 0.5, 1.0], size=(30, 12, 12), p=[0.15, 0.7, 0.15])
    return Movie.from_luminance(
        squares.repeat(3, 0).repeat(4, 1).repeat(4, 2).astype(np.float32), RATE_HZ, background=0.5
    )


def planted(true_deg: Tensor, model: STCNN, recorded_px: Tensor | None = None) -> Dataset:
    """Recordings made by the network with its neurons at places ``(types, neurons, 2)``.

    The recordings say that they sit at ``recorded_px``, pixels of one degree; without it all in the middle.
    """
    random = np.random.default_rng(1)
    movies = {f"m{i}": flicker(random) for i in range(4)}
    time_s = np.arange(90) / RATE_HZ
    silent = [
        Recording(name, str(n), movie, np.zeros(90, np.float32), time_s, RATE_HZ)
        for movie in movies
        for name in TYPES
        for n in range(PER_TYPE)
    ]
    place(model, true_deg)
    traces: dict[int, np.ndarray] = {}
    with torch.no_grad():
        for batch in loader(Dataset.of(movies, silent), MOVIES):
            answers = predict_batch(model, batch)
            start = round(MOVIES.pre_grey_s * RATE_HZ)
            for item, answer in zip(batch.item.tolist(), answers, strict=True):
                traces[item] = answer[start : start + 90].numpy()
    shifts = torch.zeros(len(TYPES), PER_TYPE, 2) if recorded_px is None else recorded_px
    found = []
    for i, r in enumerate(silent):
        azimuth, elevation = shifts[TYPES.index(r.cell_type), int(r.neuron)].long().tolist()
        found.append(replace(r, trace=traces[i], shift_px=(azimuth, elevation)))
    return Dataset.of(movies, found)


def place(model: STCNN, displacement_deg: Tensor) -> None:
    with torch.no_grad():
        for readout, mine in zip(model.readouts.each, displacement_deg, strict=True):
            readout.displacement_deg.copy_(mine)


def distances_deg(model: STCNN, true_deg: Tensor) -> Tensor:
    found = torch.stack([readout.displacement_deg.detach() for readout in model.readouts.each])
    return (found - true_deg).norm(dim=-1)


def descend(model: STCNN, data: Dataset, steps: int) -> None:
    """Take steps on places alone, as the training does."""
    prior = PlacePrior(model, data)
    bounds = PlaceBounds(model, [data])
    optimiser = torch.optim.Adam([readout.displacement_deg for readout in model.readouts.each], lr=2 * STEP_DEG)
    batches: list[Batch] = list(loader(data, MOVIES))
    for step in range(steps):
        batch = batches[step % len(batches)]
        error = (predict_batch(model, batch) - batch.target).square() * batch.weight
        variance = (batch.target * batch.weight).var()
        optimiser.zero_grad()
        shares = [error[batch.cell_type == i].mean() / variance for i in range(len(TYPES))]
        (sum(shares) + prior.penalty({i: share.item() for i, share in enumerate(shares)})).backward()
        optimiser.step()
        bounds.project()


@pytest.fixture(scope="module")
def true_deg() -> Tensor:
    return 20 * torch.rand(len(TYPES), PER_TYPE, 2, generator=torch.Generator().manual_seed(4)) - 10


def test_a_planted_place_is_found_from_four_degrees_away(true_deg: Tensor) -> None:
    """The recordings say four degrees beside the truth, to a whole pixel, which is where the prior lies."""
    model = network(4.0)
    angle = 2 * torch.pi * torch.rand(len(TYPES), PER_TYPE, generator=torch.Generator().manual_seed(5))
    recorded_px = (true_deg + 4 * torch.stack([angle.cos(), angle.sin()], -1)).round()
    data = planted(true_deg, model, recorded_px)
    place(model, torch.zeros_like(true_deg))
    descend(model, data, 60)
    assert distances_deg(model, true_deg - recorded_px).max() < 0.5


def test_a_planted_place_is_found_from_nothing(true_deg: Tensor) -> None:
    model = network(12.0)
    data = planted(true_deg, model)
    place(model, torch.zeros_like(true_deg))
    search = PlaceSearch(model, data)
    assert search.move(loader(data, MOVIES), light_and_dark) > PER_TYPE
    search.move(loader(data, MOVIES), of_cell_types)
    assert distances_deg(model, true_deg).max() < 4.0
    descend(model, data, 40)
    assert distances_deg(model, true_deg).max() < 2.0


def test_columns_count_from_the_origin_of_places() -> None:
    model = network(4.0)
    place_deg = columns_deg(model)
    assert place_deg.shape == (169, 2)
    assert place_deg[0].tolist() == [-24.0, 24.0]
    assert place_deg[84].tolist() == [0.0, 0.0]


def test_learned_places_take_steps_in_degrees(true_deg: Tensor) -> None:
    model = network(4.0)
    data = planted(true_deg, model)
    recipe = Recipe.model_validate({"model": model.config.model_dump(), "batching": MOVIES.model_dump()})
    optimiser = TrainingModule(model, recipe, data, data).configure_optimizers()["optimizer"]
    rates = [group["initial_lr"] for group in optimiser.param_groups]
    assert rates == [recipe.training.learning_rate, STEP_DEG]
    assert [id(p) for p in optimiser.param_groups[1]["params"]] == [id(r.displacement_deg) for r in model.readouts.each]
