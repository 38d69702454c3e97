"""Sources by name, and what they are shown.

Axes: K sample, P unknown number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stcnn.errors import ConfigError, nearest
from stcnn.experiments.asked_models import AskedModels
from stcnn.experiments.optimal.answers import Presenter, traces_of
from stcnn.movie import Movie

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Shown:
    """Stimuli, and how they are recorded.

    Args:
        asked: the models.
        movies: of the stimuli, by name.
        sample_hz: samples of a recording per second.
    """

    asked: AskedModels
    movies: Mapping[str, Movie]
    sample_hz: float

    @property
    def frames_per_sample(self) -> int:
        """Frames over which a sample is the mean."""
        return max(1, round(self.asked.screen.rate_hz / self.sample_hz))

    def sampled(self, frames: Rows) -> Rows:
        """Average frames ``(T, ...)`` to samples ``(K, ...)``; the last ones that fill no sample are left out."""
        step = self.frames_per_sample
        whole = max(1, len(frames) // step)
        return frames[: whole * step].reshape(whole, -1, *frames.shape[1:]).mean(1)

    @cached_property
    def answers(self) -> dict[str, Rows]:
        """The dF/F above grey of every model and cell type to each stimulus, ``(K, M, N)``."""
        presenter = Presenter(self.asked, self.asked.screen)
        found = presenter.answers(list(self.movies.values()))
        traces = (traces_of(one).astype(float).transpose(1, 0, 2) for one in found)
        return {name: self.sampled(trace) for name, trace in zip(self.movies, traces, strict=True)}


class Told(NamedTuple):
    """What a stimulus is expected to evoke, and by what it may differ.

    Args:
        expected: dF/F above grey, ``(K,)``.
        rows: what each unknown number, of variance one, adds to it, ``(K, P)``.
    """

    expected: Rows
    rows: Rows


Features = Callable[[Shown, str], dict[str, Told]]


class Source(NamedTuple):
    """A source.

    Args:
        name: of it.
        features: what every stimulus would tell, for a cell type.
        what: is not known, in words.
        knows_recorded: whether the models know already what was recorded so far.
        least_models: how many models it needs.
    """

    name: str
    features: Features
    what: str
    knows_recorded: bool
    least_models: int

    def require(self, asked: AskedModels) -> None:
        """Judge whether there are models enough.

        Raises:
            ConfigError: there are not.
        """
        if len(asked.models) < self.least_models:
            raise ConfigError(
                f"a design by '{self.name}' goes by how models differ, and {asked.names[0]} is one model alone",
                expected=f"at least {self.least_models} models",
                remedy="give an ensemble (train with n_models=5), or choose another source",
            )


SOURCES: dict[str, Source] = {}


def source(name: str, what: str, *, knows_recorded: bool, least_models: int = 1) -> Callable[[Features], Features]:
    """Enter a function as a source; arguments as of :class:`Source`."""

    def entered(features: Features) -> Features:
        SOURCES[name] = Source(name, features, what, knows_recorded, least_models)
        return features

    return entered


def known_source(name: str, asked: AskedModels) -> Source:
    """Return a source by its name.

    Raises:
        ConfigError: there is none, or there are too few models for it.
    """
    if name not in SOURCES:
        raise ConfigError(f"there is no source '{name}' of what is not known", remedy=nearest(name, SOURCES))
    SOURCES[name].require(asked)
    return SOURCES[name]
