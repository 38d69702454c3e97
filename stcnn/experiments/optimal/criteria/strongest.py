"""The stimulus that a cell type answers most strongly."""

from __future__ import annotations

from torch import Tensor

from stcnn.experiments.optimal.answers import Answers
from stcnn.experiments.optimal.criteria.criterion import Sought, criterion

SOURCE = "Walker et al. 2019, doi 10.1038/s41593-019-0517-x; Bashivan et al. 2019, doi 10.1126/science.aav9436"


@criterion("strongest", "max_t mean_m [r_m(t) - r_m(grey)]", SOURCE, unit="dF/F")
def strongest(answers: Answers, sought: Sought) -> Tensor:
    """The highest dF/F above grey of the mean over models, ``(B,)``."""
    return answers.peak()[:, sought.cell_type]
