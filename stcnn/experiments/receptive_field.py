"""The linear receptive field of each cell type: how its voltage follows small contrast at every place and lag."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from stcnn.nn.model import STCNN

GREY_S = 1.0
"""Grey before the lags, so that the layers have come to rest."""


def receptive_fields(
    model: STCNN, rate_hz: float, *, shape_px: tuple[int, int] = (83, 83), lags_s: float = 0.4
) -> dict[str, NDArray[np.float32]]:
    """Return the gradient of the voltage by the contrast that was shown, around grey.

    It composes the spatial weights and temporal filters of all layers, each rectifier at the slope it has in grey.
    The gradient is exact for small contrasts; a neuron that grey leaves below threshold shows little of it.

    Args:
        model: the model, in evaluation mode.
        rate_hz: frames per second.
        shape_px: rows and columns of the picture.
        lags_s: how far back to look.

    Returns:
        Cell type to change of the voltage per contrast of one pixel in one frame, ``(K, Y, X)``, lag 0 first.
    """
    n_lags = max(2, round(lags_s * rate_hz))
    grey = torch.zeros(1, round(GREY_S * rate_hz) + n_lags, *shape_px, dtype=model.calcium.tau_s.dtype)
    contrast = grey.requires_grad_()
    voltage = model.voltage_of(contrast, rate_hz)[0, -1]
    fields = {}
    for i, name in enumerate(model.cell_types):
        (gradient,) = torch.autograd.grad(voltage[i], contrast, retain_graph=True)
        fields[name] = gradient[0, -n_lags:].flip(0).float().numpy()
    return fields
