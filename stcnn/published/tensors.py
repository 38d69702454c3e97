"""The tensors of a published checkpoint, judged by the ``config.json`` beside it before anything is made of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from stcnn.errors import FileError, nearest
from stcnn.published.names import our_name
from stcnn.published.schema import Described
from stcnn.reading import readable, require_weights

Shapes = dict[str, tuple[int, ...]]

NORM = ("weight", "bias", "running_mean", "running_var")


def expected_shapes(known: Described) -> tuple[Shapes, dict[str, str]]:
    """Return the shape of every tensor of the published state dictionary, and the keys that say it."""
    shapes: Shapes = {}
    keys: dict[str, str] = {}
    for name, shape, key in _expected(known):
        shapes[name] = shape
        keys[name] = key
    return shapes, keys


def _expected(known: Described) -> Iterator[tuple[str, tuple[int, ...], str]]:
    hidden = known.network_config
    readout = known.L_config
    calcium = known.ca_config
    yield "global_ca_tau", (1,), "ca_config"
    for cell_type, n in zip(calcium.cell_types, calcium.cell_count, strict=True):
        for name, size in (("alpha", n), ("beta", n), ("ca_tau", 1)):
            yield f"ca_param.{cell_type}.{name}", (size,), "ca_config.cell_types and cell_count"
    yield "pr.x_weight", (1, 1, *known.pr_config.x_kernel_size), "pr_config.x_kernel_size"
    yield "pr.tau", (1, 1), "pr_config.out_channels"
    inputs = (1, *hidden.out_channels)
    for i, (outputs, shape) in enumerate(zip(hidden.out_channels, hidden.convolutions(), strict=True)):
        sizes = "network_config.out_channels and x_kernel_size"
        powers = hidden.config_type == "spatiotemporal_pwrexp"
        yield from _layer(f"network.{i}", (outputs, inputs[i], *shape.kernel), powers, sizes, "network_config")
        for name in NORM:
            yield f"norm_layers.{i}.{name}", (outputs,), "network_config.out_channels"
        yield f"norm_layers.{i}.num_batches_tracked", (), "network_config.out_channels"
    for i, shape in enumerate(readout.convolutions()):
        sizes = "L_config.in_channels and x_kernel_size"
        powers = readout.config_type == "spatiotemporal_pwrexp"
        yield from _layer(f"lc_layers.{i}", (1, inputs[-1], *shape.kernel), powers, sizes, "L_config")


def _layer(
    name: str, weight: tuple[int, ...], powers: bool, sizes: str, section: str
) -> Iterator[tuple[str, tuple[int, ...], str]]:
    yield f"{name}.x_weight", weight, sizes
    yield f"{name}.tau", (weight[0], 1), f"{section}.out_channels"
    if powers:
        yield f"{name}.n_power", (weight[0], 1), f"{section}.config_type"
    yield f"{name}.bias", (weight[0],), f"{section}.out_channels"


def judged_state(checkpoint: Mapping[str, Any], known: Described, source: str) -> dict[str, Tensor]:
    """Return the published state dictionary, whose tensors are those that ``config.json`` describes.

    Raises:
        FileError: a tensor is missing, too much, of another shape, not finite, or not what a key says.
    """
    state = require_weights(checkpoint.get("model"), f"{source}, 'model',")
    shapes, keys = expected_shapes(known)
    lc_types = known.L_config.lc_types
    missing = [name for name in shapes if name not in state and not name.endswith("num_batches_tracked")]
    if missing:
        ours = our_name(missing[0], lc_types)
        named = f"{ours} ({missing[0]})" if ours else missing[0]
        raise FileError(
            f"{source} lacks {named} and {len(missing) - 1} more of {len(shapes)} tensors",
            expected=f"the tensors that {keys[missing[0]]} of its config.json describes",
            remedy=nearest(missing[0], state),
        )
    if extra := [name for name in state if name not in shapes]:
        raise FileError(
            f"{source} has a tensor '{readable(extra[0])}' that its config.json does not describe",
            expected="as many layers, and of the same config_type, as network_config and L_config say",
        )
    for name, value in state.items():
        _judge(name, value, shapes[name], keys[name], source)
    _judge_eye(state, known, source)
    return state


def _judge(name: str, value: Tensor, shape: tuple[int, ...], key: str, source: str) -> None:
    if tuple(value.shape) != shape:
        raise FileError(
            f"{source} has '{name}' of shape {tuple(value.shape)}",
            expected=f"{shape}, which {key} of its config.json says",
        )
    if name.endswith("num_batches_tracked"):
        return
    if not value.dtype.is_floating_point or value.dtype.itemsize < 4:
        raise FileError(f"{source} has '{name}' of type {value.dtype}", expected="float32 or float64")
    positive = name.endswith((".tau", "ca_tau", ".n_power"))
    if positive and not bool((value > 0).all()):
        raise FileError(f"{source} has values in '{name}' that are not positive", expected="positive numbers")


def _judge_eye(state: Mapping[str, Tensor], known: Described, source: str) -> None:
    """Compare the eye's tensors, which the program loads, with what ``pr_config`` says, of which ours is made."""
    eye = known.pr_config
    if not math.isclose(float(state["pr.tau"]), eye.tau, rel_tol=1e-5):
        raise FileError(
            f"{source} has 'pr.tau' of {float(state['pr.tau']):g} s",
            expected=f"{eye.tau:g} s, which pr_config.tau of its config.json says",
        )
    rows, columns = (
        (torch.arange(n, dtype=torch.float64) - (n - 1) / 2) * apart
        for n, apart in zip(eye.x_kernel_size, eye.ds_input, strict=True)
    )
    area = eye.pr_sigma[0] * eye.pr_sigma[1]
    kernel = torch.exp(-4 * math.log(2) * (rows[:, None].square() + columns.square()) / area)
    kernel /= kernel.sum()
    if not torch.allclose(state["pr.x_weight"][0, 0].double(), kernel, rtol=0, atol=1e-6 * float(kernel.max())):
        raise FileError(
            f"{source} has another Gaussian in 'pr.x_weight'",
            expected="that of pr_config.pr_sigma and ds_input of its config.json",
        )
