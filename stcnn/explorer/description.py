"""A model as the page takes it: every weight and constant of the frozen network, as plain values.

Counterpart of ``js/network.js`` and ``js/filters.js``. Arrays are ``{"f32": base64}`` of little-endian float32.
"""

from __future__ import annotations

import base64
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stcnn.export.step_filters import (
    AdaptingStep,
    ForgettingStep,
    InstantStep,
    KernelStep,
    LeakyStep,
    MembraneStep,
    StepFilter,
)
from stcnn.export.step_network import StepLayer, StepNetwork
from stcnn.nn.activation import Activation
from stcnn.nn.filters.exponential import ExponentialConfig
from stcnn.nn.filters.kind import FilterKind
from stcnn.nn.model import STCNN

MOST_STATE = 30_000
"""Numbers in the state of a filter with which a page begins; more are computed when it opens."""


def packed(values: Tensor) -> dict[str, str]:
    """Return an array as the page unpacks it."""
    array = values.detach().cpu().numpy().astype("<f4", copy=False)
    return {"f32": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()}


def described(model: STCNN, step: StepNetwork) -> dict[str, Any]:
    """Return the description of a model.

    Args:
        model: the network.
        step: the same as a function of a frame and a state.
    """
    config, rate_hz = model.config, step.rate_hz
    taus = [layer.filter.constants.get("tau_s") for layer in model.hidden]
    places = _places(model, step)
    return {
        "rate_hz": rate_hz,
        "movie_px": list(step.movie_px),
        "deg_per_px": model.deg_per_px,
        "background": step.background,
        "cell_types": list(step.cell_types),
        "eye": {
            "shape": list(step.eye_shape),
            "rows": packed(step.eye_rows),
            "columns": packed(step.eye_columns),
            "lines": step.eye_columns.shape[1],
            "separate": step.eye_rows.dim() == 3,
            "filter": _filter(step.eye_filter, config.eye.filter, model.eye.tau_s),
            **places[0],
        },
        "start": _start(step),
        "layers": [
            _layer(layer, config.hidden.filter, tau_s) | place
            for layer, tau_s, place in zip(_layers(step), taus, places[1:], strict=True)
        ],
        "readout": _readout(model, step),
        "calcium": {
            "rectifier": step.rectifier,
            "columns": step.columns.tolist(),
            "types": step.types.tolist(),
            "gain": step.gain.tolist(),
            "offset": step.offset.tolist(),
            "filter": _filter(step.calcium_filter, config.calcium.filter, model.calcium.time_constants()),
        },
    }


def _places(model: STCNN, step: StepNetwork) -> list[dict[str, Any]]:
    """Return of the eye and of every layer where the columns of its maps look, and their outline, in degrees.

    Nothing where maps are pictures; an entry that is no column has no place.
    """
    eye = model.config.eye
    if eye.arrangement.kind == "square" or not all(layer.convolution.keeps_size for layer in model.hidden):
        return [{} for _ in step.windows]
    outline = eye.arrangement.outline_deg(eye.spacing_deg).tolist()
    found = []
    for window in step.windows:
        places_deg = eye.positions_deg()[window.top : window.bottom, window.left : window.right].flatten(0, 1)
        there = (places_deg.abs().amax(1) < 360).tolist()
        places = [place if known else None for place, known in zip(places_deg.tolist(), there, strict=True)]
        found.append({"places": places, "outline": outline, "around": eye.arrangement.AROUND})
    return found


def _start(step: StepNetwork) -> dict[str, Any] | None:
    """Return the state after two seconds of grey by the name of the filter; None where the page has to go there itself.

    It is given where that is quick to load: for leaky integrators, and for those that forget if they are few.
    """
    names = ["eye", *(f"layer{i + 1}" for i in range(len(step.layers))), "readout", "calcium"]
    found = {}
    for name, filter, state in zip(names, step.filters, torch.split(step.start, step.sizes), strict=True):
        if isinstance(filter, InstantStep):
            continue
        if not isinstance(filter, LeakyStep) or len(state) > MOST_STATE:
            return None
        n = filter.channels * filter.places
        found[name] = {"last": packed(state[:n].view(filter.channels, -1).T)}
        if isinstance(filter, ForgettingStep):
            kept = torch.zeros(filter.taps, filter.channels, filter.places)
            kept[:, filter.which] = state[n:].view(filter.taps, -1, filter.places).to(kept)
            found[name]["history"] = packed(kept.transpose(1, 2))
    return found


