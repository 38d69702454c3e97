"""The published network of any configuration, from its formulas alone, in float64: nothing here imports stcnn.

Axes: B batch, T time, C channel, Y row, X column, K tap. ``described`` is the content of a ``config.json``, ``state``
the published state dictionary; what a configuration may hold is in ``docs/published.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Description = Mapping[str, Any]
State = Mapping[str, Tensor]
Size = int | list[int]

ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": lambda x: x.clamp(min=0),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "tanh": lambda x: 1 - 2 / (torch.exp(2 * x) + 1),
    "elu": lambda x: torch.where(x > 0, x, torch.expm1(x.clamp(max=0))),
}


def both(size: Size) -> tuple[int, int]:
    """One number is for rows and columns."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def kernel(tau_s: Tensor, n: Tensor | None, taps: int, rate_hz: float) -> Tensor:
    """Sampled kernels ``(C, K)`` of unit energy, without the time step."""
    t = torch.arange(taps, dtype=torch.float64) / rate_hz / tau_s.reshape(-1, 1)
    if n is None:
        h = torch.exp(-t)
    else:
        later = t[:, 1:]
        n = n.reshape(-1, 1)
        h = F.pad(later**n * torch.exp(-n * (later - 1)), (1, 0))
    return h / h.square().sum(1, keepdim=True).sqrt() * math.sqrt(rate_hz)


def filtered(x: Tensor, h: Tensor) -> Tensor:
    """Causal convolution of ``x (B, T, C, ...)`` with ``h (C, K)``, tap by tap."""
    y = torch.zeros_like(x)
    shape = (-1, *[1] * (x.dim() - 3))
    for k in range(min(h.shape[1], x.shape[1])):
        y = y + F.pad(x[:, : x.shape[1] - k].movedim(1, -1), (k, 0)).movedim(-1, 1) * h[:, k].reshape(shape)
    return y


def correlated(x: Tensor, weight: Tensor, stride: Size, padding: Size | str) -> Tensor:
    """Correlate the pictures of ``x (B, T, C, Y, X)``."""
    around = padding if isinstance(padding, str) else both(padding)
    y = F.conv2d(x.flatten(0, 1), weight, stride=both(stride), padding=around)
    return y.unflatten(0, x.shape[:2])


