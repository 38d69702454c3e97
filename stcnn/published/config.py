"""The published ``config.json`` as our configuration, with which the published parameters keep their values.

What the published program does differently is expressed, not converted:

* its filters leave out the time step: ``gain_hz`` is the sampling rate, ``scale`` is ``energy``;
* its lattice begins a padding before the first pixel and has as many columns as the picture has room for
  (``eye.first_column_deg``): with 83 pixels its middle lies one degree left of and above that of the picture;
* a readout is the middle one of a grid of windows (``cell_types.NAME.grid``): column 9 of 21, not the middle;
* the Gaussian of its eye takes the product of the two numbers ``pr_sigma``, so that it is round;
* with ``use_global_ca_tau`` all types share one time constant of calcium, else each has its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from stcnn.errors import FileError, StcnnError
from stcnn.nn.eye import EyeConfig
from stcnn.nn.model_config import ModelConfig
from stcnn.nn.windows import Convolution
from stcnn.published.schema import Described, Indicator, Lobula, Network, Photoreceptor, validate

CalciumTau = Literal["trained", "per_type"]

PICTURE_DEG = 83
"""Height and width of the published movies."""


def published_config(
    described: Mapping[str, Any] | Described,
    rate_hz: float,
    calcium_tau: CalciumTau = "trained",
    source: str = "config.json",
) -> ModelConfig:
    """Express a published network in our configuration.

    Args:
        described: content of ``config.json``, judged or not.
        rate_hz: sampling rate the network was trained at.
        calcium_tau: ``trained`` is the time constant that training used, ``per_type`` that of each cell type.
        source: where the description came from, for messages.

    Raises:
        FileError: a key is unknown or has a value that cannot be; the sentence names it.
    """
    known = described if isinstance(described, Described) else validate({"sampling_rate": rate_hz, **described}, source)
    try:
        eye = _eye(known.pr_config, rate_hz)
        first = known.L_config.convolutions()[0]
        config: dict[str, Any] = {
            "eye": eye,
            "hidden": _hidden(known.network_config, rate_hz),
            "readout": _readout(known.L_config, known.network_config, rate_hz),
            "cell_types": {"default": {"window_columns": 9}, **_cell_types(known.L_config)},
            "calcium": _calcium(known.ca_config, calcium_tau, rate_hz),
        }
        lattice = _last_lattice(eye, known.network_config.convolutions())
    except StcnnError as error:
        raise FileError(f"{source} describes no network: {error.found}", expected=error.expected) from error
    if all(k % 2 for k in first.kernel):
        middle = first.middle(lattice)
        config["readout"]["centre"] = (middle.top + first.kernel[0] // 2, middle.left + first.kernel[1] // 2)
    return ModelConfig.model_validate(config)


def deg_per_px(described: Described) -> float:
    """Return the resolution of the movies."""
    return described.pr_config.ds_input[0]


def _eye(eye: Photoreceptor, rate_hz: float) -> EyeConfig:
    """Return the eye, its lattice on a picture of :data:`PICTURE_DEG`."""
    resolution = eye.ds_input[0]
    shape = eye.convolution()
    heights = zip(shape.kernel, shape.padding, strict=True)
    first_deg = [(k / 2 - padding) * resolution for k, padding in heights]
    config = EyeConfig.model_validate(
        {
            "acceptance_fwhm_deg": math.sqrt(eye.pr_sigma[0] * eye.pr_sigma[1]),
            "window_deg": _alike([k * resolution for k in shape.kernel]),
            "column_spacing_deg": _alike([stride * resolution for stride in shape.stride]),
            "first_column_deg": first_deg,
            "tau_s": eye.tau,
            "filter": _kernel(eye.t_kernel_size, rate_hz),
        }
    )
    size_px = max(1, round(PICTURE_DEG / resolution))
    return config.on_picture((size_px, size_px), resolution)


def _hidden(hidden: Network, rate_hz: float) -> dict[str, Any]:
    """Return the hidden layers, in few words where all are alike and keep the size of their maps."""
    shapes = hidden.convolutions()
    widths = {shape.kernel for shape in shapes}
    config: dict[str, Any] = {
        "channels": hidden.out_channels,
        "filter": _trained_kernel(hidden, rate_hz),
        "bias": True,
        "weight_init": _weight_init(hidden),
        "bias_init": hidden.bias_init,
        "kernel_columns": [shape.kernel for shape in shapes],
    }
    if all(shape.keeps_size for shape in shapes):
        width, height = widths.pop()
        if not widths and width == height:
            config["kernel_columns"] = width
    else:
        config["stride"] = [shape.stride for shape in shapes]
        config["padding"] = [shape.padding for shape in shapes]
    if hidden.activations != ("identity", *["leaky_relu"] * (len(shapes) - 1)):
        config["activation"] = hidden.activations
    return config


def _readout(readout: Lobula, hidden: Network, rate_hz: float) -> dict[str, Any]:
    return {
        "activation": readout.activation[0],
        "filter": _trained_kernel(readout, rate_hz),
        "weight_init": _weight_init(readout),
        "bias_init": readout.bias_init,
    }


def _cell_types(readout: Lobula) -> dict[str, Any]:
    return {
        name: {
            "window_columns": _alike(list(shape.kernel)) if all(k % 2 for k in shape.kernel) else shape.kernel,
            "grid": {"stride": shape.stride, "padding": shape.padding},
        }
        for name, shape in zip(readout.lc_types, readout.convolutions(), strict=True)
    }


def _calcium(calcium: Indicator, calcium_tau: CalciumTau, rate_hz: float) -> dict[str, Any]:
    shared = calcium.use_global_ca_tau and calcium_tau == "trained"
    return {
        "rectifier": calcium.activation,
        "tau": "global" if shared else "per_type",
        "tau_init_s": calcium.gcamp_tau,
        "filter": _kernel(calcium.t_kernel_size, rate_hz),
        "gain_init": calcium.beta_init,
        "offset_init": calcium.alpha_init,
    }


def _kernel(taps: int, rate_hz: float) -> dict[str, Any]:
    return {"kernel_s": taps / rate_hz, "scale": "energy", "gain_hz": rate_hz}


def _trained_kernel(layers: Network | Lobula, rate_hz: float) -> dict[str, Any]:
    low, high = layers.tau_init
    kernel = {"kind": "exponential", **_kernel(layers.t_kernel_size, rate_hz), "tau_init_s": (10**low, 10**high)}
    if layers.config_type == "spatiotemporal_pwrexp":
        kernel |= {"kind": "power_exponential", "n_init": layers.n_power_init}
    return kernel


def _weight_init(layers: Network | Lobula) -> float:
    """Kaiming's uniform weights have the standard deviation ``sqrt(2 / (1 + 0.01^2) / inputs)``."""
    return float(2**0.5 * layers.init_amplitude_scale)


def _last_lattice(eye: EyeConfig, layers: list[Convolution]) -> tuple[int, int]:
    """Return the size of the last maps; raises FileError where a layer leaves nothing of them."""
    lattice = eye.lattice
    for i, layer in enumerate(layers):
        made = layer.makes(lattice)
        if min(made) < 1:
            raise FileError(
                f"network_config.x_kernel_size[{i}] is {layer.kernel}, for which a map of {lattice} is too small"
            )
        lattice = made
    return lattice


def _alike(sizes: list[Any]) -> Any:  # noqa: ANN401 - numbers of one kind
    """Return one number where both are the same."""
    return sizes[0] if sizes[0] == sizes[1] else sizes
