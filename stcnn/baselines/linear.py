"""One linear stage, then the rectifier and the calcium of the network: fitted in seconds, to the same loss.

    voltage = bias + w . features,        dF/F = offset + gain * indicator(rectifier(voltage))

with one weight vector per cell type and one gain and offset per neuron. Axes: T time, B clip, F feature, N cell type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from stcnn.baselines.features import Features
from stcnn.data.batching import BatchingConfig, loader
from stcnn.data.dataset import Batch, Dataset
from stcnn.evaluate import Predictions, predict
from stcnn.metrics import mean_squared_error
from stcnn.nn.bounds import Bounds
from stcnn.nn.calcium import Calcium, CalciumConfig
from stcnn.nn.eye import Frames
from stcnn.nn.model import STCNN

RIDGES = (1.0, 0.1, 0.01, 0.001)
"""Penalties on the sum of squared weights, of features and targets of variance one, that are tried in this order."""
VARIANCE = 0.999
"""Share of the variance of the features whose principal components are used; ridge weights hardly touch the others."""
HELD_BACK = 5
"""One of so many training recordings is held back while the penalty is chosen."""
STEPS = 100
"""Steps of L-BFGS for each penalty; it mostly stops before."""
CLIPS = 128
"""Clips whose features are computed at a time."""


class LinearNonlinear(nn.Module):
    """A weighted sum of features and the network's calcium layer; understood by :func:`stcnn.evaluate.predict`.

    Args:
        features: what is summed.
        components: directions ``(F, K)`` in which they are summed.
        neurons: cell type to its neurons.
        deg_per_px: resolution of the movies.
    """

    def __init__(
        self, features: Features, components: Tensor, neurons: Mapping[str, Sequence[str]], deg_per_px: float
    ) -> None:
        super().__init__()
        self.features, self.deg_per_px = features, deg_per_px
        self.register_buffer("components", components)
        self.components: Tensor
        self.weight = nn.Parameter(torch.zeros(components.shape[1], len(neurons)))
        self.bias = nn.Parameter(torch.full((len(neurons),), -1.0))
        self.calcium = Calcium(CalciumConfig(tau="per_type"), {name: len(n) for name, n in neurons.items()})
        self.calcium.tau_s.requires_grad_(False)  # shared by all types: not used

    def voltage(self, projected: Tensor, n_grey: int = 0) -> Tensor:
        """Return voltages ``(T, B, N)`` from components ``(T - n_grey, B, K)``, which are zero in the grey before."""
        voltage = projected @ self.weight + self.bias
        return torch.cat([self.bias.expand(n_grey, voltage.shape[1], -1), voltage])

    def voltage_of(self, frames: Frames, rate_hz: float, multiplicity: Tensor | None = None, n_grey: int = 0) -> Tensor:
        """Return voltages ``(B, T, N)``; arguments as in :meth:`stcnn.nn.model.STCNN.voltage_of`."""
        return self.voltage(self.features(frames, rate_hz, self.deg_per_px) @ self.components).transpose(0, 1)

    def calcium_of(self, voltage: Tensor, clip: Tensor, cell_type: Tensor, neuron: Tensor, rate_hz: float) -> Tensor:
        """Return dF/F of single neurons, ``(R, T)``, as :meth:`stcnn.nn.model.STCNN.calcium_of`."""
        return STCNN.calcium_of(cast(STCNN, self), voltage, clip, cell_type, neuron, rate_hz)

    def predict(self, dataset: Dataset, batching: BatchingConfig) -> Predictions:
        """Predict every recording of a data set."""
        return predict(cast(STCNN, self), dataset, batching)


@dataclass(frozen=True)
class Design:
    """Features and targets of all recordings a fit may see.

    Args:
        batches: clips and recordings.
        projected: components of the features of each batch from its first frame that is not grey,
            ``(T - n_grey, B, K)``; their mean squares add up to K.
        components: their directions, ``(F, K)``.
    """

    batches: Sequence[Batch]
    projected: Sequence[Tensor]
    components: Tensor

    @classmethod
    def of(cls, features: Features, dataset: Dataset, batching: BatchingConfig) -> Design:
        """Compute the features of every presentation once."""
        by_presentation = batching.model_copy(update={"kind": "presentations", "batch_size": CLIPS})
        batches, maps = [], []
        for batch in loader(dataset, by_presentation):
            with torch.no_grad():
                maps.append(features(batch, batch.rate_hz, dataset.deg_per_px)[batch.n_grey :].clone())
            batches.append(replace(batch, codes=batch.codes[:0].clone()))  # the pictures are not needed any more
        components = _principal(maps)
        return cls(batches, [each @ components for each in maps], components)

    def error(self, model: LinearNonlinear, kept: Tensor) -> Tensor:
        """Mean squared error of each cell type over the recordings with ``kept[item]``, ``(N,)``."""
        n_types = model.weight.shape[1]
        total, count = torch.zeros(n_types), torch.zeros(n_types)
        for batch, projected in zip(self.batches, self.projected, strict=True):
            voltage = model.voltage(projected, batch.n_grey).transpose(0, 1)
            trace = model.calcium_of(voltage, batch.clip, batch.cell_type, batch.neuron, batch.rate_hz)
            error = mean_squared_error(batch.at_samples(trace), batch.target, batch.weight)
            mine = kept[batch.item]
            total = total.index_add(0, batch.cell_type[mine], error[mine])
            count = count.index_add(0, batch.cell_type[mine], torch.ones_like(error[mine]))
        return total / count.clamp(min=1)


def _principal(maps: Sequence[Tensor]) -> Tensor:
    """Directions ``(F, K)`` that hold :data:`VARIANCE` of features ``(T, B, F)``, scaled to a mean variance of one."""
    count = sum(each.shape[0] * each.shape[1] for each in maps)
    squares = torch.stack([each.flatten(0, 1).T @ each.flatten(0, 1) for each in maps]).sum(0) / count
    variance, directions = torch.linalg.eigh(squares.double())
    variance, directions = variance.flip(0).clamp(min=0), directions.flip(1)
    n_kept = int((variance.cumsum(0) < VARIANCE * variance.sum()).sum()) + 1
    mean_square = variance[:n_kept].mean()
    return (directions[:, :n_kept] / (mean_square.sqrt() if mean_square > 0 else 1)).float()


def fit_linear(features: Features, train: Dataset, batching: BatchingConfig) -> LinearNonlinear:
    """Fit weights, biases, time constants of the indicator, gains and offsets to recordings.

    The ridge penalty of each cell type is chosen on every fifth of the recordings given; then all of them are fitted.

    Args:
        features: inputs of the linear stage.
        train: recordings to fit.
        batching: padding and scored window.
    """
    design = Design.of(features, train, batching)
    model = LinearNonlinear(features, design.components, train.neurons, train.deg_per_px)
    everything = torch.ones(len(train), dtype=torch.bool)
    with torch.no_grad():
        unit = design.error(model, everything).clamp(min=1e-12)  # scale of the loss of each type
    _minimise(model, design, everything, unit, _chosen_ridges(model, design, unit))
    return model.eval()


def _chosen_ridges(model: LinearNonlinear, design: Design, unit: Tensor) -> Tensor:
    """The penalty of each cell type ``(N,)`` that predicts best what is held back; types do not share a parameter."""
    kept = torch.ones(1 + max(int(batch.item.max()) for batch in design.batches), dtype=torch.bool)
    kept[::HELD_BACK] = False
    errors = []
    for ridge in RIDGES:
        _minimise(model, design, kept, unit, torch.full_like(unit, ridge))
        with torch.no_grad():
            errors.append(design.error(model, ~kept) / unit)
    return torch.tensor(RIDGES)[torch.stack(errors).argmin(0)]


def _minimise(model: LinearNonlinear, design: Design, kept: Tensor, unit: Tensor, ridge: Tensor) -> None:
    """Minimise the error of the kept recordings in units of ``unit`` by L-BFGS-B, from where the model stands."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    parameters = [p for _, p in named]
    limits = Bounds()
    intervals = [limits.of(name) or (None, None) for name, p in named for _ in range(p.numel())]

    def loss(vector: np.ndarray) -> tuple[float, np.ndarray]:
        vector_to_parameters(torch.from_numpy(vector).float(), parameters)
        model.zero_grad()
        total = (design.error(model, kept) / unit).sum() + (ridge * model.weight.square()).sum()
        total.backward()
        gradient = parameters_to_vector([torch.zeros_like(p) if p.grad is None else p.grad for p in parameters])
        return total.item(), gradient.double().numpy()

    start = parameters_to_vector(parameters).detach().double().numpy()
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=intervals, options={"maxiter": STEPS, "ftol": 1e-6}
    )
    vector_to_parameters(torch.from_numpy(found.x).float(), parameters)
