"""The second clock: what a prediction at the movie's frame rate is at the times when the microscope collected light.

A trace is compared with the prediction at its own time stamps, not brought to the movie's rate: the prediction is
joined by straight lines between frames and averaged over the exposure of each sample. Frames that the microscope
dropped or delayed need no treatment, because every sample brings its own time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from stcnn.data.recordings import EVEN_WITHIN, Recording

PAD_SAMPLES = 18
"""Samples at either end of a trace whose mean continues it (published: 0.1 s at 180 Hz)."""

SHORTEST_EXPOSURE = 0.01
"""Exposures shorter than this share of a movie frame are instants; the mean over them would be rounding noise."""


def sample_prediction(prediction: Tensor, start: Tensor, stop: Tensor) -> Tensor:
    """Average predictions over the exposure of each sample; exact for the straight lines between frames.

    The mean of a line through ``p[k]`` at the frames k over ``[a, b]`` weighs each frame by the integral of its
    hat function, ``w[k] = (H(b - k) - H(a - k)) / (b - a)`` with ``H(x) = int_{-1}^{x} max(0, 1 - |u|) du``.

    Args:
        prediction: ``(R, T)`` at the movie frames.
        start: ``(R, S)`` start of each exposure, in frames from the first.
        stop: ``(R, S)`` its end, not before the start; equal to it for an instant.

    Returns:
        ``(R, S)``. Outside of the first and last frame the prediction goes on as it ends.
    """
    last = prediction.shape[1] - 1
    first_knot = torch.floor(start)
    n_knots = int((torch.ceil(stop) - first_knot).max()) + 1 if start.numel() else 1
    knots = first_knot.unsqueeze(-1) + torch.arange(n_knots, device=start.device)
    a = start.unsqueeze(-1) - knots
    b = stop.unsqueeze(-1) - knots
    width = b - a
    mean = (_hat_integral(b) - _hat_integral(a)) / width.clamp(min=SHORTEST_EXPOSURE)
    instant = (1 - ((a + b) / 2).abs()).clamp(min=0)
    weights = torch.where(width < SHORTEST_EXPOSURE, instant, mean).to(prediction.dtype)
    places = knots.long().clamp(0, last)
    values = prediction.gather(1, places.flatten(1)).view(places.shape)
    return (values * weights).sum(-1)


def _hat_integral(x: Tensor) -> Tensor:
    """Integral of the hat function ``max(0, 1 - |u|)`` from -1 to x."""
    inside = x.clamp(-1, 1)
    return 0.5 + inside - 0.5 * inside * inside.abs()


def sampled_at_frames(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Whether each recording was sampled at the frames of its movie, as the published ones are."""
    same_rate = np.isclose(table.rate_hz, table.movie_rate_hz)
    start = (table.start_s * table.movie_rate_hz).to_numpy()
    on_frame = np.abs(start - np.rint(start)) <= EVEN_WITHIN
    return same_rate & on_frame & table.even.to_numpy(bool) & (table.exposure_s == 0).to_numpy()


def frame_extents(table: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First frame and the one after the last that each recording needs, counted from stimulus onset."""
    rate_hz = table.movie_rate_hz.to_numpy()
    half_s = table.exposure_s.to_numpy() / 2
    start = table.start_s.to_numpy()
    end = table.end_s.to_numpy()
    at_frames = sampled_at_frames(table)
    first = np.where(at_frames, np.rint(start * rate_hz), np.floor((start - half_s) * rate_hz)).astype(int)
    last = np.where(at_frames, first + table.n_samples, np.ceil((end + half_s) * rate_hz) + 1).astype(int)
    return first, last


def traces_at_frames(
    rows: Sequence[tuple[Recording, int]], length: int, loss_start_s: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Traces sampled at the movie frames, padded to the length of a clip, and their weights, both ``(R, T)``.

    Args:
        rows: recordings, each with the first frame of its clip, counted from stimulus onset.
        length: frames of a clip.
        loss_start_s: time from which on, up to the last but one sample, the weight is 1.
    """
    targets = np.empty((len(rows), length), np.float32)
    weights = np.zeros((len(rows), length), np.float32)
    for target, weight, (recording, first_frame) in zip(targets, weights, rows, strict=True):
        trace = recording.trace
        rate_hz = recording.rate_hz
        start_s = float(recording.time_s[0])
        before = round(start_s * rate_hz) - first_frame
        target[:before] = trace[:PAD_SAMPLES].mean()
        target[before : before + len(trace)] = trace
        target[before + len(trace) :] = (trace[-PAD_SAMPLES:-1] if len(trace) > 1 else trace).mean()
        unscored = max(0, int(np.ceil((loss_start_s - start_s) * rate_hz - 1e-3)))
        weight[before + unscored : before + len(trace) - 1] = 1
    return targets, weights


def traces_at_samples(
    rows: Sequence[tuple[Recording, int]], rate_hz: float, loss_start_s: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Traces on their own clocks and their weights, ``(R, S)``, and the exposures ``(2, R, S)`` in frames of the clip.

    Samples that are not finite are not scored; traces shorter than the longest are padded with unscored zeros.

    Args:
        rows: recordings, each with the first frame of its clip, counted from stimulus onset.
        rate_hz: frames per second of the movies.
        loss_start_s: time from which on samples are scored.
    """
    shape = len(rows), max(len(recording.trace) for recording, _ in rows)
    targets, weights, exposures = (np.zeros(s, np.float32) for s in (shape, shape, (2, *shape)))
    for i, (recording, first_frame) in enumerate(rows):
        n = len(recording.trace)
        finite = np.isfinite(recording.trace)
        targets[i, :n] = np.where(finite, recording.trace, 0)
        weights[i, :n] = finite & (recording.time_s >= loss_start_s - 1e-9)
        half_s = np.array([[-0.5], [0.5]]) * recording.exposure_s
        exposures[:, i, :n] = (recording.time_s + half_s) * rate_hz - first_frame
    return targets, weights, exposures
