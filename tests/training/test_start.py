"""Weights that are scaled to the movies before the first step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from stcnn.data.batch import Batch
from stcnn.data.batching import loader
from stcnn.data.dataset import Dataset
from stcnn.nn.model import STCNN
from stcnn.nn.norms import KINDS
from stcnn.nn.population import Population
from stcnn.nn.readout.positive import PositiveReadout
from stcnn.training.start import first_clips, fit_neurons_to_traces, scale_to_movies
from tests.support.made_up_training import dataset, recipe


def network(norm: str) -> STCNN:
    data, config = dataset(), recipe().model
    hidden = config.hidden.model_copy(update={"norm": KINDS[norm](kind=norm)})
    torch.manual_seed(0)
    population = Population(neurons={name: tuple(neurons) for name, neurons in data.neurons.items()})
    return STCNN(config.model_copy(update={"hidden": hidden}), population, data.deg_per_px)


def batches() -> list[Batch]:
    return list(first_clips(loader(dataset(), recipe().batching)))


@pytest.mark.parametrize("norm", ["none", "divisive"])
def test_every_hidden_map_has_mean_zero_and_variance_one(norm: str) -> None:
    model, shown = network(norm), batches()
    scale_to_movies(model, shown)
    maps = [model.maps(batch.contrast(), batch.rate_hz) for batch in shown]
    for i in range(len(list(model.hidden))):
        samples = torch.cat([found[f"hidden.{i}"].flatten(0, -2) for found in maps])
        torch.testing.assert_close(samples.mean(0), torch.zeros(samples.shape[1]), atol=1e-4, rtol=0)
        torch.testing.assert_close(samples.var(0), torch.ones(samples.shape[1]), atol=1e-3, rtol=0)


def test_only_hidden_weights_and_biases_change() -> None:
    model, untouched = network("none"), network("none").state_dict()
    scale_to_movies(model, batches())
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, untouched[name])}
    assert changed == {f"hidden.{i}.{part}" for i in range(len(list(model.hidden))) for part in ("weight", "bias")}


def test_layers_with_normalisation_stay_as_they_were_drawn() -> None:
    model, untouched = network("batch"), network("batch").state_dict()
    scale_to_movies(model, batches())
    assert all(torch.equal(value, untouched[name]) for name, value in model.state_dict().items())


def test_channels_that_nothing_drives_stay_finite() -> None:
    model = network("none")
    grey = [replace(batch, levels=torch.zeros_like(batch.levels)) for batch in batches() if batch.levels is not None]
    assert grey
    scale_to_movies(model, grey)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_every_neuron_rests_at_the_mean_of_its_traces() -> None:
    model, data = network("none"), dataset()
    fit_neurons_to_traces(model, data)
    resting = torch.cat([readout.bias for readout in model.readouts.each]).expand(1, 2000, -1)
    for i, (name, neurons) in enumerate(data.neurons.items()):
        for j, neuron in enumerate(neurons):
            traces = [r.trace for r in data.recordings if (r.cell_type, r.neuron) == (name, neuron)]
            index = [torch.tensor([n]) for n in (0, i, j)]
            with torch.no_grad():
                predicted = model.calcium_of(resting, index[0], index[1], index[2], data.rate_hz)[0, -1].item()
            np.testing.assert_allclose(predicted, np.mean(np.concatenate(traces)), atol=1e-5)


def test_a_voltage_of_one_is_a_standard_deviation_of_the_neuron() -> None:
    model, data = network("none"), dataset()
    fit_neurons_to_traces(model, data)
    for name, neurons in zip(model.cell_types, model.calcium.each, strict=True):
        gains = torch.nn.functional.softplus(neurons.gain.detach())
        for neuron, gain in zip(data.neurons[name], gains.tolist(), strict=True):
            mine = [r.trace for r in data.recordings if (r.cell_type, r.neuron) == (name, neuron)]
            np.testing.assert_allclose(gain, np.std(np.concatenate(mine)), rtol=1e-5)


def test_a_neuron_that_does_not_vary_starts_with_a_tenth_of_the_gain_of_its_type() -> None:
    model, data = network("none"), dataset()
    still = data.neurons["lc4"][0]
    flat = [replace(r, trace=0 * r.trace) if r.neuron == still else r for r in data.recordings]
    fit_neurons_to_traces(model, Dataset.of(data.movies, flat, data.neurons))
    spread = np.std(np.concatenate([r.trace for r in flat if r.cell_type == "lc4"]))
    gains = torch.nn.functional.softplus(model.calcium.each[model.cell_types.index("lc4")].gain.detach())
    np.testing.assert_allclose(gains[0], 0.1 * spread, rtol=1e-5)


def test_neurons_without_a_recording_rest_at_the_mean_of_their_type_and_types_without_one_stay() -> None:
    model, untouched, data = network("none"), network("none"), dataset()
    kept = [i for i, r in enumerate(data.recordings) if r.cell_type == "lc4" and r.neuron != data.neurons["lc4"][0]]
    fit_neurons_to_traces(model, data.subset(kept))
    lc11, lc4 = (model.cell_types.index(name) for name in ("lc11", "lc4"))
    assert torch.equal(model.calcium.each[lc11].gain, untouched.calcium.each[lc11].gain)
    readout = model.readouts.each[lc4]
    silent = [torch.tensor([n]) for n in (0, lc4, 0)]
    with torch.no_grad():
        resting = readout.bias.expand(1, 2000, len(model.cell_types))
        predicted = model.calcium_of(resting, silent[0], silent[1], silent[2], data.rate_hz)[0, -1].item()
    np.testing.assert_allclose(predicted, np.concatenate([data.recordings[i].trace for i in kept]).mean(), atol=1e-5)


def test_channels_of_the_last_layer_are_turned_for_positive_weights() -> None:
    model, shown = network("none"), batches()
    readout = model.config.readout.model_copy(update={"weights": PositiveReadout()})
    model.config = model.config.model_copy(update={"readout": readout})
    scale_to_movies(model, shown)
    last = f"hidden.{len(list(model.hidden)) - 1}"
    maps = torch.cat([model.maps(batch.contrast(), batch.rate_hz)[last].flatten(0, -2) for batch in shown])
    assert (maps.pow(3).mean(0) >= 0).all()
    torch.testing.assert_close(maps.var(0), torch.ones(maps.shape[1]), atol=1e-3, rtol=0)
