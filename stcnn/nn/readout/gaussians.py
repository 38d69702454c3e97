"""Readout of few numbers: every channel is read through a Gaussian field with a size, a middle and a width of its own.

    w[c, p] = |a_c| exp(-|p - m_c|^2 / (2 s_c^2)),    m_c = s_0 u_c,    s_c = s_0 exp(z_c)

for a channel c and a place p in degrees from the middle of the window; a_c, u_c (azimuth and elevation) and z_c are
trained, s_0 is the width at the start. Weights are never negative and smooth whatever the training does, so that a
window of any size costs four numbers a channel. So Gruntman et al. (2018, doi 10.1038/s41593-017-0046-4; 2019, doi
10.7554/eLife.50706) describe where excitation and inhibition reach T4 and T5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from stcnn.nn.readout.kind import Field, ReadoutKind


class GaussiansReadout(ReadoutKind):
    """Size, middle and width of a Gaussian field are trained, for every channel."""

    kind: Literal["gaussians"] = "gaussians"
    """A Gaussian for every channel."""
    POSITIVE: ClassVar[bool] = True
    sd_init_deg: PositiveFloat = 6.0
    """Standard deviation of the initial fields, which all begin in the middle of the window."""

    def draw(self, field: Field, weight_init: float) -> dict[str, Tensor]:
        """Draw a size for each channel; the mean square of all weights is that of every kind."""
        found = {
            "weight": torch.rand(field.channels),
            "middle": torch.zeros(field.channels, 2),
            "log_width": torch.zeros(field.channels),
        }
        found["weight"] *= weight_init / self.weights(found, field).square().sum().sqrt()
        return found

    def weights(self, parameters: Mapping[str, Tensor], field: Field) -> Tensor:
        """Return the fields."""
        size = parameters["weight"].abs()[:, None, None]
        middle_deg = self.sd_init_deg * parameters["middle"][:, None, None]
        width_deg = self.sd_init_deg * parameters["log_width"].exp()[:, None, None]
        away_deg = field.positions_deg.to(middle_deg) - middle_deg
        fields = size * torch.exp(-away_deg.square().sum(-1) / (2 * width_deg**2))
        return fields if field.mask is None else fields * field.mask
