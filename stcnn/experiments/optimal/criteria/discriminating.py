"""The stimulus that tells one cell type from another: the one answers as strongly, the other as weakly as it can."""

from __future__ import annotations

from torch import Tensor

from stcnn.experiments.optimal.answers import Answers
from stcnn.experiments.optimal.criteria.criterion import Sought, criterion

SOURCE = "after the one-hot population of Bashivan et al. 2019, doi 10.1126/science.aav9436; each type on its scale"


@criterion("discriminating", "peak_a / scale_a - peak_b / scale_b", SOURCE, unit="1", against=True)
def discriminating(answers: Answers, sought: Sought) -> Tensor:
    """The difference of the peaks of two types, each relative to its strongest among the first stimuli, ``(B,)``."""
    share = answers.peak() / sought.scale
    return share[:, sought.cell_type] - share[:, sought.against]
