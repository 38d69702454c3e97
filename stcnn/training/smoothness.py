"""A prior of smooth receptive fields: how rough the weights of readouts are, in units of a size in degrees.

With the second differences D of weights w along rows and columns that lie ``spacing`` apart, roughness is

    (size / spacing)^4 sum (D w)^2 / sum w^2,

which is free of the scale of the weights; for a Gaussian of standard deviation s along one axis it is about
``3/4 (size / s)^4`` (the integral of the squared second derivative of a Gaussian over that of its square), so that
fields much narrower than ``size`` cost much and wider ones nearly nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stcnn.nn.model import STCNN


def roughness(model: STCNN, size_deg: float) -> Tensor:
    """Return the mean roughness of the readouts' weights, of each channel's window of columns; differentiable.

    Args:
        model: the network.
        size_deg: standard deviation of a receptive field that is smooth enough.
    """
    down_deg, right_deg = model.config.eye.spacing_deg
    steps = [layer.convolution.stride for layer in model.hidden]
    for rows, columns in steps:
        down_deg, right_deg = down_deg * rows, right_deg * columns
    found = []
    for readout in model.readouts.each:
        for weight in readout.weights:
            bent = weight.new_zeros(())
            for axis, spacing_deg in ((-2, down_deg), (-1, right_deg)):
                if weight.shape[axis] > 2:
                    bent = bent + (size_deg / spacing_deg) ** 4 * weight.diff(n=2, dim=axis).square().sum()
            found.append(bent / weight.square().sum().clamp(min=1e-12))
    return torch.stack(found).mean()
