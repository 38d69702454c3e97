"""The linear receptive field of each cell type: how its voltage follows small contrast at every place and lag."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from stcnn.gradients import gradient
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
        field = gradient(voltage[i], contrast, keep_graph=True)
        fields[name] = field[0, -n_lags:].flip(0).float().numpy()
    return fields


def field_size_deg(field: NDArray[np.floating], deg_per_px: float) -> tuple[float, float]:
    """Height and width of a receptive field ``(K, Y, X)``: how much of each axis has half the largest power or more.

    The power is the squared gradient, summed over lags and the other axis; NaN where the field is zero.
    """
    power = np.square(field.astype(float)).sum(0)
    if not power.any():
        return float("nan"), float("nan")
    height, width = (
        deg_per_px * float((profile >= profile.max() / 2).sum()) for profile in (power.sum(1), power.sum(0))
    )
    return height, width


def field_latency_s(field: NDArray[np.floating], rate_hz: float) -> float:
    """Lag of the largest power of a receptive field ``(K, Y, X)``, lag 0 first, in seconds; NaN where it is zero.

    A frame is on screen until the next one begins, so that lag K stands for ``(K + 1/2) / rate``. The peak is that of a
    parabola through the logarithms of the largest power and its neighbours, where it has both: exact for a Gaussian.
    """
    power = np.square(field.astype(float)).sum((1, 2))
    if not power.any():
        return float("nan")
    peak = int(power.argmax())
    aside = 0.0
    if 0 < peak < len(power) - 1:
        before, top, after = np.log(power[peak - 1 : peak + 2] + 1e-12 * power[peak])
        aside = 0.5 * (before - after) / (before - 2 * top + after)
    return float((peak + 0.5 + aside) / rate_hz)
