"""The stimulus on which models that were fitted to the same recordings differ most: one of them must be wrong there."""

from __future__ import annotations

from torch import Tensor

from stcnn.experiments.optimal.answers import Answers
from stcnn.experiments.optimal.criteria.criterion import Sought, criterion

SOURCE = (
    "query by committee, Seung et al. 1992, doi 10.1145/130385.130417; controversial stimuli, "
    "Golan et al. 2020, doi 10.1073/pnas.1912334117"
)


@criterion("disputed", "sqrt(mean_t var_m [r_m(t) - r_m(grey)])", SOURCE, unit="dF/F", least_models=2)
def disputed(answers: Answers, sought: Sought) -> Tensor:
    """The standard deviation between models (M - 1), its square averaged over the frames that count, ``(B,)``."""
    variance = answers.rise[..., sought.cell_type].var(0, unbiased=True)
    counted = answers.scored.to(variance)
    return ((variance * counted).sum(1) / counted.sum(1)).clamp(min=1e-20).sqrt()
