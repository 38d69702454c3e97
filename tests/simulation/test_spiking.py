"""Planted spiking neurons: they are what they say, and the network finds them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stcnn.config import compose
from stcnn.data.dataset import select
from stcnn.evaluate import Evaluation, predict
from stcnn.metrics.likelihoods import LIKELIHOODS
from stcnn.run_folder import Run
from stcnn.simulation.spiking import (
    GainControl,
    Noise,
    SpikingNeuron,
    cortical_neuron,
    retinal_neurons,
    spike_counts,
)
from stcnn.training.fit import train
from stcnn.training.recipe import Recipe

FLICKER = Noise((1, 1), 30.0, 75.0)
PROBES = Noise((9, 9), 4.0, 60.0)


def drive_of(neuron: SpikingNeuron, contrast: np.ndarray) -> np.ndarray:
    """The filter, term by term."""
    drive = np.zeros(len(contrast))
    for t in range(len(contrast)):
        for k in range(min(t + 1, len(neuron.filter))):
            drive[t] += (neuron.filter[k] * contrast[t - k]).sum()
    return drive


def test_a_rate_is_a_rectified_filtered_contrast():
    contrast = PROBES.movie(2.0, np.random.default_rng(0)).contrast().astype(float)
    neuron = cortical_neuron(PROBES.rate_hz, PROBES.sd)
    drive = drive_of(neuron, contrast)
    size = np.log1p(np.exp(neuron.slope * (3 - neuron.threshold)))
    right = neuron.peak_hz * np.log1p(np.exp(neuron.slope * (drive - neuron.threshold))) / size
    np.testing.assert_allclose(neuron.rate_hz(contrast, PROBES.rate_hz), right, atol=1e-9)


def test_drives_have_a_standard_deviation_of_one_and_counts_the_mean_of_their_rate():
    rng = np.random.default_rng(0)
    movie = FLICKER.movie(200.0, rng)
    contrast = movie.contrast().astype(float)
    neurons = retinal_neurons(2, FLICKER.rate_hz, FLICKER.sd, rng)
    data = spike_counts(neurons, {"noise": movie}, {"noise": 2}, rng)
    for number, neuron in enumerate(neurons):
        sharp = replace(neuron, slope=1e3, threshold=-50.0, peak_hz=53.0)  # a line, so that the rate is the drive
        assert np.std(sharp.rate_hz(contrast, FLICKER.rate_hz)) == pytest.approx(1, rel=0.05)
        counts = [r.trace for r in data.recordings if r.cell_type == f"unit{number}"]
        expected = neuron.rate_hz(contrast, FLICKER.rate_hz).mean() / FLICKER.rate_hz
        assert np.mean(counts) == pytest.approx(expected, rel=0.1)


def test_gain_control_evens_out_what_contrast_makes_of_the_rate():
    rng = np.random.default_rng(0)
    switching = replace(FLICKER, weak_share=1 / 3)
    contrast = switching.movie(120.0, rng).contrast().astype(float)
    strong = np.arange(len(contrast)) // 150 % 2 == 0
    (plain,) = retinal_neurons(1, FLICKER.rate_hz, FLICKER.sd, rng)
    ratios = []
    for neuron in (plain, replace(plain, control=GainControl())):
        rate = neuron.rate_hz(contrast, FLICKER.rate_hz)
        ratios.append(rate[strong].mean() / rate[~strong].mean())
    assert ratios[1] < 0.8 * ratios[0]


@pytest.mark.slow
def test_the_network_reaches_the_neurons_that_were_planted(tmp_path: Path):
    rng = np.random.default_rng(2)
    neurons = retinal_neurons(2, FLICKER.rate_hz, FLICKER.sd, rng)
    movies = {f"noise{i}": FLICKER.movie(20.0, rng) for i in range(18)} | {"frozen": FLICKER.movie(20.0, rng)}
    data = spike_counts(neurons, movies, {name: 20 if name == "frozen" else 1 for name in movies}, rng)
    is_frozen = (data.table.stimulus == "frozen").to_numpy()
    held_out = ["split.kind=stimulus", "split.validation=0.1", "split.test=0", "training.device=cpu"]
    config = compose(["dataset=store", "dataset.path=none", "model=spikes", *held_out])
    recipe = Recipe.model_validate({name: getattr(config, name) for name in Recipe.model_fields})
    model = train(data.subset(np.flatnonzero(~is_frozen).tolist()), recipe, Run.create(tmp_path, "planted", {}))
    repeats = select(data.subset(np.flatnonzero(is_frozen).tolist()), average_trials=True)
    found = Evaluation.of(predict(model, repeats, recipe.batching), repeats, None, LIKELIHOODS["poisson"])
    table = found.scores_table(["cell_type"])
    assert (table.single_trial_correlation > 0.96 * table.single_trial_ceiling).all()
    assert (table.deviance_explained > 0.88 * table.deviance_ceiling).all()
