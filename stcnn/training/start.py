"""Where a training starts: weights scaled to the movies they will see, neurons to the traces they will predict."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator

import torch

from stcnn.data.batch import Batch
from stcnn.data.dataset import Dataset
from stcnn.nn.model import STCNN
from stcnn.training.offsets import LeastOffsets, inverse_softplus
from stcnn.training.traces import Samples, all_samples, samples_of_neurons

LEAST_SPREAD = 0.1
"""Gain at the start of a neuron that hardly varies, relative to that of its cell type."""
N_CLIPS = 8
"""Presentations whose statistics are taken; their maps are held in memory at once."""


@torch.no_grad()
def scale_to_movies(model: STCNN, batches: Iterable[Batch]) -> None:
    """Scale and shift the hidden layers, if no normalisation does that, so that maps have mean 0 and variance 1.

    Stimuli are sparse: most columns see grey most of the time. Weights drawn for inputs of unit variance would let
    responses fade from layer to layer. Normalisation cures that in every step, at a price: what a layer answers to
    one clip then depends on the other clips of its batch. Here it is done once, layer by layer, before the first step
    (layer-sequential unit variance, Mishkin and Matas 2016, arXiv 1511.06422), and the network is the same function
    in training and in use. Where readouts have positive weights alone, channels of the last layer are turned so that
    what stimuli, which are rare, evoke is positive too: its distribution is skewed to the right.

    Args:
        model: the untrained model, changed in place.
        batches: presentations to take the statistics from.
    """
    if model.config.hidden.norm.STANDARDISES:
        return
    device = next(model.parameters()).device
    maps = []
    rates = []
    for batch in first_clips(batches):
        maps.append(model.eye(batch.to(device).contrast()[:N_CLIPS], batch.rate_hz, model.deg_per_px)[0][..., None])
        rates.append(batch.rate_hz)
    oriented = model.config.readout.weights.POSITIVE
    layers = list(model.hidden)
    for number, layer in enumerate(layers, 1):
        for i, rate_hz in enumerate(rates):  # one after the other: those of the layer before make room
            maps[i] = layer.linear(maps[i], rate_hz)[0]
        samples = torch.cat([x.flatten(0, -2) for x in maps])
        variance, mean = torch.var_mean(samples, 0)
        scale = torch.where(variance > 0, variance.rsqrt(), 1)  # a channel that nothing drives stays as drawn
        if oriented and number == len(layers):
            skewed = (samples - mean).pow(3).mean(0)
            scale = torch.where(skewed < 0, -scale, scale)
        shift = torch.zeros_like(mean) if layer.bias is None else -mean * scale
        layer.weight.mul_(scale.view(-1, 1, 1, 1))
        if layer.bias is not None:
            layer.bias.copy_(layer.bias * scale + shift)
        del samples
        for x in maps:
            torch.addcmul(shift, x, scale, out=x)
        if layer.norm is not None:  # what comes next reads what the normalisation leaves
            maps = [layer.normalise(x) for x in maps]


@torch.no_grad()
def fit_neurons_to_traces(
    model: STCNN, train: Dataset, cell_types: Collection[str] | None = None, offsets: LeastOffsets | None = None
) -> None:
    """Let every neuron rest at the mean of its traces, and a voltage of one be one standard deviation of them.

    A neuron that hardly varies has the gain of a tenth of the standard deviation of its cell type. Otherwise the first
    steps would lower or raise all predictions at once, by way of all weights, and drive voltages to where the rectifier
    is flat and nothing is learned any more.

    Args:
        model: the untrained model, changed in place.
        train: the recordings to learn from; a neuron that has none rests at the mean of its cell type.
        cell_types: those to fit; None is all.
        offsets: how low the likelihood lets offsets be; None leaves them free.
    """
    undriven = model.calcium.tau_s.new_zeros(1, 1, len(model.cell_types) * model.readouts.config.filter.INPUTS)
    voltage = model.readouts([undriven], train.rate_hz)[0][0, 0]
    settled_frames = int(20 * float(model.calcium.time_constants().max()) * train.rate_hz) + 1
    resting = model.calcium(voltage.expand(settled_frames, 1, -1), train.rate_hz)[0][-1, 0].tolist()
    samples = samples_of_neurons(train)
    for name, neurons, rest in zip(model.cell_types, model.calcium.each, resting, strict=True):
        of_type = samples.get(name, {})
        usual = all_samples(of_type.values())
        spread = math.sqrt(usual.variance)
        if not spread > 0 or (cell_types is not None and name not in cell_types):
            continue
        mine = [of_type.get(neuron) for neuron in model.population.neurons[name]]
        deviations = [max(math.sqrt(each.variance), LEAST_SPREAD * spread) if each else spread for each in mine]
        gain = torch.tensor(deviations, dtype=torch.float64)
        mean = torch.tensor([each.mean if each else usual.mean for each in mine], dtype=torch.float64)
        neurons.gain.copy_(inverse_softplus(gain))
        neurons.offset.copy_(mean - gain * rest)
    if offsets is not None:
        means = [
            torch.tensor([samples[name].get(n, Samples()).mean for n in model.population.neurons[name]]).double()
            for name in model.cell_types
        ]
        offsets.keep_means(means, [torch.full_like(mean, rest) for mean, rest in zip(means, resting, strict=True)])


def first_clips(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches until there are :data:`N_CLIPS` clips; the last batch may bring more."""
    n_clips = 0
    for batch in batches:
        yield batch
        n_clips += len(batch.codes)
        if n_clips >= N_CLIPS:
            return
