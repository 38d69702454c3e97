"""Weights that are scaled to the movies before the first step."""

from dataclasses import replace

import torch

from stcnn.data.batching import loader
from stcnn.data.dataset import Batch
from stcnn.nn.model import STCNN, Population
from stcnn.training.start import first_clips, scale_to_movies
from tests.made_up_training import dataset, recipe


def network(norm: str) -> STCNN:
    data, config = dataset(), recipe().model
    hidden = config.hidden.model_copy(update={"norm": config.hidden.norm.model_copy(update={"kind": norm})})
    torch.manual_seed(0)
    population = Population(neurons={name: tuple(neurons) for name, neurons in data.neurons.items()})
    return STCNN(config.model_copy(update={"hidden": hidden}), population, data.deg_per_px)


def batches() -> list[Batch]:
    return list(first_clips(loader(dataset(), recipe().batching)))


def test_every_hidden_map_has_mean_zero_and_variance_one() -> None:
    model, shown = network("none"), batches()
    scale_to_movies(model, shown)
    maps = [model.maps(batch.contrast(), batch.rate_hz) for batch in shown]
    for i in range(len(model.hidden)):
        samples = torch.cat([found[f"hidden.{i}"].flatten(0, -2) for found in maps])
        torch.testing.assert_close(samples.mean(0), torch.zeros(samples.shape[1]), atol=1e-4, rtol=0)
        torch.testing.assert_close(samples.var(0), torch.ones(samples.shape[1]), atol=1e-3, rtol=0)


def test_only_hidden_weights_and_biases_change() -> None:
    model, untouched = network("none"), network("none").state_dict()
    scale_to_movies(model, batches())
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, untouched[name])}
    assert changed == {f"hidden.{i}.{part}" for i in range(len(model.hidden)) for part in ("weight", "bias")}


def test_layers_with_normalisation_stay_as_they_were_drawn() -> None:
    model, untouched = network("batch"), network("batch").state_dict()
    scale_to_movies(model, batches())
    assert all(torch.equal(value, untouched[name]) for name, value in model.state_dict().items())


def test_channels_that_nothing_drives_stay_finite() -> None:
    model = network("none")
    grey = [replace(batch, codes=torch.zeros_like(batch.codes), levels=0 * batch.levels) for batch in batches()]
    scale_to_movies(model, grey)
    assert all(value.isfinite().all() for value in model.state_dict().values())
