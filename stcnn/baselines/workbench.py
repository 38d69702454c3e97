"""Workbench that the baselines of one training set share, computed once: designs, linear filters, fitted cascades."""

from __future__ import annotations

from functools import cache

from stcnn.baselines.cascade import Cascade
from stcnn.baselines.design import Design
from stcnn.baselines.features import Features
from stcnn.baselines.fitting import fit_behind_indicator, fit_nonlinear
from stcnn.baselines.linear import MEMORY_S, Linear, regressed
from stcnn.baselines.recurrent import Recurrent, fit_recurrent
from stcnn.baselines.two_filters import fit_two_filters
from stcnn.data.batching import BatchingConfig
from stcnn.data.dataset import Dataset
from stcnn.data.splitting.split_config import SplitConfig


class Workbench:
    """Fits models to recordings; nothing else of the data set is ever looked at.

    Args:
        train: recordings to fit.
        batching: padding and scored window.
        split: how the held-out recordings were chosen; cross-validation holds out the same kind of unit.
    """

    def __init__(self, train: Dataset, batching: BatchingConfig, split: SplitConfig | None = None) -> None:
        self.train = train
        self.batching = batching
        self._design = cache(lambda features: Design.of(features, train, batching, split or SplitConfig()))
        self._linear = cache(lambda features, memory_s: regressed(self._design(features), memory_s))
        self._behind_indicator = cache(lambda features: fit_behind_indicator(self._design(features)))

    def design(self, features: Features) -> Design:
        """Signals and traces."""
        return self._design(features)

    def _regressed(self, features: Features, memory_s: float) -> Linear:
        return self._linear(features, memory_s)

    def linear(self, features: Features, memory_s: float = MEMORY_S) -> Cascade:
        """A linear filter."""
        return self._regressed(features, memory_s).model

    def nonlinear(self, features: Features) -> Cascade:
        """A linear filter and an output nonlinearity."""
        return fit_nonlinear(self._regressed(features, MEMORY_S), self.design(features))

    def behind_indicator(self, features: Features) -> Cascade:
        """A linear filter, an output nonlinearity and an indicator."""
        return self._behind_indicator(features)[0]

    def weighted_sum(self, features: Features) -> Cascade:
        """Features without further memory, an output nonlinearity and an indicator."""
        return fit_behind_indicator(self.design(features), memory_s=0.0)[0]

    def two_filters(self, features: Features) -> Cascade:
        """Two filters, one of them squared, an output nonlinearity and an indicator."""
        one, problem = self._behind_indicator(features)
        return fit_two_filters(one, problem)

    def recurrent(self, features: Features) -> Recurrent:
        """A small recurrent network."""
        return fit_recurrent(self.design(features))
