"""The published checkpoints (Klapoetke et al. 2022): their ``config.json`` and ``model_chkpnt_K.pt`` as our model.

Of three parts: what ``config.json`` may say (:mod:`stcnn.published.schema`), how our configuration says it
(:mod:`stcnn.published.config`), and here the tensors, which are judged by both before a model is made of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stcnn.errors import FileError
from stcnn.nn.model import STCNN
from stcnn.nn.population import Population
from stcnn.published.config import CalciumTau, deg_per_px, published_config
from stcnn.published.names import our_name
from stcnn.published.schema import validate
from stcnn.published.tensors import judged_state
from stcnn.reading import load_tensors, read_json
from stcnn.validation import validated


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
        calcium_tau: ``trained`` filters calcium with the time constant that training used (one for all cell types where
            ``use_global_ca_tau`` says so, else one for each); ``per_type`` with that of each cell type, which the
            published figures used, although a shared one had been trained.

    Raises:
        FileError: a file is missing, truncated or not a published checkpoint, or ``config.json`` has a key or value
            that is not known here; the sentence names it.
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
    rate_hz = validate(described, str(folder / "config.json")).sampling_rate
    tensors = load_tensors(path, "a published checkpoint, with 'model' and 'optim'")
    try:
        return convert(tensors, described, rate_hz, calcium_tau, str(path))
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

    Raises:
        FileError: the description has an unknown key or value, or does not describe the tensors.
    """
    known = validate({"sampling_rate": rate_hz, **described}, f"the config.json of {source}")
    state = judged_state(checkpoint, known, source)
    config = published_config(known, known.sampling_rate, calcium_tau, f"the config.json of {source}")
    counts = zip(known.ca_config.cell_types, known.ca_config.cell_count, strict=True)
    found = f"the config.json of {source} has ca_config.cell_types that cannot be"
    population = validated(
        Population,
        {"neurons": {name: tuple(map(str, range(n))) for name, n in counts}},
        lambda fault: FileError(f"{found}: {fault.message}", expected="names of cell types"),
    )
    model = STCNN(config, population, deg_per_px(known))
    lc_types = known.L_config.lc_types
    ours = {our_name(name, lc_types): value for name, value in state.items()}
    if any(value.dtype == torch.float64 for value in state.values()):
        model.double()
    wanted = model.state_dict()
    model.load_state_dict({name: ours[name].reshape(value.shape) for name, value in wanted.items()})
    model.eval()
    optimizer, options = _optimizer(checkpoint, lc_types)
    return PublishedCheckpoint(model, known.sampling_rate, optimizer, options)


def _optimizer(checkpoint: dict[str, Any], lc_types: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return Adam's state by our parameter name, and its options.

    Adam numbered the tensors in the order of the state, without buffers: the running statistics and the eye's
    fixed time constant.
    """
    saved = checkpoint.get("optim") or {"state": {}, "param_groups": [{}]}
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    trained = [n for n in checkpoint["model"] if n != "pr.tau" and n.rpartition(".")[2] not in buffers]
    state = {}
    for index, moments in saved["state"].items():
        name = our_name(trained[index], lc_types)
        value = checkpoint["model"][trained[index]]
        shape = value.shape[1:] if name.startswith("readouts.") and name.endswith("weight") else value.shape
        state[name] = {
            k: torch.as_tensor(v).float() if k == "step" else v.reshape(shape if "weight" in name else -1)
            for k, v in moments.items()
        }
    options = {k: v for k, v in saved["param_groups"][0].items() if k != "params"}
    return state, options
