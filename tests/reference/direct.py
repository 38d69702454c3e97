"""The network in its naive direct form: the yardstick for correctness and for benchmarks.

Written from the formulas of the model alone and from nothing in ``stcnn``: every temporal filter is a convolution
with an explicit kernel, the eye a dense two-dimensional convolution, a readout a strided convolution of which one place
is kept, and every gradient is autograd's. In float64 it says what is right. In float32 with the defaults of
:class:`Geometry` it does the work of the published program, which pads a clip on both sides of each filter and drops
the excess: ``(T + K - 1) K`` products per channel and column. As torch's convolutions are slow in float64,
``form="matrix"`` writes filters and eye as products with the whole matrix of the convolution: the same sums.

Axes: B batch, T time, C channel, Y row, X column, N neuron, K tap; maps are ``(B, T, C, Y, X)``. The parameters:

    eye.filter.tau_s (1,)   hidden.I.weight (C', C, k, k)   hidden.I.filter.tau_s (C',)   hidden.I.filter.n (C',)
    hidden.I.bias (C',)   hidden.I.norm.{weight, bias, running_mean, running_var} (C',)
    readouts.TYPE.weight (C, k, k)   readouts.TYPE.filter.tau_s (1,)   readouts.TYPE.bias (1,)
    calcium.tau_s (1,)   calcium.types.TYPE.{offset, gain} (N,)   calcium.types.TYPE.tau_s (1,)

Without a bias there is none, without norm no normalisation, without ``n`` a plain exponential, without ``tau_s`` no
filter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class Filter:
    """How a causal kernel is sampled and scaled; the defaults are those of the published program.

    Args:
        taps: number of samples K of the kernel; None for one that never ends.
        scaling: "energy": ``h / (sqrt(sum h^2) sqrt(dt))``; "area": ``h / (dt sum h)``.
        gain_hz: factor in ``y = gain_hz dt (x * h)``. The published program has no ``dt``: a gain of its 180 Hz.
    """

    taps: int | None = 900
    scaling: Literal["energy", "area"] = "energy"
    gain_hz: float = 180.0


@dataclass(frozen=True)
class Readout:
    """Which place a readout is taken at: ``place`` of the grid of windows with this stride and padding."""

    padding: int
    stride: int = 9
    place: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Geometry:
    """Everything about the network that is no parameter; the defaults are the published network (lc_small_3)."""

    rate_hz: float = 180.0
    fwhm_px: float = 5.0
    window_px: int = 35
    stride_px: int = 4
    eye_filter: Filter = Filter(taps=90)
    hidden_filter: Filter = Filter()
    readout_filter: Filter = Filter()
    calcium_filter: Filter = Filter()
    readouts: Mapping[str, Readout] = field(
        default_factory=lambda: {
            name: Readout(5 if name == "lc11" else 4) for name in ("lc11", "lc18", "lc17", "lc12", "lc21")
        }
    )
    rectifier: Literal["elu", "softplus"] = "elu"
    global_calcium_tau: bool = True
    negative_slope: float = 0.01
    norm_eps: float = 1e-5
    norm_momentum: float = 0.1
    form: Literal["convolution", "matrix"] = "convolution"


@dataclass
class Answer:
    """What a forward pass gives.

    Attributes:
        maps: ``(B, T, C, Y, X)``: ``eye``, and of each layer ``hidden.I`` and ``norm.I`` (before and behind its norm).
        voltage: ``(B, T)`` for each cell type.
        running: the running statistics behind a training step, by their names in the parameters.
    """

    maps: dict[str, Tensor]
    voltage: dict[str, Tensor]
    running: dict[str, Tensor]


def kernel(tau_s: Tensor, n: Tensor | None, filter: Filter, rate_hz: float) -> Tensor:
    """Sampled kernel ``(C, K)`` times ``gain_hz dt``; exponential, or power-exponential where ``n`` is given.

    A kernel that never ends is written out until what is left of it cannot be seen in float64.
    """
    dt_s = 1 / rate_hz
    slowest_s = float((tau_s if n is None else tau_s * (1 + 3 / n)).detach().max())
    taps = filter.taps or math.ceil(45 * slowest_s * rate_hz) + 1
    t = torch.arange(taps, dtype=tau_s.dtype, device=tau_s.device) * dt_s / tau_s[:, None]
    h = torch.exp(-t)
    if n is not None:  # zero at t = 0, written out since autograd has no slope of t^n there
        h = F.pad(t[:, 1:] ** n[:, None] * torch.exp(-n[:, None] * (t[:, 1:] - 1)), (1, 0))
    if filter.scaling == "energy":
        h = h / (h.square().sum(1, keepdim=True).sqrt() * math.sqrt(dt_s))
    else:
        h = h / (h.sum(1, keepdim=True) * dt_s)
    return filter.gain_hz * dt_s * h


def convolve(x: Tensor, h: Tensor, form: str) -> Tensor:
    """Causal convolution over time of ``x (B, T, C, ...)`` with one kernel per channel, ``h (C, K)``."""
    n_clips, n_frames, n_channels, *columns = x.shape
    taps = h.shape[1]
    rows = x.movedim(1, -1).reshape(n_clips, n_channels, -1, n_frames)
    if form == "convolution":
        rows = rows.transpose(1, 2).flatten(0, 1)
        rows = F.conv1d(rows, h.flip(1)[:, None], padding=taps - 1, groups=n_channels)[..., :n_frames]
        rows = rows.unflatten(0, (n_clips, -1)).transpose(1, 2)
    else:
        lag = torch.arange(n_frames, device=x.device)[:, None] - torch.arange(n_frames, device=x.device)
        band = h[:, lag.clamp(0, taps - 1)] * ((lag >= 0) & (lag < taps))
        rows = rows @ band.mT
    return rows.reshape(n_clips, n_channels, *columns, n_frames).movedim(-1, 1)


def filtered(x: Tensor, name: str, parameters: Parameters, filter: Filter, geometry: Geometry) -> Tensor:
    """Filter ``x (B, T, C, ...)`` with the kernel whose constants are ``name.tau_s`` and ``name.n``."""
    if f"{name}.tau_s" not in parameters:
        return x
    h = kernel(parameters[f"{name}.tau_s"], parameters.get(f"{name}.n"), filter, geometry.rate_hz)
    return convolve(x, h, geometry.form)


def acceptance(geometry: Geometry, like: Tensor) -> Tensor:
    """Acceptance function ``(window, window)``: ``exp(-4 ln 2 r^2 / fwhm^2)`` on the pixel grid, of sum one."""
    r_px = torch.arange(geometry.window_px, dtype=like.dtype, device=like.device) - geometry.window_px // 2
    profile = torch.exp(-4 * math.log(2) * r_px.square() / geometry.fwhm_px**2)
    window = profile[:, None] * profile
    return window / window.sum()


def sample(contrast: Tensor, geometry: Geometry) -> Tensor:
    """Convolve pictures ``(..., Y_px, X_px)`` with the acceptance function and keep the columns, ``(..., Y, X)``."""
    window, padding, stride = acceptance(geometry, contrast), geometry.window_px // 2, geometry.stride_px
    pictures = contrast.reshape(-1, 1, *contrast.shape[-2:])
    if geometry.form == "convolution":
        seen = F.conv2d(pictures, window[None, None], stride=stride, padding=padding)[:, 0]
    else:
        inside, offsets = [], []
        for n_px in contrast.shape[-2:]:
            first_px = torch.arange(0, n_px + 2 * padding - geometry.window_px + 1, stride) - padding
            offset = torch.arange(n_px) - first_px[:, None]
            inside.append((offset >= 0) & (offset < geometry.window_px))
            offsets.append(offset.clamp(0, geometry.window_px - 1))
        dense = window[offsets[0][:, None, :, None], offsets[1][:, None, :]]
        dense = dense * (inside[0][:, None, :, None] & inside[1][:, None, :])
        seen = (pictures.flatten(1) @ dense.flatten(2).flatten(0, 1).T).unflatten(1, dense.shape[:2])
    return seen.reshape(*contrast.shape[:-2], *seen.shape[1:])


def see(contrast: Tensor, parameters: Parameters, geometry: Geometry) -> Tensor:
    """What the columns of the eye pass on, ``(B, T, 1, Y, X)``, of a movie ``contrast (B, T, Y_px, X_px)``."""
    seen = sample(contrast, geometry)[:, :, None]
    return filtered(seen, "eye.filter", parameters, geometry.eye_filter, geometry)


def normalise(
    x: Tensor, name: str, parameters: Parameters, geometry: Geometry, training: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Batch normalisation over B, T, Y, X (Ioffe & Szegedy 2015), and the running statistics behind it."""
    mean, variance = parameters[f"{name}.running_mean"], parameters[f"{name}.running_var"]
    running = {f"{name}.running_mean": mean, f"{name}.running_var": variance}
    if training:
        count, momentum = x.numel() // x.shape[2], geometry.norm_momentum
        old = (1 - momentum) * mean, (1 - momentum) * variance
        mean = x.mean((0, 1, 3, 4))
        variance = (x - mean[:, None, None]).square().mean((0, 1, 3, 4))
        new = mean.detach(), variance.detach() * count / (count - 1)
        running = {key: a + momentum * b for key, a, b in zip(running, old, new, strict=True)}
    scale = parameters[f"{name}.weight"] / (variance + geometry.norm_eps).sqrt()
    shift = parameters[f"{name}.bias"] - mean * scale
    return x * scale[:, None, None] + shift[:, None, None], running


