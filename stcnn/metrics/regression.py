"""Gain and offset that bring a prediction closest to a recording, in closed form, with a prior on the gain.

    recording = offset + gain * prediction + error

The errors are Gaussian, of a variance that the recording itself tells, and go together over a correlation time, so that
a recording holds fewer independent samples than samples. The gain has a Gaussian prior, the offset has none.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CORRELATION_S = 1.5
"""Time over which errors go together: as long as a response, in which the slow indicator keeps a model's faults."""
LEAST_SHARE = 1e-9
"""Of the power of a recording, below which no error is taken to lie; it keeps logarithms finite."""


class Sums(NamedTuple):
    """All that a regression needs of predictions x and recordings y, each ``(...)`` and float64; sums add up.

    Args:
        n: number of samples.
        x: sum of the predictions.
        y: sum of the recordings.
        xx: sum of the squared predictions.
        xy: sum of the products.
        yy: sum of the squared recordings.
    """

    n: Tensor
    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor

    @classmethod
    def of(cls, prediction: Tensor, target: Tensor, weight: Tensor) -> Sums:
        """Those of samples along the last axis.

        Args:
            prediction: ``(..., S)``.
            target: ``(..., S)``, broadcast against the prediction; finite where it counts.
            weight: how often each sample counts, mostly 0 or 1.
        """
        x = prediction.double()
        y = target.double()
        w = weight.double()
        wx = w * x
        wy = w * y
        each = (w, wx, wy, wx * x, wx * y, wy * y)
        return cls(*torch.stack(torch.broadcast_tensors(*(values.sum(-1) for values in each))))

    def and_of(self, other: Sums) -> Sums:
        """Those of both."""
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def squares(self) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of squared deviations of the predictions, of products of deviations, and of those of the recordings."""
        n = self.n.clamp(min=1)
        return self.xx - self.x * self.x / n, self.xy - self.x * self.y / n, self.yy - self.y * self.y / n


class Regression(NamedTuple):
    """The most probable gain and offset, and the sum of the squared errors that remain; each ``(...)``."""

    gain: Tensor
    offset: Tensor
    squared_error: Tensor


def regress(sums: Sums, n_independent: Tensor | float, usual: Tensor | float, sd: Tensor | float) -> Regression:
    """Fit gain and offset; the gain does not become negative.

    Args:
        sums: of predictions and recordings.
        n_independent: number of independent samples among them.
        usual: mean of the prior of the gain, positive.
        sd: its standard deviation.
    """
    variance, covariance, power = sums.squares
    floor = (LEAST_SHARE * power).clamp(min=1e-300)
    best = covariance / variance.clamp(min=1e-300)
    least = torch.maximum(power - covariance * best, floor)
    # of the gain: likelihood n_independent (gain - best)^2 variance / least, prior ((gain - usual) / sd)^2
    trust = n_independent * variance / least
    prior = torch.as_tensor(sd, dtype=variance.dtype) ** -2
    gain = ((trust * best + prior * usual) / (trust + prior)).clamp(min=0)
    error = torch.maximum(power - 2 * gain * covariance + gain.square() * variance, floor)
    return Regression(gain, (sums.y - gain * sums.x) / sums.n.clamp(min=1), error)


def average_where_unknown(values: Tensor, known: Tensor) -> Tensor:
    """Return gains or offsets of the neurons of a cell type, the mean of the known ones in place of the others.

    Args:
        values: of the neurons, ``(N,)``; gains in whatever form is to be averaged.
        known: which of them have recordings, ``(N,)``; where none has, all stay.
    """
    return torch.where(known, values, values[known].mean()) if known.any() else values
