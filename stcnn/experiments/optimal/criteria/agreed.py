"""The stimulus on which models agree that it tells one cell type from another: where one is unsure, it counts less."""

from __future__ import annotations

import torch
from torch import Tensor

from stcnn.experiments.optimal.answers import Answers
from stcnn.experiments.optimal.criteria.criterion import Sought, criterion

SOURCE = "discriminating, as a lower confidence bound over models (Cox & John 1992, doi 10.1109/ICSMC.1992.271617)"


@criterion(
    "agreed",
    "mean_m d_m - sd_m d_m, d_m = peak_a / scale_a - peak_b / scale_b",
    SOURCE,
    unit="1",
    against=True,
    least_models=2,
)
def agreed(answers: Answers, sought: Sought) -> Tensor:
    """The mean over models of the difference of two types' peaks, less its standard deviation (M - 1), ``(B,)``."""
    peaks = answers.rise.masked_fill(~answers.scored[..., None], -torch.inf).amax(2)
    share = peaks / sought.scale
    difference = share[..., sought.cell_type] - share[..., sought.against]
    return difference.mean(0) - (difference.var(0, unbiased=True) + 1e-20).sqrt()
