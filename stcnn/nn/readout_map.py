"""A cell type at many columns: what its readout would say if the neuron sat elsewhere on the retina.

All neurons of a type share their weights, so one pass through the hidden layers serves every place.
"""

from __future__ import annotations

import torch
from torch import Tensor

from stcnn.errors import ConfigError
from stcnn.nn.core import Core
from stcnn.nn.frames import Frames
from stcnn.nn.hidden import convolve_columns
from stcnn.nn.model import STCNN


@torch.no_grad()
def drives(model: STCNN, frames: Frames, rate_hz: float, reach: int) -> Tensor:
    """Return voltages above rest of all cell types at the columns around the middle, ``(T, B, h, w, N)``.

    Args:
        model: the network, in evaluation mode.
        frames: the clips.
        rate_hz: frames per second.
        reach: columns to go from the place that the readouts are trained for, in each direction; places beyond the
            lattice are left out, so h and w are at most ``2 reach + 1``.

    Raises:
        ConfigError: see :func:`spacing_deg`.
    """
    spacing_deg(model)
    maps = model.readouts.activation(model.last_maps(frames, rate_hz))
    rows, columns = (slice(max(0, c - reach), c + reach + 1) for c in model.readouts.centre)
    found = []
    for readout in model.readouts.each:
        drive = convolve_columns(maps, torch.stack(readout.weights))[:, :, rows, columns]
        gain = readout.filter.gain(rate_hz)
        found.append(readout.filter(drive if gain is None else drive * gain, rate_hz)[0])
    return torch.cat(found, -1)


def spacing_deg(model: STCNN) -> float:
    """Return the distance of the columns that :func:`drives` answers for.

    Raises:
        ConfigError: a readout elsewhere would not see what this one sees, shifted by some columns.
    """
    eye = model.config.eye
    spacing = eye.column_spacing_deg
    if isinstance(spacing, tuple):
        raise ConfigError(
            f"model.eye.column_spacing_deg is {spacing}, so that columns are not as far apart across as down",
            expected="one distance for both, where a cell type is asked at other columns",
        )
    if eye.arrangement.steps_deg(eye.spacing_deg) is None:
        raise ConfigError(
            f"the columns of a lattice of kind '{eye.arrangement.kind}' are not at equal distances",
            expected="a lattice that looks the same from every column, where a cell type is asked at other columns",
        )
    if isinstance(model.hidden, Core) and model.hidden.reach is None:
        raise ConfigError(
            "the core of this model is not made of hidden layers, so that it may do something else at every column",
            expected="hidden layers, where a cell type is asked at other columns",
        )
    if not all(layer.convolution.keeps_size for layer in model.hidden):
        raise ConfigError(
            "a hidden layer has a stride, a padding or an even kernel, so that its places are not the eye's columns",
            expected="layers that keep the size of their maps, where a cell type is asked at other columns",
        )
    return spacing
