"""Limits of a free movie, which hold exactly whatever is searched in: gamut, contrast, smoothness.

A movie is made of a field ``z`` that may take any contrast of the gamut. It is smoothed by Gaussians, whose weights are
positive and sum to one, so that it stays in the gamut; then, where its contrast is too large, it is brought closer to
grey, which lies in the gamut too. A Gaussian of standard deviation ``s`` passes half of the amplitude at
``sqrt(2 ln 2) / (2 pi s)``.

Axes: T frame, Y row, X column.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from stcnn.stimuli import Screen
from stcnn.validation import Config

REACH_SD = 3.0
"""Standard deviations after which a Gaussian ends."""
LEAST_SIGMA = 0.1
"""Samples below which a Gaussian changes nothing: its neighbour has a weight of exp(-50)."""


class Limits(Config):
    """Limits of a free movie.

    Args:
        duration_s: how long it lasts.
        rms_contrast: root of the mean squared contrast over all pixels and frames, relative to the background.
        darkest: luminance of the darkest pixel.
        brightest: luminance of the brightest pixel.
        smooth_deg: standard deviation of the Gaussian that it is smoothed with in space; 0 leaves it.
        smooth_s: the same in time.
    """

    duration_s: float = Field(default=1.0, gt=0, le=10)
    rms_contrast: float = Field(default=0.3, gt=0, le=2)
    darkest: float = Field(default=0.0, ge=0, le=1)
    brightest: float = Field(default=1.0, ge=0, le=1)
    smooth_deg: float = Field(default=2.0, ge=0, le=90)
    smooth_s: float = Field(default=0.03, ge=0, le=5)

    def field(self, z: Tensor, screen: Screen) -> Tensor:
        """Bring a field into the gamut: contrasts ``(T, Y, X)`` that its pixels may have."""
        return z.clamp(min(self.darkest - screen.background, 0), max(self.brightest - screen.background, 0))

    def movie(self, z: Tensor, screen: Screen) -> Tensor:
        """Return the contrast ``(T, Y, X)`` that is shown of a field in the gamut; gradients pass."""
        shown = z
        sigmas = (self.smooth_s * screen.rate_hz, *2 * (self.smooth_deg / screen.deg_per_px,))
        for axis, sigma in enumerate(sigmas):
            shown = smoothed(shown, axis, sigma)
        rms = shown.square().mean().sqrt().clamp(min=1e-12)
        return shown * (self.rms_contrast * screen.background / rms).clamp(max=1)


def smoothed(values: Tensor, axis: int, sigma: float) -> Tensor:
    """Smooth ``(T, Y, X)`` along an axis with a Gaussian of a standard deviation in samples; beyond it is grey."""
    reach = math.ceil(REACH_SD * sigma)
    if sigma < LEAST_SIGMA:
        return values
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=values.dtype) / sigma) ** 2)
    lines = values.movedim(axis, -1)
    flat = F.conv1d(lines.reshape(-1, 1, lines.shape[-1]), (kernel / kernel.sum())[None, None], padding=reach)
    return flat.reshape(lines.shape).movedim(-1, axis)