def forward(contrast: Tensor, parameters: Parameters, geometry: Geometry, training: bool = False) -> Answer:
    """Answer of the network to a movie ``contrast (B, T, Y, X)`` (luminance minus background)."""
    return answer(see(contrast, parameters, geometry), parameters, geometry, training)


def answer(x: Tensor, parameters: Parameters, geometry: Geometry, training: bool = False) -> Answer:
    """Answer of the network behind the eye, whose maps are ``x (B, T, 1, Y, X)``."""
    maps, running = {"eye": x}, dict[str, Tensor]()
    layers = sum(key.startswith("hidden.") and key.count(".") == 2 and key.endswith(".weight") for key in parameters)
    for i in range(layers):
        name = f"hidden.{i}"
        weight = parameters[f"{name}.weight"]
        x = x if i == 0 else F.leaky_relu(x, geometry.negative_slope)
        x = F.conv2d(x.flatten(0, 1), weight, padding=weight.shape[-1] // 2).unflatten(0, x.shape[:2])
        x = filtered(x, f"{name}.filter", parameters, geometry.hidden_filter, geometry)
        if f"{name}.bias" in parameters:
            x = x + parameters[f"{name}.bias"][:, None, None]
        maps[name] = x
        if f"{name}.norm.weight" in parameters:
            x, statistics = normalise(x, f"{name}.norm", parameters, geometry, training)
            running |= statistics
            maps[f"norm.{i}"] = x
    voltage = {name: read(x, name, parameters, geometry) for name in geometry.readouts}
    return Answer(maps, voltage, running)


def read(x: Tensor, cell_type: str, parameters: Parameters, geometry: Geometry) -> Tensor:
    """Voltage ``(B, T)`` of one cell type from the last map: computed everywhere, taken at one place."""
    name, where = f"readouts.{cell_type}", geometry.readouts[cell_type]
    current = F.leaky_relu(x, geometry.negative_slope).flatten(0, 1)
    current = F.conv2d(current, parameters[f"{name}.weight"][None], stride=where.stride, padding=where.padding)
    voltage = filtered(
        current.unflatten(0, x.shape[:2]), f"{name}.filter", parameters, geometry.readout_filter, geometry
    )
    row, column = where.place
    voltage = voltage[:, :, 0, row, column]
    return voltage + parameters[f"{name}.bias"] if f"{name}.bias" in parameters else voltage


def calcium(
    voltage: Tensor, cell_type: str, parameters: Parameters, geometry: Geometry, neuron: Tensor | None = None
) -> Tensor:
    """Calcium trace dF/F ``(R, T)`` of single neurons, or of the average one.

    ``offset + softplus(gain) (rectifier(v) * h)``. The average neuron has the mean offset and the mean gain, taken
    before its softplus.

    Args:
        voltage: ``(R, T)``, one row for each trace.
        neuron: ``(R,)`` index of each row's neuron; None for the average neuron.
    """
    name = f"calcium.types.{cell_type}"
    offset, gain = parameters[f"{name}.offset"], parameters[f"{name}.gain"]
    offset, gain = (offset.mean(), gain.mean()) if neuron is None else (offset[neuron, None], gain[neuron, None])
    tau_s = parameters["calcium.tau_s" if geometry.global_calcium_tau else f"{name}.tau_s"]
    h = kernel(tau_s, None, geometry.calcium_filter, geometry.rate_hz)
    active = F.elu(voltage) + 1 if geometry.rectifier == "elu" else F.softplus(voltage)
    return offset + F.softplus(gain) * convolve(active[:, :, None], h, geometry.form)[:, :, 0]
