"""A weight of its own for every channel and place, as the published program has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from stcnn.nn.hidden import draw_weights
from stcnn.nn.readout.kind import Field, ReadoutKind


class FullReadout(ReadoutKind):
    """Every weight is trained."""

    kind: Literal["full"] = "full"
    """How weights are made: each trained on its own (``full``), or of fewer parameters; the page on the model has the
    formula of each kind."""

    def draw(self, field: Field, weight_init: float) -> dict[str, Tensor]:
        """Draw each weight uniformly."""
        return {"weight": draw_weights(field.shape, field.n_inputs, weight_init)}

    def weights(self, parameters: Mapping[str, Tensor], field: Field) -> Tensor:
        """Return the weights themselves."""
        return parameters["weight"]
