"""A network of ours as the published ``config.json`` describes it (Klapoetke et al. 2022).

The inverse of :func:`stcnn.published.config.published_config`. What the published program has no form for is refused
with the key that says so.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from stcnn.export.form import no_form, published_activation, require_form
from stcnn.movie import BACKGROUND
from stcnn.nn.eye import EyeConfig
from stcnn.nn.filters.exponential import ExponentialConfig
from stcnn.nn.filters.kind import FilterKind, n_taps
from stcnn.nn.filters.power_exponential import PowerExponentialConfig
from stcnn.nn.model import STCNN
from stcnn.nn.windows import Convolution

STRIDE = 9
"""Of the published readouts, tried first."""
LEAST_DIGITS = 1e-9
"""Share that may be left of a kernel without end where its published form is cut."""


def described(model: STCNN, rate_hz: float, movie_px: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Return ``pr_config``, ``network_config``, ``L_config`` and ``ca_config``.

    Args:
        model: the network.
        rate_hz: frames per second of the published form, which holds for one rate only.
        movie_px: rows and columns of the movies, which place its columns.

    Raises:
        ConfigError: the published program has no such network; the message names the key.
    """
    require_form(model.config)
    return {
        "pr_config": _eye(model, rate_hz, movie_px),
        "network_config": _hidden(model, rate_hz),
        "L_config": _readouts(model, rate_hz),
        "ca_config": _calcium(model, rate_hz),
    }


def _eye(model: STCNN, rate_hz: float, movie_px: tuple[int, int]) -> dict[str, Any]:
    deg_per_px = model.deg_per_px
    config = model.config.eye.on_picture(movie_px, deg_per_px)
    found = [_eye_axis(axis, n_px, deg_per_px) for axis, n_px in zip(axes(config), movie_px, strict=True)]
    kernels, strides, paddings = (list(each) for each in zip(*found, strict=True))
    return {
        "config_type": "photoreceptor",
        "layer_name": "photoreceptor",
        "in_channels": [1],
        "out_channels": [1],
        "ds_input": [_plain(deg_per_px)] * 2,
        "pr_sigma": [_plain(config.acceptance_fwhm_deg)] * 2,
        "x_kernel_size": kernels,
        "x_stride": strides,
        "x_padding": paddings,
        "tau": config.tau_s,
        "movie_bg_intensity": BACKGROUND,
        "t_kernel_size": taps(config.filter, config.tau_s, rate_hz),
    }


class Axis(NamedTuple):
    """A square lattice along one axis, rows downwards or columns to the right."""

    n_columns: int
    spacing_deg: float
    window_deg: float
    centre_deg: float
    """Middle of the lattice from that of the picture."""


def axes(config: EyeConfig) -> tuple[Axis, Axis]:
    """Return the lattice along rows, downwards, and along columns, to the right."""
    azimuth_deg, elevation_deg = config.centre_deg
    height_deg, width_deg = config.window_size_deg
    down_deg, right_deg = config.spacing_deg
    return (
        Axis(config.lattice[0], down_deg, height_deg, -elevation_deg),
        Axis(config.lattice[1], right_deg, width_deg, azimuth_deg),
    )


def _eye_axis(axis: Axis, n_px: int, deg_per_px: float) -> tuple[int, int, int]:
    """Return kernel, stride and padding of a convolution that has its columns where the lattice has them.

    Args:
        axis: the lattice along one axis.
        n_px: pixels of the movie along it.
        deg_per_px: their size.
    """
    stride = round(axis.spacing_deg / deg_per_px)
    if stride < 1 or not math.isclose(stride * deg_per_px, axis.spacing_deg, rel_tol=1e-9):
        raise no_form(
            f"model.eye.column_spacing_deg is {axis.spacing_deg:g} at {deg_per_px:g} degrees per pixel",
            "a whole number of pixels",
        )
    centre_px = axis.centre_deg / deg_per_px
    first_px = centre_px + (n_px - 1) / 2 - stride * (axis.n_columns - 1) / 2
    width = round(axis.window_deg / deg_per_px + 1e-6)  # pixels within the window, whose middle a column has
    width -= abs(round(2 * first_px) % 2 - (width - 1) % 2)
    padding = round((width - 1) / 2 - first_px)
    there = (n_px + 2 * padding - width) // stride + 1
    on_a_pixel = math.isclose((width - 1) / 2 - padding, first_px, abs_tol=1e-6)
    if not 0 <= padding < width or there != axis.n_columns or not on_a_pixel:
        raise no_form(
            f"model.eye.lattice has {axis.n_columns} columns {stride} pixels apart around pixel {centre_px:+g} from "
            f"the middle of a movie of {n_px} pixels",
            "the columns of a strided convolution, which begin on a pixel and end where the movie does",
        )
    return width, stride, padding


def _hidden(model: STCNN, rate_hz: float) -> dict[str, Any]:
    config = model.config.hidden
    layers = list(model.hidden)
    shapes = [layer.convolution for layer in layers]
    slowest_s = max(float(layer.filter.tau_s.detach().max()) for layer in layers)
    kernel = _trained_kernel(config.filter, slowest_s, rate_hz)
    section = {
        "config_type": kernel.pop("config_type"),
        "layer_name": "hidden_layer",
        "in_channels": [1],
        "out_channels": list(config.channels),
        "x_kernel_size": [_alike(shape.kernel) for shape in shapes],
        "x_stride": [_alike(shape.stride) for shape in shapes],
        "x_padding": [_alike(shape.padding) for shape in shapes],
        "tau_init": kernel.pop("tau_init"),
        "activation": [published_activation(layer.activation, "model.hidden.slope") for layer in layers],
        "t_kernel_size": kernel.pop("t_kernel_size"),
        "init_amplitude_scale": round(config.weight_init / 2**0.5, 12),
    }
    section |= kernel
    if config.bias_init != (0.0, 0.0):
        section["bias_init"] = list(config.bias_init)
    return section


