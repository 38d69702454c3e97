"""A prior of smooth receptive fields: how rough the weights of readouts are, in units of a size in degrees.

With the second differences D of weights w along the lines of neighbouring columns of the lattice, which lie ``spacing``
apart, roughness is

    (size / spacing)^4 sum (D w)^2 / sum w^2,

which is free of the scale of the weights; for a Gaussian of standard deviation s along one axis it is about
``3/4 (size / s)^4`` (the integral of the squared second derivative of a Gaussian over that of its square), so that
fields much narrower than ``size`` cost much and wider ones nearly nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stcnn.nn.model import STCNN
from stcnn.nn.windows import Pair, Window


def roughness(model: STCNN, size_deg: float) -> Tensor:
    """Return the mean roughness of the readouts' weights, of each channel's window of columns; differentiable.

    Args:
        model: the network.
        size_deg: standard deviation of a receptive field that is smooth enough.
    """
    lattice = model.readouts.map_lattice
    axes = list(zip(lattice.kind.AXES, lattice.kind.axis_lengths_deg(lattice.spacing_deg), strict=True))
    found = []
    for readout in model.readouts.each:
        for weight in readout.weights:
            bent = weight.new_zeros(())
            for axis, length_deg in axes:
                bent = bent + (size_deg / length_deg) ** 4 * _second_differences(weight, axis, readout.mask)
            found.append(bent / lattice.kind.BENDING / weight.square().sum().clamp(min=1e-12))
    return torch.stack(found).mean()


def _second_differences(weight: Tensor, axis: Pair, mask: Tensor | None) -> Tensor:
    """Return the sum of squared second differences of weights ``(C, h, w)`` along a line of columns.

    Args:
        weight: of all channels.
        axis: rows and columns of one step.
        mask: places that count, ``(h, w)``; None is all.
    """
    down, right = axis
    rows, columns = weight.shape[1:]
    middle = Window(abs(down), rows - abs(down), abs(right), columns - abs(right))
    if middle.empty:
        return weight.new_zeros(())
    before, here, after = (_windowed(weight, middle.moved(n * down, n * right)) for n in (-1, 0, 1))
    difference = (after - here) - (here - before)
    if mask is not None:
        counted = [_windowed(mask, middle.moved(n * down, n * right)) for n in (-1, 0, 1)]
        difference = difference * (counted[0] & counted[1] & counted[2])
    return difference.square().sum()


def _windowed(values: Tensor, window: Window) -> Tensor:
    return values[..., window.top : window.bottom, window.left : window.right]
