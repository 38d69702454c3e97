"""Priors of the weights of readouts beside the losses; a new one is a file, a weight in the recipe, and a line here."""

from __future__ import annotations

from torch import Tensor

from stcnn.nn.model import STCNN
from stcnn.training.recipe import TrainingConfig
from stcnn.training.smoothness import roughness
from stcnn.training.sparseness import gaussians_read


def weight_penalty(model: STCNN, config: TrainingConfig) -> Tensor | float:
    """Return what the priors add to a loss; zero where the recipe has none."""
    priors = (
        (config.smoothness, config.smoothness_deg, roughness),
        (config.sparseness, config.sparseness_deg, gaussians_read),
    )
    return sum(weight * of(model, size_deg) for weight, size_deg, of in priors if weight)
