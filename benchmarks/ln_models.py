"""LN models of planted spiking neurons, fitted to the spikes that a network is trained on.

``fitted_ln`` is what a laboratory would fit first. ``refitted`` is the model that made the spikes with all its numbers
fitted anew from the true ones on: it starts in the right valley and has the right form, so that what it loses on new
noise is what the amount of data takes from any fit of so many numbers.

Axes: T frame, K lag, Y row, X column, N neuron.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stcnn.simulation.spiking import SpikingNeuron

N_LAGS = 24
RIDGES = (0.1, 1.0, 10.0, 100.0)
N_CLASSES = 25
STEPS = 100
"""Steps of L-BFGS, each of 20 evaluations at most."""


def lagged(contrast: np.ndarray) -> np.ndarray:
    """The last frames before each, ``(T, K Y X)``."""
    flat = contrast.reshape(len(contrast), -1)
    padded = np.concatenate([np.zeros((N_LAGS - 1, flat.shape[1])), flat])
    return np.concatenate([padded[N_LAGS - 1 - k : len(padded) - k] for k in range(N_LAGS)], 1)


def fitted_ln(contrasts: list[np.ndarray], counts: np.ndarray, frozen: np.ndarray) -> np.ndarray:
    """Predictions of LN models for the frozen noise ``(T, N)``; the ridge is chosen on the last tenth of the segments.

    Args:
        contrasts: of each segment.
        counts: of each segment, ``(segments, T, N)``.
        frozen: contrast.
    """
    n_fit = round(0.9 * len(contrasts))
    size = lagged(contrasts[0][:1]).shape[1]
    products = np.zeros((size, size))
    covariance = np.zeros((size, counts.shape[2]))
    mean = counts[:n_fit].mean((0, 1))
    for contrast, spikes in zip(contrasts[:n_fit], counts[:n_fit], strict=True):
        x = lagged(contrast)
        products += x.T @ x
        covariance += x.T @ (spikes - mean)
    scale = np.trace(products) / size / 100
    filters = [np.linalg.solve(products + ridge * scale * np.eye(size), covariance) for ridge in RIDGES]
    held = np.concatenate([lagged(contrast) for contrast in contrasts[n_fit:]])
    spikes = counts[n_fit:].reshape(-1, counts.shape[2])
    columns = []
    for n in range(counts.shape[2]):
        chosen = max((f[:, n] for f in filters), key=lambda f, n=n: np.corrcoef(held @ f, spikes[:, n])[0, 1])
        drive = np.concatenate([lagged(contrast) @ chosen for contrast in contrasts[:n_fit]])
        edges = np.quantile(drive, np.linspace(0, 1, N_CLASSES + 1)[1:-1])
        of_class = np.digitize(drive, edges)
        y = counts[:n_fit, :, n].ravel()
        x, rate = (np.array([v[of_class == c].mean() for c in range(N_CLASSES)]) for v in (drive, y))
        columns.append(np.interp(lagged(frozen) @ chosen, x, rate))
    return np.stack(columns, 1)


def refitted(
    neurons: Sequence[SpikingNeuron], contrasts: list[np.ndarray], counts: np.ndarray, frozen: np.ndarray
) -> np.ndarray:
    """Predictions for the frozen noise ``(T, N)`` of the models that made the spikes, refitted by maximum likelihood.

    Field, temporal filter, slope, threshold and height of every neuron are fitted to the first nine tenths of the
    segments, those that the network is trained on.

    Args:
        neurons: the models; without gain control.
        contrasts: of each segment.
        counts: of each segment, ``(segments, T, N)``.
        frozen: contrast.
    """
    n_fit = round(0.9 * len(contrasts))
    shown = torch.from_numpy(np.stack(contrasts[:n_fit])).flatten(2)
    asked = torch.from_numpy(frozen)[None].flatten(2)
    columns = []
    for n, neuron in enumerate(neurons):
        numbers = _numbers(neuron)
        spikes = torch.from_numpy(counts[:n_fit, :, n])
        numbers[2][0] = (spikes.mean() / _rate(numbers, shown).mean()).log()
        _descend([each.requires_grad_() for each in numbers], shown, spikes)
        with torch.no_grad():
            columns.append(_rate(numbers, asked)[0].numpy())
    return np.stack(columns, 1)


def _numbers(neuron: SpikingNeuron) -> list[Tensor]:
    """True field ``(Y X,)`` and temporal filter ``(K,)``; log height, here zero, slope and threshold ``(3,)``."""
    lags = neuron.filter.reshape(len(neuron.filter), -1)
    in_time, sizes, in_space = np.linalg.svd(lags, full_matrices=False)
    return [
        torch.from_numpy(in_space[0].copy()),
        torch.from_numpy(in_time[:, 0] * sizes[0]),
        torch.tensor([0.0, neuron.slope, neuron.threshold], dtype=torch.float64),
    ]


def _rate(numbers: list[Tensor], contrast: Tensor) -> Tensor:
    """Expected counts ``(segments, T)`` for contrast ``(segments, T, Y X)``."""
    field, in_time, (height, slope, threshold) = numbers
    seen = F.pad(contrast @ field, (len(in_time) - 1, 0))[:, None]
    drive = F.conv1d(seen, in_time.flip(0)[None, None])[:, 0]
    return height.exp() * F.softplus(slope * (drive - threshold))


def _descend(numbers: list[Tensor], contrast: Tensor, counts: Tensor) -> None:
    optimiser = torch.optim.LBFGS(numbers, max_iter=STEPS, line_search_fn="strong_wolfe", tolerance_change=1e-10)

    def loss() -> Tensor:
        optimiser.zero_grad()
        rate = _rate(numbers, contrast)
        found = (rate - counts * rate.clamp(min=1e-12).log()).mean()
        found.backward()
        return found

    optimiser.step(loss)
