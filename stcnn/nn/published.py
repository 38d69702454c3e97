"""The published checkpoints (Klapoetke et al. 2022): their ``config.json`` and ``model_chkpnt_K.pt`` as our model.

What the published code does differently is expressed by our configuration, so that its parameters keep their values and
training can go on where it stopped:

* its filters leave out the time step: ``gain_hz`` is the sampling rate, ``scale`` is ``energy``;
* its readouts look at place 1 of a stride-9 convolution, which is column 9 of 21, not the middle;
* its lattice has the first column on the first pixel: the middle lies one degree left of and above that of the picture;
* it calls the offset ``alpha`` and the gain before its softplus ``beta``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from stcnn.errors import FileError, nearest
from stcnn.nn.model import STCNN, ModelConfig
from stcnn.nn.population import Population
from stcnn.nn.published_names import our_name
from stcnn.reading import load_tensors, read_json, require_weights

CalciumTau = Literal["trained", "per_type"]


class PublishedCheckpoint(NamedTuple):
    """A published checkpoint in our terms."""

    model: STCNN
    rate_hz: float
    optimizer: dict[str, dict[str, Tensor]]
    """Adam's ``step``, ``exp_avg`` and ``exp_avg_sq`` by our parameter name; empty where none was saved."""
    optimizer_options: dict[str, Any]
    """Learning rate, betas and so on."""


def published_epochs(folder: str | Path) -> list[int]:
    """Return the epochs whose published checkpoints lie in a folder, in their order; none in a run of ours."""
    names = (re.fullmatch(r"model_chkpnt_(\d+)\.pt", path.name) for path in Path(folder).glob("model_chkpnt_*.pt"))
    return sorted(int(name[1]) for name in names if name)


def open_published(folder: str | Path, epoch: int = 10, calcium_tau: CalciumTau = "trained") -> STCNN:
    """Open a folder with ``config.json`` and ``model_chkpnt_<epoch>.pt`` as a model.

    Args:
        folder: the published run.
        epoch: which checkpoint; 0 is the untrained network.
        calcium_tau: ``trained`` filters calcium with the trained global time constant; ``per_type`` with the
            per-type constant, which was never trained but which the published figures used.

    Raises:
        FileError: a file is missing, truncated or not a published checkpoint.
    """
    return read_published(folder, epoch, calcium_tau).model


def read_published(folder: str | Path, epoch: int = 10, calcium_tau: CalciumTau = "trained") -> PublishedCheckpoint:
    """Read model and optimiser state; arguments and errors as :func:`open_published`."""
    folder = Path(folder)
    path = folder / f"model_chkpnt_{epoch}.pt"
    if not path.exists():
        there = [f"model_chkpnt_{number}.pt" for number in published_epochs(folder)]
        raise FileError(
            f"there is no {path}",
            expected="a published run: config.json and model_chkpnt_<epoch>.pt",
            remedy=f"choose an epoch among {', '.join(there)}" if there else "check the folder",
        )
    described = read_json(folder / "config.json", "the published config.json")
    tensors = load_tensors(path, "a published checkpoint, with 'model' and 'optim'")
    try:
        return convert(tensors, described, described["sampling_rate"], calcium_tau, str(path))
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        what = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise FileError(
            f"{folder / 'config.json'} does not describe {path.name}: {what}",
            expected="the config.json that the published program wrote with it",
        ) from error


def convert(
    checkpoint: dict[str, Any],
    described: dict[str, Any],
    rate_hz: float,
    calcium_tau: CalciumTau = "trained",
    source: str = "the checkpoint",
) -> PublishedCheckpoint:
    """Turn a loaded checkpoint and the description of its network into a model.

    Args:
        checkpoint: ``{"model": state, "optim": optimiser state}``.
        described: ``pr_config``, ``network_config``, ``L_config`` and ``ca_config``.
        rate_hz: sampling rate the network was trained at.
        calcium_tau: see :func:`open_published`.
        source: where it came from, for messages.
    """
    calcium = described["ca_config"]
    counts = dict(zip(calcium["cell_types"], calcium["cell_count"], strict=True))
    population = Population(neurons={name: tuple(map(str, range(n))) for name, n in counts.items()})
    model = STCNN(published_config(described, rate_hz, calcium_tau), population)
    state = require_weights(checkpoint["model"], f"{source}, 'model',")
    lc_types = described["L_config"]["lc_types"]
    ours = {our_name(name, lc_types): value for name, value in state.items()}
    wanted = model.state_dict()
    found = {name: value.reshape(wanted[name].shape) for name, value in ours.items() if name in wanted}
    missing = sorted(set(wanted) - set(found))
    if missing:
        raise FileError(
            f"{source} lacks {missing[0]} and {len(missing) - 1} more of {len(wanted)} tensors",
            expected="the tensors its config.json describes",
            remedy=nearest(missing[0], [name for name in ours if name]),
        )
    if next(iter(state.values())).dtype == torch.float64:
        model.double()
    model.load_state_dict(found)
    model.eval()
    optimizer, options = _optimizer(checkpoint, described)
    return PublishedCheckpoint(model, float(rate_hz), optimizer, options)


