"""A cell type at many columns: what its readout would say if the neuron sat elsewhere on the retina.

All neurons of a type share their weights, so one pass through the hidden layers serves every place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.eye import Frames
from stcnn.nn.hidden import convolve_columns
from stcnn.nn.model import STCNN
from stcnn.nn.temporal import exponential_filter, exponential_gain, n_taps


@torch.no_grad()
def drives(model: STCNN, frames: Frames, rate_hz: float, reach: int) -> Tensor:
    """Return voltages above rest of all cell types at the columns around the middle, ``(T, B, h, w, N)``.

    Args:
        model: the network, in evaluation mode.
        frames: the clips.
        rate_hz: frames per second.
        reach: columns to go from the place that the readouts are trained for, in each direction; places beyond the
            lattice are left out, so h and w are at most ``2 reach + 1``.
    """
    maps = model.eye.see(frames, rate_hz, model.deg_per_px).unsqueeze(-1)
    for layer in model.hidden:
        maps = layer.normalise(layer.linear(maps, rate_hz)[0])
    maps = F.leaky_relu(maps, model.readouts.config.slope)
    rows, columns = (slice(max(0, c - reach), c + reach + 1) for c in model.readouts.centre)
    config = model.readouts.config.filter
    found = []
    for readout in model.readouts.each:
        tau_s = readout.filter.tau_s
        drive = convolve_columns(maps, readout.weight.unsqueeze(0))[:, :, rows, columns]
        gain = exponential_gain(tau_s, 1 / rate_hz, config)
        found.append(exponential_filter(drive * gain, tau_s, 1 / rate_hz, n_taps(config.kernel_s, 1 / rate_hz))[0])
    return torch.cat(found, -1)
