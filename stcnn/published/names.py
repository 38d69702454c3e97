"""Names of the published program's tensors and ours, one table for both directions.

In its state dictionary a hidden layer and its normalisation stand apart, readouts go by their number, and the tensors
of neurons by the published formula, ``beta + softplus(alpha) ...``, whose two arguments its code exchanges: ``alpha``
is the offset and ``beta`` the gain before its softplus. Cell types are kept in lower case here.
"""

from __future__ import annotations

from collections.abc import Sequence

from stcnn.cell_type_names import cell_type_name

GLOBAL_TAU = ("global_ca_tau", "calcium.tau_s")
"""Time constant of the indicator shared by all cell types: published name and ours."""

LAYER_NAMES = {"x_weight": "weight", "tau": "filter.tau_s", "n_power": "filter.n", "bias": "bias"}
"""Tensors of a hidden layer and of a readout, published to ours."""

NEURON_NAMES = {"alpha": "offset", "beta": "gain", "ca_tau": "tau_s"}
"""Tensors of the neurons of a cell type, published to ours."""

NORM_NAMES = ("weight", "bias", "running_mean", "running_var")
"""Tensors of a normalisation, which have one name in both."""

_OUR_LAYER_NAMES = {ours: theirs for theirs, ours in LAYER_NAMES.items()}
_OUR_NEURON_NAMES = {ours: theirs for theirs, ours in NEURON_NAMES.items()}


def our_name(name: str, lc_types: Sequence[str]) -> str:
    """Return our name of a published tensor; empty where ours computes it (eye, batch counter) or it is unknown.

    Args:
        name: key of the published state dictionary.
        lc_types: cell types in the order of the published readouts, ``L_config.lc_types``.
    """
    if name == GLOBAL_TAU[0]:
        return GLOBAL_TAU[1]
    part, _, rest = name.partition(".")
    place, _, tensor = rest.rpartition(".")
    if part == "ca_param" and tensor in NEURON_NAMES:
        return f"calcium.types.{cell_type_name(place)}.{NEURON_NAMES[tensor]}"
    if not place.isdecimal():
        return ""
    if part == "network" and tensor in LAYER_NAMES:
        return f"hidden.{place}.{LAYER_NAMES[tensor]}"
    if part == "norm_layers" and tensor in NORM_NAMES:
        return f"hidden.{place}.norm.{tensor}"
    if part == "lc_layers" and tensor in LAYER_NAMES and int(place) < len(lc_types):
        return f"readouts.{cell_type_name(lc_types[int(place)])}.{LAYER_NAMES[tensor]}"
    return ""


def published_name(name: str, lc_types: Sequence[str]) -> str:
    """Return the published name of a tensor of ours, the inverse of :func:`our_name`; empty where it has none."""
    if name == GLOBAL_TAU[1]:
        return GLOBAL_TAU[0]
    known = {cell_type_name(lc_type): lc_type for lc_type in lc_types}
    part, _, rest = name.partition(".")
    if part == "calcium":
        cell_type, _, tensor = rest.removeprefix("types.").rpartition(".")
        cell_type = known.get(cell_type, cell_type)
        return f"ca_param.{cell_type}.{_OUR_NEURON_NAMES[tensor]}" if tensor in _OUR_NEURON_NAMES else ""
    place, _, tensor = rest.partition(".")
    norm = tensor.removeprefix("norm.")
    if part == "hidden" and norm != tensor and norm in NORM_NAMES:
        return f"norm_layers.{place}.{norm}"
    if tensor not in _OUR_LAYER_NAMES:
        return ""
    if part == "hidden":
        return f"network.{place}.{_OUR_LAYER_NAMES[tensor]}"
    if part == "readouts" and place in known:
        return f"lc_layers.{list(known).index(place)}.{_OUR_LAYER_NAMES[tensor]}"
    return ""