def voltages(contrast: Tensor, described: Description, state: State) -> dict[str, Tensor]:
    """Voltage ``(B, T)`` of each cell type to contrast ``(B, T, Y, X)``."""
    rate_hz = described["sampling_rate"]
    eye, hidden, readout = (described[name] for name in ("pr_config", "network_config", "L_config"))
    rows, columns = (
        torch.arange(n, dtype=torch.float64) * apart - (n - 1) * apart / 2
        for n, apart in zip(eye["x_kernel_size"], eye["ds_input"], strict=True)
    )
    gauss = torch.exp(-4 * math.log(2) * (rows[:, None] ** 2 + columns**2) / (eye["pr_sigma"][0] * eye["pr_sigma"][1]))
    x = correlated(contrast[:, :, None], (gauss / gauss.sum())[None, None], eye["x_stride"], eye["x_padding"])
    x = filtered(x, kernel(torch.tensor([eye["tau"]], dtype=torch.float64), None, eye["t_kernel_size"], rate_hz))
    names = hidden["activation"]
    for i in range(len(hidden["out_channels"])):
        x = ACTIVATIONS[names if isinstance(names, str) else names[i]](x)
        x = correlated(x, state[f"network.{i}.x_weight"], hidden["x_stride"][i], hidden["x_padding"][i])
        x = filtered(x, _kernel(state, f"network.{i}", hidden, rate_hz)) + _per_channel(state[f"network.{i}.bias"])
        mean, variance, weight, bias = (
            _per_channel(state[f"norm_layers.{i}.{name}"]) for name in ("running_mean", "running_var", "weight", "bias")
        )
        x = (x - mean) / (variance + 1e-5).sqrt() * weight + bias
    name = readout["activation"]
    x = ACTIVATIONS[name if isinstance(name, str) else name[0]](x)
    found = {}
    for i, cell_type in enumerate(readout["lc_types"]):
        y = correlated(x, state[f"lc_layers.{i}.x_weight"], readout["x_stride"][i][0], readout["x_padding"][i][0])
        y = filtered(y, _kernel(state, f"lc_layers.{i}", readout, rate_hz)) + _per_channel(state[f"lc_layers.{i}.bias"])
        found[cell_type] = y[:, :, 0, y.shape[3] // 2, y.shape[4] // 2]
    return found


def calcium(voltage: Tensor, cell_type: str, described: Description, state: State, per_type: bool) -> Tensor:
    """DF/F ``(B, T)`` of the average neuron: ``alpha + softplus(beta) (activation(v) * h)``."""
    config = described["ca_config"]
    active = ACTIVATIONS[config["activation"]](voltage) + (config["activation"] == "elu")
    shared = config.get("use_global_ca_tau", False) and not per_type
    tau_s = state["global_ca_tau" if shared else f"ca_param.{cell_type}.ca_tau"]
    h = kernel(tau_s, None, config["t_kernel_size"], described["sampling_rate"])
    gain, offset = (state[f"ca_param.{cell_type}.{name}"].mean() for name in ("beta", "alpha"))
    return offset + F.softplus(gain) * filtered(active[:, :, None], h)[:, :, 0]


def _kernel(state: State, name: str, section: Mapping[str, Any], rate_hz: float) -> Tensor:
    return kernel(state[f"{name}.tau"], state.get(f"{name}.n_power"), section["t_kernel_size"], rate_hz)


def _per_channel(value: Tensor) -> Tensor:
    return value[:, None, None]


def described_network(**changes: Any) -> dict[str, Any]:
    """A small network as ``config.json`` has it; ``changes`` are of its sections, ``pr_config={...}`` and so on."""
    described: dict[str, Any] = {
        "experiment_path": "somewhere",
        "pr_config": {
            "config_type": "photoreceptor",
            "layer_name": "photoreceptor",
            "in_channels": [1],
            "out_channels": [1],
            "ds_input": [1, 1],
            "pr_sigma": [5, 5],
            "x_kernel_size": [9, 9],
            "x_stride": [4, 4],
            "x_padding": [4, 4],
            "tau": 0.006,
            "movie_bg_intensity": 0.498,
            "t_kernel_size": 20,
        },
        "network_config": {
            "config_type": "spatiotemporal_exp",
            "layer_name": "hidden_layer",
            "in_channels": [1],
            "out_channels": [3, 4],
            "x_kernel_size": [3, 3],
            "x_stride": [1, 1],
            "x_padding": [1, 1],
            "tau_init": [-2, -0.8],
            "activation": ["identity", "leaky_relu"],
            "t_kernel_size": 50,
            "init_amplitude_scale": 0.3,
        },
        "L_config": {
            "config_type": "spatiotemporal_exp",
            "layer_name": "lc_layer",
            "in_channels": [4],
            "out_channels": [1],
            "lc_types": ["lc11", "lc18"],
            "lc_count": [3, 2],
            "x_kernel_size": [[5, 5], [3, 3]],
            "x_stride": [[3, 3], [3, 3]],
            "x_padding": [[2, 2], [1, 1]],
            "tau_init": [-2, -0.8],
            "activation": "leaky_relu",
            "t_kernel_size": 50,
            "init_amplitude_scale": 0.5,
            "bias_init": [-0.5, 0.5],
        },
        "ca_config": {
            "config_type": "gcamp",
            "gcamp_tau": [0.4, 0.4],
            "alpha_init": [0.001, 0.005],
            "beta_init": [-0.001, 0.001],
            "activation": "elu",
            "cell_types": ["lc11", "lc18"],
            "cell_count": [3, 2],
            "use_global_ca_tau": True,
            "t_kernel_size": 60,
        },
        "data_count": {"lc11": 7, "lc18": 5},
        "sampling_rate": 180,
        "dataset_config": {"name": "small", "mov_res": 1, "mov_bg_int": 0.498},
    }
    for name, change in changes.items():
        described[name] = {**described.get(name, {}), **change} if isinstance(change, dict) else change
    return described


def random_state(described: Description) -> dict[str, Tensor]:
    """Draw the state dictionary of a network, float32."""
    eye, hidden, readout, indicator = (
        described[name] for name in ("pr_config", "network_config", "L_config", "ca_config")
    )
    sizes = zip(eye["x_kernel_size"], eye["ds_input"], strict=True)
    rows, columns = (torch.arange(n) * apart - (n - 1) * apart / 2 for n, apart in sizes)
    gauss = torch.exp(-4 * math.log(2) * (rows[:, None] ** 2 + columns**2) / (eye["pr_sigma"][0] * eye["pr_sigma"][1]))
    state = {"global_ca_tau": torch.tensor([0.43]), "pr.x_weight": (gauss / gauss.sum())[None, None]}
    state["pr.tau"] = torch.tensor([[eye["tau"]]])
    for cell_type, n in zip(indicator["cell_types"], indicator["cell_count"], strict=True):
        for name in ("alpha", "beta"):
            state[f"ca_param.{cell_type}.{name}"] = torch.rand(n)
        state[f"ca_param.{cell_type}.ca_tau"] = 0.2 + 0.4 * torch.rand(1)

    def layer(name: str, weight: tuple[int, ...], section: Mapping[str, Any]) -> None:
        state[f"{name}.x_weight"] = torch.randn(weight) / 20 / math.prod(weight[1:]) ** 0.5
        state[f"{name}.tau"] = 0.01 + 0.1 * torch.rand(weight[0], 1)
        if section["config_type"].endswith("pwrexp"):
            state[f"{name}.n_power"] = 0.6 + 3 * torch.rand(weight[0], 1)
        state[f"{name}.bias"] = torch.randn(weight[0])

    inputs = 1
    for i, outputs in enumerate(hidden["out_channels"]):
        layer(f"network.{i}", (outputs, inputs, *both(hidden["x_kernel_size"][i])), hidden)
        norm = f"norm_layers.{i}"
        state[f"{norm}.weight"] = 0.5 + torch.rand(outputs)
        state[f"{norm}.bias"] = torch.randn(outputs) / 2
        state[f"{norm}.running_mean"] = torch.randn(outputs) / 2
        state[f"{norm}.running_var"] = 0.5 + torch.rand(outputs)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(7)
        inputs = outputs
    for i, size in enumerate(readout["x_kernel_size"]):
        layer(f"lc_layers.{i}", (1, inputs, *both(size[0])), readout)
    return state
