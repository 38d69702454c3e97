"""Features of the picture that linear filters and classical models of motion and object vision read.

Axes: T time, B clip, F feature. Every feature is zero while the picture is grey.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.nn.eye import Eye, EyeConfig
from stcnn.nn.filters.exponential import exponential_filter
from stcnn.nn.frames import EYE_FRAMES, Frames

SPACING_DEG = 5.0
"""Between columns; the interommatidial angle of the fly is 4.9 degrees in the median (Zhao et al. 2025)."""
COLUMNS = 11
"""Rows and columns that a baseline reads around the neuron: 55 degrees."""
MEMORY_S = (0.01, 0.04, 0.16)
"""Time constants of the leaky integrators of motion detectors and contrast energy; those the network starts with."""
DELAY_S = 0.03
"""Delay of the correlator's arm (Zhou et al. 2022, eLife 11:e72067: 30 ms)."""

Features = Callable[[Frames, float, float], Tensor]
"""Frames, frames per second and degrees per pixel to features ``(T, B, ...)``."""


@cache
def _eye() -> Eye:
    return Eye(EyeConfig(column_spacing_deg=SPACING_DEG, lattice=(COLUMNS, COLUMNS)))


def seen(frames: Frames, rate_hz: float, deg_per_px: float) -> Tensor:
    """Photoreceptor signals of the columns, ``(T, B, Y, X)``."""
    return _eye().sample_columns(frames, rate_hz, deg_per_px)


def blocks(frames: Frames, rate_hz: float, deg_per_px: float) -> Tensor:
    """Mean contrast of square blocks of the picture, ``(T, B, Y, X)``; no optics, no photoreceptor.

    A block is as wide as a column, or narrower where the picture is smaller than the window, so that a small picture
    is not blurred; what of the window lies beside the picture is grey.
    """
    starts = range(0, frames.n_frames, EYE_FRAMES)
    pieces = (frames.contrast(t, min(t + EYE_FRAMES, frames.n_frames)) for t in starts)
    return torch.cat([_block_means(piece, deg_per_px) for piece in pieces], 1).transpose(0, 1)


def _block_means(pictures: Tensor, deg_per_px: float) -> Tensor:
    fitting_px = -(-max(pictures.shape[-2:]) // COLUMNS)
    width_px = max(1, min(round(SPACING_DEG / deg_per_px), fitting_px))
    return F.avg_pool2d(_window(pictures, COLUMNS * width_px), width_px)


def _window(pictures: Tensor, width_px: int) -> Tensor:
    """The middle ``width_px`` pixels of rows and columns."""
    margins = [(width_px - n) // 2 for n in pictures.shape[-2:]]
    rest = [width_px - n - before for n, before in zip(pictures.shape[-2:], margins, strict=True)]
    return F.pad(pictures, (margins[1], rest[1], margins[0], rest[0]))  # negative padding crops


def remembered(signal: Tensor, rate_hz: float) -> Tensor:
    """Leaky integrators of a signal ``(T, ...)``, one per time constant of :data:`MEMORY_S`, ``(T, ..., M)``."""
    tau_s = torch.tensor(MEMORY_S)
    return exponential_filter(signal.unsqueeze(-1).expand(*signal.shape, len(tau_s)), tau_s, 1 / rate_hz)[0]


def energy(frames: Frames, rate_hz: float, deg_per_px: float) -> Tensor:
    """Contrast energy of every column in two temporal bands: the square of band-passed signals, blind to polarity."""
    return remembered(seen(frames, rate_hz, deg_per_px), rate_hz).diff(dim=-1).square().flatten(2)


def motion(frames: Frames, rate_hz: float, deg_per_px: float) -> Tensor:
    """Elementary motion detectors between neighbouring columns (Hassenstein & Reichardt 1956), in four directions.

    The arms are band-passed signals; the opponent product ``D(a) b - a D(b)`` is split into its two directions.
    """
    memory = remembered(seen(frames, rate_hz, deg_per_px), rate_hz)
    direct = memory[..., 0] - memory[..., -1]
    delayed = exponential_filter(direct.unsqueeze(-1), torch.tensor([DELAY_S]), 1 / rate_hz)[0].squeeze(-1)
    rightward = delayed[..., :-1] * direct[..., 1:] - direct[..., :-1] * delayed[..., 1:]
    downward = delayed[..., :-1, :] * direct[..., 1:, :] - direct[..., :-1, :] * delayed[..., 1:, :]
    return torch.cat([F.relu(sign * x).flatten(2) for x in (rightward, downward) for sign in (1, -1)], -1)
