"""How far a prediction is from a measurement: one likelihood a file, chosen by ``training.loss``.

A likelihood is a subclass of :class:`~stcnn.metrics.likelihoods.likelihood.Likelihood` in a file of its own and one
line in :data:`LIKELIHOODS`; docs/developing/likelihood.md adds one step by step.
"""

from typing import Annotated

from pydantic import AfterValidator

from stcnn.errors import nearest
from stcnn.metrics.likelihoods.gamma import Gamma
from stcnn.metrics.likelihoods.likelihood import DevianceSums as DevianceSums
from stcnn.metrics.likelihoods.likelihood import Likelihood as Likelihood
from stcnn.metrics.likelihoods.poisson import Poisson
from stcnn.metrics.likelihoods.squared import Squared

LIKELIHOODS: dict[str, Likelihood] = {
    "squared": Squared(),
    "poisson": Poisson(),
    "gamma": Gamma(),
}
"""Every likelihood by its name in a configuration."""


def _known(name: str) -> str:
    if name not in LIKELIHOODS:
        raise ValueError(f"there is no likelihood '{name}'; {nearest(name, LIKELIHOODS)}")
    return name


LikelihoodName = Annotated[str, AfterValidator(_known)]