def _layers(step: StepNetwork) -> list[StepLayer]:
    return [layer for layer in step.layers if isinstance(layer, StepLayer)]


def _layer(layer: StepLayer, kind: FilterKind, tau_s: Tensor | None) -> dict[str, Any]:
    (down, right), margins = layer.padding, layer.margins
    sides = [margins[0] + right, margins[1] + right, margins[2] + down, margins[3] + down]
    return {
        "shape": list(layer.shape),
        "kernel_shape": list(layer.kernel.shape),
        "kernel": packed(layer.kernel),
        "bias": layer.bias.tolist(),
        "activation": _activation(layer.activation),
        "stride": list(layer.stride),
        "margins": sides,
        "filter": _filter(layer.filter, kind, tau_s),
    }


def _readout(model: STCNN, step: StepNetwork) -> dict[str, Any]:
    height, width = _layers(step)[-1].shape if len(step.layers) else step.eye_shape
    weights = step.readout.view(len(step.readout), -1, height, width).permute(0, 2, 3, 1)
    return {
        "weights": packed(weights),
        "inputs": weights[0].numel(),
        "bias": step.readout_bias.tolist(),
        "activation": _activation(step.readout_activation),
        "filter": _filter(
            step.readout_filter,
            model.config.readout.filter,
            model.readouts.constants.get("tau_s"),
        ),
    }


def _activation(activation: Activation) -> dict[str, Any]:
    return {"name": activation.name, "slope": 0.0 if activation.curved else activation.slope}


def _filter(filter: StepFilter, kind: FilterKind, tau_s: Tensor | None) -> dict[str, Any]:
    told = {"channels": filter.channels, **_constants(filter)}
    if tau_s is not None and told["kind"] in ("leaky", "forgetting", "membrane"):
        told["tau_s"] = torch.as_tensor(tau_s).detach().double().tolist()
    if isinstance(kind, ExponentialConfig):
        told["scale"] = kind.scale
    return told


@singledispatch
def _constants(filter: StepFilter) -> dict[str, Any]:
    """Return the kind of a filter and its constants."""
    raise TypeError(f"the page has no {type(filter).__name__}")


@_constants.register
def _(filter: LeakyStep) -> dict[str, Any]:
    offset = filter.rest[: filter.channels * filter.places].view(filter.channels, -1)[:, 0]
    return {"kind": "leaky", "leak": filter.leak.flatten().tolist(), "offset": offset.tolist(), "taps": 0}


@_constants.register
def _(filter: ForgettingStep) -> dict[str, Any]:
    leaky = _constants.dispatch(LeakyStep)(filter)
    tail = torch.zeros(filter.channels).to(filter.tail_weight)
    tail[filter.which] = filter.tail_weight.flatten()
    return {**leaky, "kind": "forgetting", "taps": filter.taps, "tail": tail.tolist()}


@_constants.register
def _(filter: KernelStep) -> dict[str, Any]:
    return {
        "kind": "kernel",
        "taps": filter.taps,
        "kernel": filter.kernel.flatten().tolist(),
        "offset": filter.offset.flatten().tolist(),
    }


@_constants.register
def _(filter: InstantStep) -> dict[str, Any]:
    return {"kind": "instant"}


@_constants.register
def _(filter: AdaptingStep) -> dict[str, Any]:
    return {
        "kind": "adapting",
        "leaks": filter.leaks.flatten().tolist(),
        "weight": filter.weight.flatten().tolist(),
        "grey": filter.grey,
        "offset": filter.offset.flatten().tolist(),
    }


@_constants.register
def _(filter: MembraneStep) -> dict[str, Any]:
    constants = {name: getattr(filter, f"constant_{name}").tolist() for name in filter.names}
    return {
        "kind": "membrane",
        "rectifier": filter.config.rectifier,
        "offset": filter.offset.flatten().tolist(),
        "rest": filter.rest.tolist(),
        **constants,
    }
