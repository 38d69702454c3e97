"""Stimuli of a protocol as a design sees them: how long each lasts, and what it would tell of the unknown numbers.

Axes: S stimulus, U unit, R row, K sample, P unknown number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stcnn.errors import ConfigError
from stcnn.experiments.asked_models import AskedModels
from stcnn.experiments.design.gaussian import Array, Gaussian, compressed
from stcnn.experiments.design.sources import Shown, Source
from stcnn.metrics.regression import CORRELATION_S
from stcnn.movie import Movie
from stcnn.stimuli import Protocol
from stcnn.stimuli.showable import require_showable

SAMPLE_HZ = 10.0
"""Samples per second of a design: those of a volume scan; faster ones say no more through an indicator."""


@dataclass(frozen=True)
class Candidates:
    """Stimuli to choose from.

    Args:
        names: of the stimuli.
        duration_s: of each, ``(S,)``.
        units: cell types.
        noise_dff: standard deviation of the noise of a sample, of each unit, ``(U,)``.
        expected: of each unit and stimulus, dF/F above grey, ``(K,)``, in units of that noise.
        features: what the unknown numbers add to it, ``(K, P)``, likewise.
        rows: the same in few rows and per independent sample, ``(S, U, R, P)``.
        sample_hz: samples per second.
    """

    names: tuple[str, ...]
    duration_s: Array
    units: tuple[str, ...]
    noise_dff: Array
    expected: tuple[tuple[Array, ...], ...]
    features: tuple[tuple[Array, ...], ...]
    rows: Array
    sample_hz: float

    @property
    def predicted(self) -> Array:
        """Mean of ``X^T X`` over all samples of all stimuli, ``(U, P, P)``."""
        n_samples = sum(len(matrix) for matrix in self.features[0])
        return np.stack([sum(x.T @ x for x in mine) / n_samples for mine in self.features])

    def only(self, names: Sequence[str]) -> Candidates:
        """Return some of the stimuli."""
        numbers = [self.number(name) for name in names]
        return replace(
            self,
            names=tuple(names),
            duration_s=self.duration_s[numbers],
            expected=tuple(tuple(mine[i] for i in numbers) for mine in self.expected),
            features=tuple(tuple(mine[i] for i in numbers) for mine in self.features),
            rows=self.rows[numbers],
        )

    def known_after(self, counts: Mapping[str, Mapping[str, float]]) -> Gaussian:
        """Return what is known after stimuli were recorded, each so many times from each unit.

        Args:
            counts: name of the stimulus to name of the unit to number of recordings.
        """
        precision = np.broadcast_to(np.eye(self.rows.shape[-1]), (len(self.units), *(self.rows.shape[-1],) * 2)).copy()
        for name, times in counts.items():
            rows = self.rows[self.number(name)]
            weight = np.array([times.get(unit, 0.0) for unit in self.units])
            precision += weight[:, None, None] * (rows.swapaxes(1, 2) @ rows)
        return Gaussian(precision)

    def number(self, name: str) -> int:
        """Return the place of a stimulus.

        Raises:
            ConfigError: there is none of that name.
        """
        if name not in self.names:
            raise ConfigError(f"the design has no stimulus '{name}'", expected=f"one of its {len(self.names)}")
        return self.names.index(name)


def movies_of(protocol: Protocol, asked: AskedModels) -> dict[str, Movie]:
    """Draw the stimuli of a protocol on the screen of some models.

    Raises:
        ConfigError: the screen cannot show one of them.
    """
    for name, parameters in protocol.parameters.items():
        require_showable(name, parameters, asked.screen)
    return dict(protocol.movies(asked.screen))


def candidates(
    asked: AskedModels,
    movies: Mapping[str, Movie],
    source: Source,
    units: Sequence[str],
    noise_dff: Mapping[str, float],
) -> Candidates:
    """Compute what stimuli would tell, once for a protocol.

    Args:
        asked: the models.
        movies: the stimuli, by name.
        source: what is not known.
        units: cell types that are recorded.
        noise_dff: standard deviation of the noise of a sample, of each of them.
    """
    sample_hz = min(SAMPLE_HZ, asked.screen.rate_hz)
    shown = Shown(asked, movies, sample_hz)
    step_s = shown.frames_per_sample / asked.screen.rate_hz
    expected = []
    features = []
    for unit in units:
        found = source.features(shown, unit)
        expected.append(tuple(found[name].expected / noise_dff[unit] for name in movies))
        features.append([found[name].rows / noise_dff[unit] for name in movies])
    widest = max(mine[0].shape[1] for mine in features)
    padded = tuple(tuple(np.pad(x, ((0, 0), (0, widest - x.shape[1]))) for x in mine) for mine in features)
    thinned = np.sqrt(min(1.0, step_s / CORRELATION_S))
    each = [compressed([thinned * matrix for matrix in mine]) for mine in padded]
    most = max(rows.shape[1] for rows in each)
    rows = np.stack([np.pad(mine, ((0, 0), (0, most - mine.shape[1]), (0, 0))) for mine in each], 1)
    durations = np.array([movie.duration_s for movie in movies.values()])
    noise = np.array([noise_dff[unit] for unit in units])
    return Candidates(tuple(movies), durations, tuple(units), noise, tuple(expected), padded, rows, 1 / step_s)
