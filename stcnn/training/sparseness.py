"""A prior of sparse readouts: how large an area of the visual field a cell type reads, over all channels together.

With the weights w of a cell type in all channels and places, each of which stands for an area a of the visual field,
it reads

    a (sum |w|)^2 / sum w^2,

the squared ratio of the two norms by which Hoyer (2004, J. Mach. Learn. Res. 5, 1457) measures sparseness. It is free
of the scale of the weights, and for one channel whose weights are a Gaussian of standard deviation s it is
``4 pi s^2``. The prior is this area in units of ``4 pi size^2``: of how many Gaussian fields of that size a readout
consists.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stcnn.nn.model import STCNN


def gaussians_read(model: STCNN, size_deg: float) -> Tensor:
    """Return how many Gaussian fields the readout of a cell type consists of, on average; differentiable.

    Args:
        model: the network.
        size_deg: standard deviation of such a field.
    """
    lattice = model.readouts.map_lattice
    corners = lattice.kind.outline_deg(lattice.spacing_deg)
    azimuth, elevation = corners.unbind(-1)
    area_deg2 = 0.5 * (azimuth * elevation.roll(-1) - elevation * azimuth.roll(-1)).sum().abs().item()
    found = []
    for readout in model.readouts.each:
        weights = torch.cat([each.flatten() for each in readout.weights])
        read_deg2 = area_deg2 * weights.abs().sum().square() / weights.square().sum().clamp(min=1e-12)
        found.append(read_deg2 / (4 * math.pi * size_deg**2))
    return torch.stack(found).mean()