def _readouts(model: STCNN, rate_hz: float) -> dict[str, Any]:
    config = model.config.readout
    lattice = model.hidden.lattices(model.config.eye.lattice)[-1]
    shapes = [_grid(model, name, lattice) for name in model.cell_types]
    slowest_s = max(float(readout.filter.tau_s.detach().max()) for readout in model.readouts.each)
    kernel = _trained_kernel(config.filter, slowest_s, rate_hz)
    section = {
        "config_type": kernel.pop("config_type"),
        "layer_name": "lc_layer",
        "in_channels": [model.config.hidden.channels[-1]],
        "out_channels": [1],
        "lc_types": list(model.cell_types),
        "lc_count": [len(neurons) for neurons in model.population.neurons.values()],
        "x_kernel_size": [_for_readout(shape.kernel) for shape in shapes],
        "x_stride": [_for_readout(shape.stride) for shape in shapes],
        "x_padding": [_for_readout(shape.padding) for shape in shapes],
        "tau_init": kernel.pop("tau_init"),
        "activation": published_activation(model.readouts.activation, "model.readout.slope"),
        "t_kernel_size": kernel.pop("t_kernel_size"),
        "init_amplitude_scale": round(config.weight_init / 2**0.5, 12),
        "bias_init": [_plain(end) for end in config.bias_init],
    }
    return section | kernel


def _trained_kernel(kernel: FilterKind, slowest_s: float, rate_hz: float) -> dict[str, Any]:
    """Return what a section says of a trained kernel of the longest time constant ``slowest_s``."""
    assert isinstance(kernel, ExponentialConfig | PowerExponentialConfig)
    found: dict[str, Any] = {
        "config_type": "spatiotemporal_exp",
        "tau_init": _exponents(kernel.tau_init_s),
        "t_kernel_size": taps(kernel, slowest_s, rate_hz),
    }
    if isinstance(kernel, PowerExponentialConfig):
        found["config_type"] = "spatiotemporal_pwrexp"
        found["n_power_init"] = list(kernel.n_init)
    return found


def _for_readout(pair: tuple[int, int]) -> list[Any]:
    """Return a pair as the published program reads it for readouts: of a plain pair it takes the first number alone."""
    return list(pair) if pair[0] == pair[1] else [list(pair)]


def _grid(model: STCNN, name: str, lattice: tuple[int, int]) -> Convolution:
    """Return the windows of which the published program reads the middle one, where this cell type reads."""
    config = model.readouts.cell_types[name]
    place = model.readouts.places[name]
    if config.grid is not None:
        return Convolution(config.window, config.grid.stride, config.grid.padding)
    starts = zip(lattice, (place.top, place.left), config.window, strict=True)
    (row_stride, row_padding), (stride, padding) = (_grid_axis(*each, name) for each in starts)
    return Convolution(config.window, (row_stride, stride), (row_padding, padding))


def _grid_axis(n_columns: int, start: int, width: int, name: str) -> tuple[int, int]:
    """Return stride and padding with which window ``n // 2`` of n begins at a place of the lattice, along one axis."""
    usual = [(STRIDE, width // 2), (1, width // 2)]
    for stride, padding in [*usual, *((s, p) for p in range(width) for s in range(1, n_columns + width))]:
        n_places = (n_columns + 2 * padding - width) // stride + 1
        if n_places > 0 and stride * (n_places // 2) - padding == start:
            return stride, padding
    raise no_form(
        f"model.readout.centre lets '{name}' read {width} columns from {start} on, of {n_columns}",
        "a place that a convolution of windows reads in the middle",
    )


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


def taps(config: FilterKind, slowest_s: float, rate_hz: float) -> int:
    """Return the number of frames of a kernel; one without end is cut where nothing is left of it.

    Args:
        config: the kernel.
        slowest_s: longest time constant there is.
        rate_hz: frames per second.

    Raises:
        ConfigError: it has one frame, of which the published program keeps no answer at all.
    """
    assert isinstance(config, ExponentialConfig | PowerExponentialConfig)
    found = n_taps(config.kernel_s, 1 / rate_hz)
    if found == 1:
        raise no_form(f"a filter with kernel_s={config.kernel_s:g} has one frame at {rate_hz:g} Hz", "two or more")
    return math.ceil(-math.log(LEAST_DIGITS) * slowest_s * rate_hz) + 1 if found is None else found


def _alike(sizes: tuple[int, int]) -> int | list[int]:
    """One number where both are the same, as the published files have hidden layers."""
    return sizes[0] if sizes[0] == sizes[1] else list(sizes)


def _exponents(interval: tuple[float, float]) -> list[float]:
    """Powers of ten, as the published files give initial time constants."""
    return [_plain(round(math.log10(end), 12)) for end in interval]


def _plain(value: float) -> float:
    """A whole number as such, as the published files have it."""
    return int(value) if float(value).is_integer() else value
