"""Gains and offsets that are found by regression after every epoch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stcnn.data.batch import Batch
from stcnn.data.batching import loader
from stcnn.evaluate import predict_batch
from stcnn.nn.model import STCNN
from stcnn.nn.population import Population
from stcnn.run_folder import Run
from stcnn.training.fit import train
from stcnn.training.neurons import NeuronRegression
from stcnn.training.offsets import inverse_softplus
from tests.support.made_up_training import dataset, new_run, recipe


def network() -> STCNN:
    torch.manual_seed(0)
    population = Population(neurons={name: tuple(neurons) for name, neurons in dataset().neurons.items()})
    return STCNN(recipe().model, population, dataset().deg_per_px)


def batches() -> list[Batch]:
    return list(loader(dataset(), recipe().batching))


@torch.no_grad()
def answered_by(truth: STCNN, batch: Batch) -> Batch:
    """A batch whose traces are what a network predicts."""
    return replace(batch, target=predict_batch(truth, batch))


@torch.no_grad()
def other_neurons() -> STCNN:
    """The same network with other gains and offsets."""
    truth = network()
    for i, neurons in enumerate(truth.calcium.each):
        neurons.gain.copy_(inverse_softplus(torch.tensor([0.3, 1.0, 2.0]) * (1 + i)))
        neurons.offset.copy_(torch.tensor([-0.2, 0.0, 0.5]))
    return truth


@torch.no_grad()
def regressed(model: STCNN, given: list[Batch]) -> STCNN:
    neurons = NeuronRegression(model, dataset())
    for batch in given:
        neurons.observe(batch, predict_batch(model, batch))
    neurons.fit()
    return model


def gains(model: STCNN) -> list[torch.Tensor]:
    return [torch.nn.functional.softplus(neurons.gain).detach() for neurons in model.calcium.each]


def test_relative_gains_are_found_and_their_mean_stays() -> None:
    """Recordings are what the network says with other gains and offsets."""
    truth, former = other_neurons(), network()
    model = regressed(network(), [answered_by(truth, batch) for batch in batches()])
    for found, right, before in zip(gains(model), gains(truth), gains(former), strict=True):
        np.testing.assert_allclose(found / found.mean(), right / right.mean(), rtol=1e-3)
        np.testing.assert_allclose(found.mean(), before.mean(), rtol=1e-5)


@torch.no_grad()
def test_predictions_have_the_mean_of_the_recordings() -> None:
    truth = other_neurons()
    model = regressed(network(), [answered_by(truth, batch) for batch in batches()])
    for i, neurons in enumerate(dataset().neurons.values()):
        for j in range(len(neurons)):
            pairs = [(answered_by(truth, b), predict_batch(model, b)) for b in batches()]
            mine = [(b.cell_type == i) & (b.neuron == j) for b, _ in pairs]
            error = sum(((p - b.target) * b.weight)[m].sum().item() for (b, p), m in zip(pairs, mine, strict=True))
            n_samples = sum(b.weight[m].sum().item() for (b, _), m in zip(pairs, mine, strict=True))
            assert abs(error) / n_samples < 1e-5


def test_a_neuron_without_a_recording_and_a_type_that_is_not_driven_stay_as_they_are() -> None:
    truth, untouched = other_neurons(), network()
    answered = [answered_by(truth, batch) for batch in batches()]
    for batch in answered:
        batch.weight[batch.neuron == 2] = 0
        batch.target[batch.cell_type == 0] *= -1
    model = regressed(network(), answered)
    changed = [
        (mine.offset != former.offset).tolist()
        for mine, former in zip(model.calcium.each, untouched.calcium.each, strict=True)
    ]
    assert changed == [[False, False, False], [True, True, False]]


def test_a_neuron_that_nothing_is_learned_from_is_the_average_of_its_type() -> None:
    """Neurons are held out: the third of each type has no recording in the training set."""
    truth, model = other_neurons(), network()
    data = dataset()
    unknown = {of_type[2] for of_type in data.neurons.values()}
    learned = data.subset([i for i, r in enumerate(data.recordings) if r.neuron not in unknown])
    neurons = NeuronRegression(model, learned)
    for batch in loader(learned, recipe().batching):
        neurons.observe(batch, predict_batch(model, answered_by(truth, batch)))
    neurons.fit()
    for each in model.calcium.each:
        for values in (each.gain.detach(), each.offset.detach()):
            np.testing.assert_allclose(values[2], values[:2].mean(), rtol=1e-6)


def test_gains_and_offsets_take_no_gradient_steps() -> None:
    model = network()
    NeuronRegression(model, dataset())
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert not {name for name in trained if name.endswith((".gain", ".offset")) and "calcium" in name}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = new_run(tmp_path_factory.mktemp("runs"))
    train(dataset(), recipe(epochs=3), run)  # in one epoch, noise may say that a type is not driven
    return run


def test_a_run_ends_with_other_gains_than_it_began_with(finished: Run) -> None:
    start, end = finished.checkpoint_weights(0), finished.checkpoint_weights(3)
    changed = [name for name in start if name.endswith(".gain") and not torch.equal(start[name], end[name])]
    assert len(changed) == 2


def test_gradient_steps_can_be_asked_for(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    train(dataset(), recipe(epochs=1, neurons="gradient"), run)
    start, end = run.checkpoint_weights(0), run.checkpoint_weights(1)
    name = "calcium.types.lc4.offset"
    assert 0 < (start[name] - end[name]).abs().max() < 0.5
