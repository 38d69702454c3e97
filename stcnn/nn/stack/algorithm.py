"""The mathematics of a training step of the hidden stack that does not depend on how its maps are computed.

One layer, with C channels, ``b = 1 - exp(-dt/tau)``, ``r = exp(-K dt/tau)`` (0 for an infinite kernel):

    u[t] = W' * x[t]                        spatial correlation, W' = gain W
    v[t] = v[t-1] + b (u[t] - v[t-1])       leaky integrator (stored)
    y[t] = v[t] - r v[t-K]
    z[t] = scale y[t] + shift               normalisation, or scale = 1 and shift = bias
    x[t] of the next layer = leaky rectifier of z[t]   (made again from v when needed)

Batch normalisation (Ioffe and Szegedy 2015) weights clip c with its multiplicity m_c: ``n = sum m_c T P`` values,
``mu`` and ``var`` their weighted moments, ``i = 1/sqrt(var + eps)``, ``scale = gamma i``,
``shift = beta - mu scale``. Its adjoint, with ``S1 = sum dz`` and ``S2 = sum dz (y - mu)``:

    dbeta = S1,   dgamma = i S2,   g = dL/dy = gamma i (dz - m_c/n (S1 + (y - mu) i^2 S2))

and that of the filter, backwards in time:

    h[t] = h[t+1] + b (g[t] - h[t+1]),   dL/du[t] = h[t] - r h[t+K]
    dL/db = sum_t dL/du[t] (v[t] - v[t-1]) / b^2,   dL/dr = -sum_t g[t] v[t-K]

Behind batch normalisation the loss hardly depends on the gain:
``gain dL/dgain = W . dL/dW = gamma i S2 eps/(var + eps)`` in closed form. As a sum
it would cancel, so what rounding leaves of ``dL/dW`` along ``W`` is exchanged for it.

Clips that start alike share their first frames: the *prefix*, one clip of multiplicity ``sum m_c`` whose last state
starts all others and collects their adjoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from stcnn.nn.stack.problem import LayerTensors, Moments
from stcnn.ranks import summed


def moments_of(layer: LayerTensors, sums: Tensor, values: float) -> Moments:
    """Return mean and biased variance of the maps of a layer, those of all processes together.

    Args:
        layer: the layer; one without a normalisation has no use for them.
        sums: weighted sums of ``y`` and its square over the clips of this process, ``(2, C)`` in float64.
        values: :func:`n_values` per channel behind them.
    """
    if layer.gamma is not None:
        sums = summed(sums)
    mean = sums[0] / values
    var = sums[1] / values - mean.square()
    return mean.to(layer.leak), var.to(layer.leak)


def n_values(layers: Sequence[LayerTensors], own: float) -> float:
    """Return the values per channel behind the moments, where layers are normalised those of all processes together.

    Args:
        layers: of the stack.
        own: values of the clips of this process; zero where it has none in this batch.
    """
    if all(layer.gamma is None for layer in layers):
        return max(own, 1.0)
    return float(summed(torch.tensor([own], dtype=torch.float64)))


def sums_of_all(layer: LayerTensors, sums: AdjointSums) -> AdjointSums:
    """Return the sums over the clips of all processes that :func:`normalisation_adjoint` needs."""
    if layer.gamma is None:
        return sums
    return AdjointSums(*summed(torch.stack(sums)))


def affine(layer: LayerTensors, moments: Moments) -> tuple[Tensor, Tensor]:
    """Return scale and shift per channel of the normalisation of a layer, or 1 and its bias."""
    if layer.gamma is None:
        return torch.ones_like(layer.beta), layer.beta
    mean, var = moments
    scale = layer.gamma * torch.rsqrt(var + layer.eps)
    return scale, layer.beta - mean * scale


class AdjointSums(NamedTuple):
    """Sums over all values of a layer that the adjoint of its normalisation needs, ``(C,)`` in float64."""

    dz: Tensor
    """``sum dz``."""
    dot: Tensor
    """``sum dz (y - mu)``."""


class NormalisationAdjoint(NamedTuple):
    """``g = scale dz + m_c (slope (y - mu) + constant)`` per channel, in float64; m_c the multiplicity of the clip."""

    scale: Tensor
    slope: Tensor
    constant: Tensor


def normalisation_adjoint(
    layer: LayerTensors, moments: Moments, sums: AdjointSums, values: float
) -> NormalisationAdjoint:
    """Return the adjoint of the normalisation of a layer that has one.

    Args:
        layer: the layer.
        moments: of its maps.
        sums: of the gradient of its output, over the clips of all processes.
        values: number of values per channel behind the moments.
    """
    assert layer.gamma is not None
    inverse = (moments[1].double() + layer.eps).rsqrt()
    scale = layer.gamma * inverse
    slope = -scale * inverse.square() * sums.dot / values
    constant = -scale * sums.dz / values
    return NormalisationAdjoint(scale, slope, constant)


class FilterAdjoint(NamedTuple):
    """Gradients that an engine sums over all frames of a layer, each in the type it sums in."""

    kernel: Tensor
    """``dL/dW'`` of the kernel with its gain, ``(O, C, k, k)``."""
    leak: Tensor
    """``dL/db``, ``(O,)``."""
    tail_weight: Tensor
    """``dL/dr``, ``(O,)``; not used where the layer has no ``tail_weight``."""


def layer_gradients(
    layer: LayerTensors, moments: Moments, sums: AdjointSums, adjoint: FilterAdjoint
) -> list[Tensor | None]:
    """Return the gradients of weight, gain, leak, tail weight, gamma and beta, in the type of the layer's weights.

    All are sums over clips: of several processes each finds its share.
    """
    like = layer.weight
    gain = layer.gain.to(adjoint.kernel)
    d_weight = adjoint.kernel * gain.view(-1, 1, 1, 1)
    d_leak = adjoint.leak.to(like)
    d_tail_weight = None if layer.tail_weight is None else adjoint.tail_weight.to(like)
    d_beta = sums.dz.to(like)
    if layer.gamma is None:
        d_gain = (adjoint.kernel * layer.weight).sum((1, 2, 3))
        return [d_weight.to(like), d_gain.to(like), d_leak, d_tail_weight, None, d_beta]
    var = moments[1].double() + layer.eps
    d_gamma = sums.dot * var.rsqrt()
    d_gain = layer.gamma * d_gamma * layer.eps / (var * gain)
    d_weight = with_known_product(layer.weight, d_weight, gain * d_gain)
    return [d_weight.to(like), d_gain.to(like), d_leak, d_tail_weight, d_gamma.to(like), d_beta]


def with_known_product(weight: Tensor, gradient: Tensor, known: Tensor) -> Tensor:
    """Return ``gradient`` in float64, moved along ``weight`` such that their product over a kernel is ``known``.

    Args:
        weight: ``(O, C, kY, kX)``.
        gradient: of the loss to it; what lies along ``weight`` is a difference that nearly cancels.
        known: ``sum weight gradient`` of each output channel, ``(O,)``.
    """
    w = weight.double().flatten(1)
    d = gradient.double().flatten(1)
    missing = known.double() - (w * d).sum(1)
    norm = w.square().sum(1)
    return (d + torch.where(norm > 0, missing / norm, 0.0)[:, None] * w).view_as(gradient)
