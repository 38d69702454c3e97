"""The lags over which a filter of a baseline reaches, and the priors under which its weights are drawn.

Axes: J lag in frames, L function of the basis, C signal.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FINEST_S = 1 / 75
"""Lags are told apart at this distance, or frame by frame where frames are slower."""
FINE_S = 0.1
"""Up to this lag they are as fine as that; from here on the distance grows with the lag, as filters get smoother."""
GROWTH = 1.15
"""Ratio of neighbouring lags beyond :data:`FINE_S`."""
CORRELATED_KNOTS = 1.5
"""Of a smooth prior: distance along the basis over which weights are alike (standard deviation of the Gaussian)."""
CORRELATED_BLOCKS = 1.0
"""Of a smooth prior: distance in blocks or columns over which weights are alike."""
FADING_S = 0.25
"""Of a fading prior: time constant with which the variance of the weights decays along the lags."""


@dataclass(frozen=True)
class Lags:
    """Straight-line interpolation between lags; the same weights make nearly the same filter at every frame rate.

    Args:
        knots_s: the lags, from zero on.
        rate_hz: frame rate on whose frames they lie, the slowest of the data.
    """

    knots_s: tuple[float, ...]
    rate_hz: float

    @classmethod
    def up_to(cls, memory_s: float, rate_hz: float) -> Lags:
        """Choose lags for movies whose slowest frame rate is ``rate_hz``; no memory is the lag zero alone."""
        frames = [0]
        while frames[-1] < round(memory_s * rate_hz):
            lag_s = frames[-1] / rate_hz
            step_s = FINEST_S if lag_s < FINE_S else (GROWTH - 1) * lag_s
            frames.append(frames[-1] + max(1, round(step_s * rate_hz)))
        return cls(tuple(frame / rate_hz for frame in frames), rate_hz)

    def __len__(self) -> int:
        return len(self.knots_s)

    def basis(self, rate_hz: float) -> Tensor:
        """Sample the hat function of each lag at the frames, ``(J, L)``.

        At the slowest frame rate every column has unit energy: a white prior on the weights is then one on the taps.
        """
        reference = self._sampled(self.rate_hz)
        return (self._sampled(rate_hz) / reference.norm(dim=0) * (self.rate_hz / rate_hz)).float()

    def _sampled(self, rate_hz: float) -> Tensor:
        """Sample hats where the frames are, which are held: at another rate a frame lies elsewhere in the slowest ones.

        The first hat is level before the lag zero, so that the hats of every rate sum to one at each frame.
        """
        knots = torch.tensor(self.knots_s, dtype=torch.float64)
        held_s = 0.5 / self.rate_hz
        n_frames = int(torch.ceil((knots[-1] + 3 * held_s) * rate_hz - 0.5 - 1e-6))
        lag_s = (torch.arange(n_frames, dtype=torch.float64) + 0.5) / rate_hz - held_s
        left = torch.cat([knots[:1] - 1, knots[:-1]])
        right = torch.cat([knots[1:], knots[-1:] + 2 * held_s])
        rising = (lag_s[:, None] - left) / (knots - left)
        rising[:, 0] = 1.0
        falling = (right - lag_s[:, None]) / (right - knots)
        return torch.minimum(rising, falling).clamp(0, 1)


@dataclass(frozen=True)
class Prior:
    """How weights of signals and lags are thought to vary: Gaussian, zero mean.

    Args:
        smooth: whether neighbours in space and time are alike.
        fading: whether weights get smaller with the lag.
    """

    smooth: bool
    fading: bool

    def of_lags(self, lags: Lags) -> Tensor:
        """Return a root of the covariance of the weights along the lags, ``(L, L)``."""
        place = torch.arange(len(lags), dtype=torch.float64)
        smooth = _alike((place[:, None] - place).abs(), CORRELATED_KNOTS)
        covariance = smooth if self.smooth else torch.eye(len(lags), dtype=torch.float64)
        if self.fading:
            size = torch.exp(-torch.tensor(lags.knots_s, dtype=torch.float64) / FADING_S / 2).clamp(min=1e-2)
            covariance = covariance * size[:, None] * size
        return torch.linalg.cholesky(covariance)

    def of_signals(self, places: Tensor | None, components: Tensor) -> Tensor:
        """Return a root of the covariance of the weights of principal components, ``(C, C)``.

        Args:
            places: row and column of each signal, ``(F, 2)``; None where signals have no place.
            components: directions ``(F, C)`` in the space of signals, orthonormal up to one factor.
        """
        n = components.shape[1]
        if places is None or not self.smooth:
            return torch.eye(n, dtype=torch.float64)
        apart = torch.cdist(places.double(), places.double())
        unit = components.double() / components.double().norm(dim=0)
        covariance = unit.T @ _alike(apart, CORRELATED_BLOCKS) @ unit
        return torch.linalg.cholesky(covariance + 1e-3 * torch.eye(n, dtype=torch.float64))


def _alike(apart: Tensor, reach: float) -> Tensor:
    covariance = torch.exp(-(apart**2) / (2 * reach**2))
    return covariance + 1e-3 * torch.eye(len(apart), dtype=torch.float64)


PRIORS = (Prior(False, False), Prior(False, True), Prior(True, False), Prior(True, True))
"""Those that cross-validation chooses from."""
