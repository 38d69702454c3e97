"""Learned parameters, taken out of a network for the figures: weights, impulse responses, values by kind."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stcnn.nn.bounds import Bounds
from stcnn.nn.filters import PARAMETERS
from stcnn.nn.filters.temporal_filter import TemporalFilter
from stcnn.nn.lattices.map_lattice import MapLattice
from stcnn.nn.model import STCNN
from stcnn.viz.weights import LayerWeights, ParameterValues

KERNEL_RATE_HZ = 1000.0
KERNEL_S = 0.4
"""Impulse responses are drawn so long."""


def spatial_weights(model: STCNN) -> dict[str, LayerWeights]:
    """Spatial weights of hidden layers, in front of which stand the normalised channels of the layer before."""
    eye = model.config.eye
    lattice = MapLattice(eye.arrangement, eye.lattice, eye.spacing_deg)
    layers = {}
    for i, layer in enumerate(model.hidden, start=1):
        outputs = [str(o + 1) for o in range(len(layer.weight))]
        drawn = LayerWeights(f"hidden layer {i}", _masked(layer.kernel, layer.mask), outputs, lattice.spacing_deg[1])
        layers[f"layer{i}"] = replace(drawn, cells=_cells(lattice, layer.convolution.kernel))
        lattice = lattice.behind(layer.convolution.stride)
    weights = [_masked(readout.weights[0], readout.mask) for readout in model.readouts.each]
    height = max(weight.shape[1] for weight in weights)
    width = max(weight.shape[2] for weight in weights)
    centred = [_centred(weight, height, width) for weight in weights]
    drawn = LayerWeights("readouts", np.stack(centred), list(model.cell_types), lattice.spacing_deg[1])
    layers["readouts"] = replace(drawn, cells=_cells(lattice, (height, width)))
    return layers


def _masked(weights: torch.Tensor, mask: torch.Tensor | None) -> NDArray[np.float32]:
    """Return weights ``(..., Y, X)`` with NaN where a window has no column."""
    found = _array(weights)
    return found if mask is None else np.where(mask.cpu().numpy(), found, np.float32(np.nan))


def _cells(lattice: MapLattice, window: tuple[int, int]) -> NDArray[np.float64] | None:
    """Return corners of every column of a window in degrees, ``(Y, X, corners, 2)``; None where they are a picture."""
    if lattice.kind.kind == "square":
        return None
    outline_deg = lattice.kind.outline_deg(lattice.spacing_deg)
    corners_deg = lattice.window_deg(window)[:, :, None] + outline_deg
    return np.asarray(corners_deg.numpy())


def likeness_to_start(model: STCNN, untrained: STCNN) -> dict[str, float]:
    """Return the correlation of the spatial weights of each layer with those it started from: 1 did not move."""
    before = spatial_weights(untrained)
    after = spatial_weights(model)
    found = {}
    for name, layer in after.items():
        known = np.isfinite(layer.weights)
        found[name] = float(np.corrcoef(layer.weights[known], before[name].weights[known])[0, 1])
    return found


def _centred(weights: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return weights ``(C, Y, X)`` in the middle of a window, with NaN around them."""
    above = (height - weights.shape[1]) // 2
    left = (width - weights.shape[2]) // 2
    around = ((0, 0), (above, height - weights.shape[1] - above), (left, width - weights.shape[2] - left))
    return np.pad(weights, around, constant_values=np.nan)


def _array(parameter: torch.Tensor) -> NDArray[np.float32]:
    return parameter.detach().float().cpu().numpy()


@torch.no_grad()
def impulse_responses(model: STCNN) -> dict[str, NDArray[np.float32]]:
    """Impulse responses ``(K, C)`` in 1/s, computed by the filters themselves; of a membrane to weak excitation."""
    impulse = torch.zeros(round(KERNEL_S * KERNEL_RATE_HZ), 1)
    impulse[0] = KERNEL_RATE_HZ
    named = {f"layer {i}": [layer.filter] for i, layer in enumerate(model.hidden, start=1)}
    named["readouts"] = [readout.filter for readout in model.readouts.each]
    kernels = {}
    for name, filters in named.items():
        columns = []
        for temporal in filters:
            if temporal.config.INPUTS == 2:
                columns.append(_to_weak_excitation(temporal, impulse.to(model.calcium.tau_s)))
                continue
            gain = temporal.gain(KERNEL_RATE_HZ)
            n_channels = 1 if gain is None else len(gain)
            response, _ = temporal(impulse.expand(-1, n_channels).to(model.calcium.tau_s), KERNEL_RATE_HZ)
            columns.append(response if gain is None else response * gain)
        kernels[name] = _array(torch.cat(columns, dim=1))
    return kernels


def _to_weak_excitation(membrane: TemporalFilter, impulse: torch.Tensor) -> torch.Tensor:
    """Impulse response ``(K, 1)`` of a membrane around its resting voltage."""
    weak = 1e-4
    excited = torch.cat([weak * impulse, torch.zeros_like(impulse)], 1)
    answers = [membrane(drive, KERNEL_RATE_HZ)[0] for drive in (excited, torch.zeros_like(excited))]
    return (answers[0] - answers[1]) / weak


def parameter_values(model: STCNN, untrained: STCNN, bounds: Bounds) -> list[ParameterValues]:
    """Values of all parameters by kind, trained and before."""

    def values(network: STCNN, pattern: str) -> NDArray[np.float32]:
        named = ((n, p) for n, p in network.named_parameters() if p.requires_grad)
        found = [_array(p).ravel() for n, p in named if fnmatch(n, pattern)]
        return np.concatenate(found) if found else np.empty(0, np.float32)

    def kind(title: str, unit: str, pattern: str, **look: Any) -> ParameterValues:
        scale = 1000 if unit == "ms" else 1
        now, before = (scale * values(network, pattern) for network in (model, untrained))
        low, high = (None if limit is None else scale * limit for limit in look.pop("limits", (None, None)))
        return ParameterValues(title, unit, now, (low, high), initial=before, **look)

    kinds = [
        *(
            kind(f"weights, layer {i}", "weight", f"hidden.{i - 1}.weight")
            for i in range(1, len(list(model.hidden)) + 1)
        ),
        kind("weights, readouts", "weight", "readouts.*.weight"),
        *(
            kind(
                f"{parameter.title}s",
                "ms" if parameter.unit == "s" else parameter.title,
                f"*.filter.{name}",
                limits=bounds.of_filter(name),
                log=parameter.is_log,
            )
            for name, parameter in PARAMETERS.items()
        ),
        kind("time constants of indicators", "ms", "calcium.indicator_tau_s", limits=bounds.calcium_indicator_tau_s),
        kind("biases", "bias", "*.bias"),
        kind("gains of neurons", "gain before softplus", "*.gain"),
        kind("offsets of neurons", "dF/F", "*.offset"),
    ]
    return [each for each in kinds if each.values.size]
