"""Readout with weights that are never negative and begin as smooth fields around the middle of the window.

    w[c, p] = |u[c, p]|,    at the start u[c, p] = a_c exp(-|p|^2 / (2 sigma^2)) with a_c > 0

for a channel c and a place p in degrees from the middle. A membrane with conductances then has channels that excite by
the weights of excitation alone and inhibit by those of inhibition alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from stcnn.nn.readout.kind import Field, ReadoutKind


class PositiveReadout(ReadoutKind):
    """Sizes of weights are trained, their sign is not."""

    kind: Literal["positive"] = "positive"
    """Weights that are never negative."""
    POSITIVE: ClassVar[bool] = True
    sd_init_deg: PositiveFloat = 6.0
    """Standard deviation of the initial fields."""

    def draw(self, field: Field, weight_init: float) -> dict[str, Tensor]:
        """Draw a coefficient for each channel; the mean square of all weights is that of every kind."""
        away_deg = field.positions_deg.float()
        smooth = torch.exp(-away_deg.square().sum(-1) / (2 * self.sd_init_deg**2))
        if field.mask is not None:
            smooth = smooth * field.mask
        weight = torch.rand(field.channels, 1, 1) * smooth
        return {"weight": weight * (weight_init / weight.square().sum().sqrt())}

    def weights(self, parameters: Mapping[str, Tensor], field: Field) -> Tensor:
        """Return the sizes."""
        return parameters["weight"].abs()