def published_config(described: dict[str, Any], rate_hz: float, calcium_tau: CalciumTau = "trained") -> ModelConfig:
    """Express a published network in our configuration."""
    eye, hidden, readout, calcium = (described[k] for k in ("pr_config", "network_config", "L_config", "ca_config"))
    shape_px = (83, 83)
    lattice, centre_deg = _lattice(eye, shape_px)

    def kernel(config: dict[str, Any]) -> dict[str, Any]:
        filtered = {"kernel_s": config["t_kernel_size"] / rate_hz, "scale": "energy", "gain_hz": rate_hz}
        if "tau_init" in config:
            low, high = config["tau_init"]
            filtered["tau_init_s"] = (10**low, 10**high)
        return filtered

    windows = dict(zip(readout["lc_types"], readout["x_kernel_size"], strict=True))
    scale = 2**0.5 * hidden["init_amplitude_scale"]
    first, pad, stride = readout["x_kernel_size"][0][0], readout["x_padding"][0][0], readout["x_stride"][0][0]
    places = (lattice[0] + 2 * pad - first) // stride + 1
    place = stride * (places // 2) - pad + first // 2
    return ModelConfig.model_validate(
        {
            "eye": {
                "acceptance_fwhm_deg": eye["pr_sigma"][0],
                "window_deg": eye["x_kernel_size"][0],
                "column_spacing_deg": eye["x_stride"][0],
                "lattice": lattice,
                "centre_deg": centre_deg,
                "tau_s": eye["tau"],
                "filter": kernel(eye),
            },
            "hidden": {
                "channels": hidden["out_channels"],
                "kernel_columns": hidden["x_kernel_size"][0],
                "filter": {"kind": "exponential", **kernel(hidden)},
                "bias": True,
                "weight_init": scale,
            },
            "readout": {
                "centre": (place, place),
                "filter": kernel(readout),
                "weight_init": scale,
                "bias_init": readout["bias_init"],
            },
            "cell_types": {
                "default": {"window_columns": 9},
                **{name: {"window_columns": width} for name, (width, _) in windows.items()},
            },
            "calcium": {
                "rectifier": calcium["activation"],
                "tau": "per_type" if calcium_tau == "per_type" else "global",
                "tau_init_s": calcium["gcamp_tau"],
                "filter": kernel(calcium),
                "gain_init": calcium["beta_init"],
                "offset_init": calcium["alpha_init"],
            },
        }
    )


def _lattice(eye: dict[str, Any], shape_px: tuple[int, int]) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the lattice of a strided convolution and its middle in degrees (azimuth, elevation)."""
    sizes, right_down = [], []
    axes = zip(shape_px, eye["x_kernel_size"], eye["x_stride"], eye["x_padding"], strict=True)
    for n_px, kernel, stride, pad in axes:
        n_columns = (n_px + 2 * pad - kernel) // stride + 1
        first_px = (kernel - 1) / 2 - pad
        sizes.append(n_columns)
        right_down.append(first_px + stride * (n_columns - 1) / 2 - (n_px - 1) / 2)
    down, right = right_down
    return (sizes[0], sizes[1]), (right, -down)


def _optimizer(checkpoint: dict[str, Any], described: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Adam's state by our parameter name, and its options.

    Adam numbered the tensors in the order of the state, without buffers: the running statistics and the eye's
    fixed time constant.
    """
    saved = checkpoint.get("optim") or {"state": {}, "param_groups": [{}]}
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    trained = [n for n in checkpoint["model"] if n != "pr.tau" and n.rpartition(".")[2] not in buffers]
    lc_types = described["L_config"]["lc_types"]
    state = {}
    for index, moments in saved["state"].items():
        name, value = our_name(trained[index], lc_types), checkpoint["model"][trained[index]]
        shape = value.shape[1:] if name.startswith("readouts.") and name.endswith("weight") else value.shape
        state[name] = {
            k: torch.as_tensor(v).float() if k == "step" else v.reshape(shape if "weight" in name else -1)
            for k, v in moments.items()
        }
    options = {k: v for k, v in saved["param_groups"][0].items() if k != "params"}
    return state, options
