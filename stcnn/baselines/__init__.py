"""Simple models on the same split as the network, fitted to its training recordings alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stcnn.baselines import features
from stcnn.baselines.averages import GrandMean, Population
from stcnn.baselines.workbench import Workbench as Workbench
from stcnn.errors import ConfigError, nearest
from stcnn.evaluate import Predictor

Fit = Callable[[Workbench], Predictor]

BASELINES: Mapping[str, Fit] = {
    "grand mean of the type": lambda bench: GrandMean(bench.train),
    "linear filter": lambda bench: bench.linear(features.blocks),
    "LN model": lambda bench: bench.nonlinear(features.blocks),
    "LN model with indicator": lambda bench: bench.behind_indicator(features.blocks),
    "eye and linear filter": lambda bench: bench.behind_indicator(features.seen),
    "two filters": lambda bench: bench.two_filters(features.blocks),
    "contrast energy": lambda bench: bench.weighted_sum(features.energy),
    "motion detectors": lambda bench: bench.weighted_sum(features.motion),
    "recurrent network": lambda bench: bench.recurrent(features.seen),
    "the other neurons": lambda bench: Population(bench.train),
}
"""Name to how it is fitted, from the simplest to the population ceiling, which no model of the type is above."""


def named(wanted: str) -> list[str]:
    """Names of baselines in a list such as ``linear-filter,LN model``; ``all`` is each of them.

    Spaces, dashes and underscores are the same, capitals are too.

    Raises:
        ConfigError: there is no such baseline.
    """
    plain = {_plain(name): name for name in BASELINES}
    found: list[str] = []
    for word in filter(None, map(_plain, wanted.split(","))):
        if word == "all":
            return list(BASELINES)
        if word not in plain:
            raise ConfigError(f"there is no baseline '{word}'", remedy=nearest(word, ["all", *plain]))
        found.append(plain[word])
    if not found:
        raise ConfigError("--baselines names no baseline", remedy=nearest("", ["all", *plain]))
    return [name for name in BASELINES if name in found]


def _plain(name: str) -> str:
    return "-".join(name.lower().replace("_", " ").replace("-", " ").split())
