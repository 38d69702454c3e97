"""Training by movies: the lattice that neurons need, and places that are learned from their prior."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from stcnn.data import BatchingConfig, Dataset, Recording, loader
from stcnn.data.batching import plan_clips, recorded_places
from stcnn.errors import ConfigError
from stcnn.evaluate import predict
from stcnn.movie import Movie
from stcnn.nn.model import STCNN
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.population import Population
from stcnn.nn.sites import Neurons
from stcnn.training.places import PlaceBounds, PlacePrior, network_for, places_of_members, places_table
from stcnn.training.recipe import Recipe
from tests.support import made_up_data

CONFIG: dict[str, Any] = {
    "eye": {"column_spacing_deg": 2.0, "lattice": (9, 9), "acceptance_fwhm_deg": 3.0, "window_deg": 9.0},
    "hidden": {"channels": (3, 3), "kernel_columns": 3, "norm": {"kind": "none"}},
    "cell_types": {"default": {"window_columns": 3}},
}
MOVIES = BatchingConfig(kind="movies", batch_size=2, pre_grey_s=0.2)


def recipe(**changes: object) -> Recipe:
    return Recipe.model_validate({"model": CONFIG, "batching": MOVIES.model_dump(), **changes})


def test_a_movie_is_shown_once_to_all_its_neurons() -> None:
    data = made_up_data.dataset()
    clips = plan_clips(data, MOVIES)
    assert len(clips) == len(data.movies)
    assert {clip.shift_px for clip in clips} == {(0, 0)}
    assert sorted(item for clip in clips for item in clip.items) == list(range(len(data)))
    batch = next(iter(loader(data, MOVIES)))
    shifts = np.array([data.recordings[int(i)].shift_px for i in batch.item])
    assert batch.place_deg is not None
    np.testing.assert_array_equal(batch.place_deg.numpy(), shifts * data.deg_per_px)
    assert next(iter(loader(data, BatchingConfig(kind="presentations")))).place_deg is None


def test_the_network_reaches_every_neuron() -> None:
    data = made_up_data.dataset()
    assert network_for(data, recipe()).eye.lattice == (10, 10)  # places to one row down and half a column right
    far = [replace(r, shift_px=(12, -3)) for r in data.recordings]
    wide = network_for(Dataset.of(data.movies, far), recipe())
    assert wide.eye.lattice == (11, 15)  # 9 and the rows and columns to 3/2 down and 12/2 right
    assert wide.readout.centre == (4, 4)
    learned = recipe(model={**CONFIG, "readout": {"place": "learned", "place_sd_deg": 4.0}})
    # 6 columns right and 4 that the prior reaches farther, the window and what is between: 4 + 10 + 1 + 1 = 16
    assert network_for(Dataset.of(data.movies, far), learned).eye.lattice[1] == 17
    assert network_for(data, recipe(batching={"kind": "presentations"})) == recipe().model


def test_places_are_learned_by_movies_only() -> None:
    learned = {**CONFIG, "readout": {"place": "learned"}}
    with pytest.raises(ConfigError, match=r"model\.readout\.place is 'learned' and batching\.kind is 'presentations'"):
        network_for(made_up_data.dataset(), recipe(model=learned, batching={"kind": "presentations"}))


def test_predictions_by_movie_are_those_by_presentation_where_nothing_is_cut_off() -> None:
    """Movies whose content lies in the middle, shifted by whole columns."""
    random = np.random.default_rng(0)
    frames = np.full((40, 33, 33), 0.5, np.float32)
    frames[4:, 12:21, 12:21] = random.random((36, 9, 9))
    movies = {"a": Movie.from_luminance(frames, 60.0, background=0.5)}
    time_s = np.arange(40) / 60
    data = Dataset.of(
        movies,
        [
            Recording("lc11", str(n), "a", random.normal(size=40).astype(np.float32), time_s, 60.0, shift_px=shift)
            for n, shift in enumerate([(0, 0), (4, -2), (-2, 4)])
        ],
    )
    config = ModelConfig.model_validate({**CONFIG, "eye": {**CONFIG["eye"], "lattice": (17, 17)}})
    model = STCNN(config, Population(neurons={"lc11": ("0", "1", "2")})).eval()
    with torch.no_grad():
        for layer in model.hidden:
            assert layer.bias is not None
            layer.bias.uniform_(0.1, 0.3)
    found = predict(model, data, MOVIES)
    right = predict(model, data, MOVIES.model_copy(update={"kind": "presentations"}))
    order = right.item.argsort()
    torch.testing.assert_close(found.prediction[found.item.argsort()], right.prediction[order], rtol=1e-5, atol=1e-6)


def test_bounds_keep_every_neuron_on_the_lattice() -> None:
    data = made_up_data.dataset()
    model = STCNN(
        network_for(data, recipe(model={**CONFIG, "readout": {"place": "learned", "place_sd_deg": 3.0}})),
        Population(neurons={name: tuple(neurons) for name, neurons in data.neurons.items()}),
    )
    bounds = PlaceBounds(model, [data])
    prior = PlacePrior(model, data)
    assert prior.penalty({0: 1.0, 1: 1.0}) == 0
    batch = next(iter(loader(data, MOVIES)))
    for away in (-50.0, 50.0):
        with torch.no_grad():
            for readout in model.readouts.each:
                readout.displacement_deg.fill_(away)
        assert prior.penalty({0: 1.0, 1: 1.0}) > prior.penalty({0: 1.0}) > 0
        bounds.project()
        who = Neurons(batch.clip, batch.cell_type, batch.neuron, batch.place_deg)
        assert model.reaching(model.place_deg(who)) is model
        assert model.dff_at(batch, who, batch.rate_hz).isfinite().all()


def test_the_table_says_where_neurons_were_found() -> None:
    data = made_up_data.dataset()
    model = STCNN(
        network_for(data, recipe(model={**CONFIG, "readout": {"place": "learned"}})),
        Population(neurons={name: tuple(neurons) for name, neurons in data.neurons.items()}),
    )
    with torch.no_grad():
        model.readouts.each[1].displacement_deg[2] = torch.tensor([0.5, -1.5])
    table = places_table(model, data)
    assert len(table) == 6
    row = table[(table.cell_type == "lc4") & (table.neuron == "2")].iloc[0]
    assert row.tolist() == ["lc4", "2", 0.5, -3.5, 0.0, -2.0]  # the third neuron was shown pictures shifted by (0, -2)


def test_places_of_an_ensemble_have_intervals() -> None:
    """Two trainings that differ by 0.2 degrees: t(1) = 12.706, and sd sqrt(1 + 1/2) of 0.1 sqrt(2)."""
    one = pd.DataFrame({"cell_type": ["lc4"], "neuron": ["1"], "azimuth_deg": [1.0], "elevation_deg": [3.0]})
    found = places_of_members([one, one.assign(azimuth_deg=1.2)]).iloc[0]
    assert found.azimuth_deg == pytest.approx(1.1)
    assert found.azimuth_high_deg - 1.1 == pytest.approx(12.7062 * 0.1 * 2**0.5 * 1.5**0.5, rel=1e-4)
    assert (found.elevation_low_deg, found.elevation_high_deg) == (3.0, 3.0)


def test_recorded_places_are_azimuth_and_elevation() -> None:
    data = made_up_data.dataset()
    assert recorded_places(data).shape == (len(data), 2)
    assert recorded_places(data, [0, 3])[1].tolist() == list(data.recordings[3].shift_px)
