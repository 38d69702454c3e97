"""Where a training starts: initial weights scaled to the movies they will see."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import torch

from stcnn.data.dataset import Batch
from stcnn.nn.model import STCNN

N_BATCHES = 2
"""Batches whose statistics are taken; their maps are held in memory at once."""


@torch.no_grad()
def scale_to_movies(model: STCNN, batches: Iterable[Batch]) -> None:
    """Scale and shift the hidden layers, if they have no normalisation, so that maps have mean 0 and variance 1.

    Stimuli are sparse: most columns see grey most of the time. Weights drawn for inputs of unit variance would let
    responses fade from layer to layer. Normalisation cures that in every step, at a price: what a layer answers to
    one clip then depends on the other clips of its batch. Here it is done once, layer by layer, before the first step
    (layer-sequential unit variance, Mishkin and Matas 2016, arXiv 1511.06422), and the network is the same function
    in training and in use.

    Args:
        model: the untrained model, changed in place.
        batches: presentations to take the statistics from.
    """
    if model.config.hidden.norm.kind != "none":
        return
    chosen = list(islice(batches, N_BATCHES))
    device = next(model.parameters()).device
    maps = [model.eye(batch.to(device).contrast(), batch.rate_hz, model.deg_per_px)[0][..., None] for batch in chosen]
    for layer in model.hidden:
        maps = [layer.linear(x, batch.rate_hz)[0] for x, batch in zip(maps, chosen, strict=True)]
        samples = torch.cat([x.flatten(0, -2) for x in maps])
        variance, mean = torch.var_mean(samples, 0)
        scale = torch.where(variance > 0, variance.rsqrt(), 1)  # a channel that nothing drives stays as drawn
        shift = torch.zeros_like(mean) if layer.bias is None else -mean * scale
        layer.weight.mul_(scale.view(-1, 1, 1, 1))
        if layer.bias is not None:
            layer.bias.copy_(layer.bias * scale + shift)
        maps = [torch.addcmul(shift, x, scale) for x in maps]
