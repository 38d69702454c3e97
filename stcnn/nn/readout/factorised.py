"""Readouts with what and where apart: weights of few mixtures of channels, each with a map of places.

    w[c, y, x] = sum_r channel[r, c] place[r, y, x],    r = 0..rank-1

(Klindt et al. 2017, arXiv 1711.02653, with rank 1). A window of h x w places and C channels costs ``rank (C + h w)``
numbers instead of ``C h w``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import pydantic
import torch
from torch import Tensor

from stcnn.nn.hidden import draw_weights
from stcnn.nn.readout.kind import Field, ReadoutKind


class FactorisedReadout(ReadoutKind):
    """Weights of a low rank: some mixtures of channels, and where each of them is read."""

    kind: Literal["factorised"] = "factorised"
    rank: Annotated[int, pydantic.Field(ge=1, le=100)] = 1
    """Number of mixtures of channels."""

    def draw(self, field: Field, weight_init: float) -> dict[str, Tensor]:
        """Draw both factors uniformly, so that their products spread as weights of any kind."""
        channels, rows, columns = field.shape
        n_places = field.n_inputs // channels
        return {
            "channel": draw_weights((self.rank, channels), channels, 1.0),
            "place": draw_weights((self.rank, rows, columns), self.rank * n_places, weight_init),
        }

    def weights(self, parameters: Mapping[str, Tensor], field: Field) -> Tensor:
        """Return the sum of the products."""
        return torch.einsum("rc,ryx->cyx", parameters["channel"], parameters["place"])
