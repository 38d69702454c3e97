"""Linear receptive fields of networks, by their gradient."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from stcnn.experiments.physiology.bench import Bench
from stcnn.experiments.physiology.cells import Cells
from stcnn.experiments.physiology.curves import Axis, Map, Number, Result
from stcnn.experiments.physiology.subject import Values
from stcnn.experiments.receptive_field import field_latency_s, field_size_deg
from stcnn.stimuli import Screen

LAGS_S = 0.4


@runtime_checkable
class Differentiable(Protocol):
    """A subject whose answers can be differentiated."""

    def gradients(self, screen: Screen, lags_s: float) -> Values:
        """Return the change of the voltage by the contrast of each pixel, ``(M, N, K, Y, X)``, lag 0 first."""


def gradient_field(bench: Bench) -> Result:
    """Receptive field to small contrasts around grey, ``dV / dc(k, y, x)``, through all layers.

    It is exact for a network where contrasts are small; a type that grey leaves far below threshold shows little of
    it. Drawn at the lag of its largest power, summed over cells of some 6 degrees. Height and width are the parts of
    either axis with half of the largest power (squared gradient) or more, the latency is the lag of the largest power.
    """
    if not isinstance(bench.subject, Differentiable):
        return Result("gradient_field", left_out=["The gradient: what is examined is no network."])
    screen = bench.screen
    fields = bench.subject.gradients(screen, LAGS_S)
    cells = Cells.of(screen)
    power = np.square(fields).sum((0, -2, -1))
    lag = power.argmax(-1)
    types = np.arange(fields.shape[1])
    where = cells.sums(fields[:, types, lag])
    rows = np.square(where).sum((0, -1)).argmax(-1)
    when = np.stack([cells.sums(fields[:, i])[..., row, :] for i, row in enumerate(rows.tolist())], 1)
    lags = Axis("lag_s", "lag", "s", np.arange(fields.shape[2]) / screen.rate_hz)
    response = "change of voltage by contrast (1)"
    maps = [
        Map("gradient", cells.azimuth, cells.elevation, where, response, signed=True),
        Map("gradient, by lag", cells.azimuth, lags, when, response, signed=True),
    ]
    sizes = np.array([[field_size_deg(field, screen.deg_per_px) for field in member] for member in fields])
    latency = np.array([[field_latency_s(field, screen.rate_hz) for field in member] for member in fields])
    numbers = [
        Number("gradient_height_deg", "height", "°", sizes[..., 0]),
        Number("gradient_width_deg", "width", "°", sizes[..., 1]),
        Number("gradient_latency_s", "latency", "s", latency),
    ]
    return Result("gradient_field", maps=maps, numbers=numbers)
