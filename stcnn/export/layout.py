"""A network of ours as the published ``config.json`` describes it (Klapoetke et al. 2022).

The inverse of :func:`stcnn.nn.published.published_config`. What the published program has no form for is refused with
the key that says so.
"""

from __future__ import annotations

import math
from typing import Any

from stcnn.errors import ConfigError
from stcnn.movie import BACKGROUND
from stcnn.nn.model import STCNN, ModelConfig
from stcnn.nn.temporal import ExponentialConfig, PowerExponentialConfig, n_taps

ACTIVATIONS = {0.01: "leaky_relu", 0.0: "relu", 1.0: "identity"}
"""Names of the published activations by the slope they have for negative values."""
STRIDE = 9
"""Of the published readouts, tried first."""
LEAST_DIGITS = 1e-9
"""What may be left of a kernel without end where its published form is cut."""


def described(model: STCNN, rate_hz: float, movie_px: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Return ``pr_config``, ``network_config``, ``L_config`` and ``ca_config``.

    Args:
        model: the network.
        rate_hz: frames per second of the published form, which holds for one rate only.
        movie_px: rows and columns of the movies, which place its columns.

    Raises:
        ConfigError: the published program has no such network; the message names the key.
    """
    _require_form(model.config)
    return {
        "pr_config": _eye(model, rate_hz, movie_px),
        "network_config": _hidden(model, rate_hz),
        "L_config": _readouts(model, rate_hz),
        "ca_config": _calcium(model, rate_hz),
    }


def _require_form(config: ModelConfig) -> None:
    hidden = config.hidden
    if hidden.filter.kind == "none":
        raise _no_form("model.hidden.filter.kind is 'none'", "exponential or power_exponential")
    for key, slope in (("model.hidden.slope", hidden.slope), ("model.readout.slope", config.readout.slope)):
        if slope not in ACTIVATIONS:
            raise _no_form(f"{key} is {slope:g}", "0.01 (leaky_relu), 0 (relu) or 1 (identity)")
    if config.calcium.rectifier == "softplus":
        raise _no_form("model.calcium.rectifier is 'softplus'", "elu")


def _no_form(found: str, expected: str) -> ConfigError:
    return ConfigError(
        f"{found}, for which the published program has no form",
        expected=expected,
        remedy="train such a network, for instance with model=published",
    )


def _eye(model: STCNN, rate_hz: float, movie_px: tuple[int, int]) -> dict[str, Any]:
    config, deg_per_px = model.config.eye, model.deg_per_px
    stride = round(config.column_spacing_deg / deg_per_px)
    kernel = 2 * math.floor(config.window_deg / 2 / deg_per_px) + 1
    if not math.isclose(stride * deg_per_px, config.column_spacing_deg, rel_tol=1e-9) or stride < 1:
        raise _no_form(
            f"model.eye.column_spacing_deg is {config.column_spacing_deg:g} at {deg_per_px:g} degrees per pixel",
            "a whole number of pixels",
        )
    azimuth, elevation = config.centre_deg
    paddings = [
        _eye_padding(n_columns, n_px, (kernel, stride), centre_deg / deg_per_px)
        for n_columns, n_px, centre_deg in zip(config.lattice, movie_px, (-elevation, azimuth), strict=True)
    ]
    return {
        "config_type": "photoreceptor",
        "layer_name": "photoreceptor",
        "in_channels": [1],
        "out_channels": [1],
        "ds_input": [_plain(deg_per_px)] * 2,
        "pr_sigma": [_plain(config.acceptance_fwhm_deg)] * 2,
        "x_kernel_size": [kernel] * 2,
        "x_stride": [stride] * 2,
        "x_padding": paddings,
        "tau": config.tau_s,
        "movie_bg_intensity": BACKGROUND,
        "t_kernel_size": taps(config.filter, config.tau_s, rate_hz),
    }


def _eye_padding(n_columns: int, n_px: int, kernel: tuple[int, int], centre_px: float) -> int:
    """Return the padding with which a strided convolution has its columns where the lattice has them.

    Args:
        n_columns: of the lattice, along one axis.
        n_px: pixels of the movie.
        kernel: its width and stride in pixels.
        centre_px: middle of the lattice from the middle of the movie.
    """
    width, stride = kernel
    first_px = centre_px + (n_px - 1) / 2 - stride * (n_columns - 1) / 2
    padding = round((width - 1) / 2 - first_px)
    there = (n_px + 2 * padding - width) // stride + 1
    on_a_pixel = math.isclose((width - 1) / 2 - padding, first_px, abs_tol=1e-6)
    if padding < 0 or there != n_columns or not on_a_pixel:
        raise _no_form(
            f"model.eye.lattice has {n_columns} columns {stride} pixels apart around pixel {centre_px:+g} from the "
            f"middle of a movie of {n_px} pixels",
            "the columns of a strided convolution, which begin on a pixel and end where the movie does",
        )
    return padding


def _hidden(model: STCNN, rate_hz: float) -> dict[str, Any]:
    config, layers = model.config.hidden, list(model.hidden)
    n, width = len(layers), config.kernel_columns
    slowest_s = max(float(layer.filter.tau_s.detach().max()) for layer in layers)
    assert config.filter.kind != "none"
    power = config.filter.kind == "power_exponential"
    section = {
        "config_type": "spatiotemporal_pwrexp" if power else "spatiotemporal_exp",
        "layer_name": "hidden_layer",
        "in_channels": [1],
        "out_channels": list(config.channels),
        "x_kernel_size": [width] * n,
        "x_stride": [1] * n,
        "x_padding": [width // 2] * n,
        "tau_init": _exponents(config.filter.tau_init_s),
        "activation": ["identity", *[ACTIVATIONS[config.slope]] * (n - 1)],
        "t_kernel_size": taps(config.filter, slowest_s, rate_hz),
        "init_amplitude_scale": round(config.weight_init / 2**0.5, 12),
    }
    if config.filter.kind == "power_exponential":
        section["n_power_init"] = list(config.filter.n_init)
    if config.bias_init != (0.0, 0.0):
        section["bias_init"] = list(config.bias_init)
    return section


def _readouts(model: STCNN, rate_hz: float) -> dict[str, Any]:
    config = model.config.readout
    widths = [readout.weight.shape[-1] for readout in model.readouts.each]
    slowest_s = max(float(readout.filter.tau_s.detach().max()) for readout in model.readouts.each)
    axes = list(zip(model.readouts.lattice, model.readouts.centre, strict=True))
    found = [[_readout_place(n_columns, place, width) for n_columns, place in axes] for width in widths]
    return {
        "config_type": "spatiotemporal_exp",
        "layer_name": "lc_layer",
        "in_channels": [model.config.hidden.channels[-1]],
        "out_channels": [1],
        "lc_types": list(model.cell_types),
        "lc_count": [len(neurons) for neurons in model.population.neurons.values()],
        "x_kernel_size": [[width, width] for width in widths],
        "x_stride": [[stride for stride, _ in each] for each in found],
        "x_padding": [[padding for _, padding in each] for each in found],
        "tau_init": _exponents(config.filter.tau_init_s),
        "activation": ACTIVATIONS[config.slope],
        "t_kernel_size": taps(config.filter, slowest_s, rate_hz),
        "init_amplitude_scale": round(config.weight_init / 2**0.5, 12),
        "bias_init": [_plain(end) for end in config.bias_init],
    }


def _readout_place(n_columns: int, place: int, width: int) -> tuple[int, int]:
    """Return stride and padding with which the published program reads a place of the lattice along one axis.

    It takes the middle window of a strided convolution, which is window ``n // 2`` of n.
    """
    usual = [(STRIDE, width // 2), (1, width // 2)]
    for stride, padding in [*usual, *((s, p) for p in range(n_columns + width) for s in range(1, n_columns + width))]:
        n_places = (n_columns + 2 * padding - width) // stride + 1
        if n_columns + 2 * padding >= width and stride * (n_places // 2) - padding + width // 2 == place:
            return stride, padding
    raise _no_form(f"model.readout.centre is {place} on {n_columns} columns", "a place that its convolution reads")


def _calcium(model: STCNN, rate_hz: float) -> dict[str, Any]:
    config = model.config.calcium
    slowest_s = float(model.calcium.time_constants().detach().max())
    return {
        "config_type": "gcamp",
        "gcamp_tau": list(config.tau_init_s),
        "alpha_init": list(config.offset_init),
        "beta_init": list(config.gain_init),
        "activation": config.rectifier,
        "cell_types": list(model.cell_types),
        "cell_count": [len(neurons) for neurons in model.population.neurons.values()],
        "use_global_ca_tau": config.tau == "global",
        "t_kernel_size": taps(config.filter, slowest_s, rate_hz),
    }


def taps(config: ExponentialConfig | PowerExponentialConfig, slowest_s: float, rate_hz: float) -> int:
    """Return the number of frames of a kernel; one without end is cut where nothing is left of it.

    Args:
        config: the kernel.
        slowest_s: longest time constant there is.
        rate_hz: frames per second.
    """
    found = n_taps(config.kernel_s, 1 / rate_hz)
    return math.ceil(-math.log(LEAST_DIGITS) * slowest_s * rate_hz) + 1 if found is None else found


def _exponents(interval: tuple[float, float]) -> list[float]:
    """Powers of ten, as the published files give initial time constants."""
    return [_plain(round(math.log10(end), 12)) for end in interval]


def _plain(value: float) -> float:
    """A whole number as such, as the published files have it."""
    return int(value) if float(value).is_integer() else value
