"""The published network and the small data set made for it, read without any part of ``stcnn``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.reference.direct import Filter, Geometry, Readout

RENAMED = {"x_weight": "weight", "tau": "filter.tau_s", "alpha": "offset", "beta": "gain", "ca_tau": "tau_s"}


def read_parameters(path: Path, cell_types: list[str], dtype: torch.dtype) -> dict[str, Tensor]:
    """Read ``model_chkpnt_K.pt`` under the names of the direct form; time constants become vectors."""
    found = {}
    for name, value in torch.load(path, map_location="cpu", weights_only=True)["model"].items():
        head, *middle, last = name.split(".") if "." in name else (name, "")
        if last in ("num_batches_tracked", "x_weight") and head in ("norm_layers", "pr"):
            continue  # a counter, and the Gaussian that the formula gives
        last = RENAMED.get(last, last)
        if head == "lc_layers":
            found[f"readouts.{cell_types[int(middle[0])]}.{last}"] = value[0] if last == "weight" else value.flatten()
        else:
            prefix = {
                "global_ca_tau": "calcium.tau_s",
                "pr": "eye.",
                "network": "hidden.{}.",
                "norm_layers": "hidden.{}.norm.",
                "ca_param": "calcium.types.{}.",
            }[head].format(*middle)
            found[prefix + last] = value.flatten() if last.endswith("tau_s") else value
    return {name: value.to(dtype) for name, value in found.items()}


def read_geometry(described: dict[str, Any], **changes: Any) -> Geometry:
    """Express the published ``config.json`` (as far as it varies) as a geometry."""
    readout = described["L_config"]
    return Geometry(
        eye_filter=Filter(described["pr_config"]["t_kernel_size"]),
        hidden_filter=Filter(described["network_config"]["t_kernel_size"]),
        readout_filter=Filter(readout["t_kernel_size"]),
        calcium_filter=Filter(described["ca_config"]["t_kernel_size"]),
        readouts={
            name: Readout(padding, stride)
            for name, (padding, _), (stride, _) in zip(
                readout["lc_types"], readout["x_padding"], readout["x_stride"], strict=True
            )
        },
        **changes,
    )


@dataclass(frozen=True)
class Item:
    """One recording of the small data set: what the neuron was shown and what it answered."""

    cell_type: str
    neuron: int
    contrast: Tensor
    """``(T, Y, X)``"""
    trace: Tensor
    """``(T,)``"""
    scored: slice


def read_items(folder: Path, expected: dict[str, Any], dtype: torch.dtype) -> list[Item]:
    """Build the items of ``expected_training.json`` in their order from the recordings and movies."""
    indices = {
        (item["cell_type"], item["uid"]): (item["neuron"], item["n_frames"])
        for item in json.loads((folder / "expected_items.json").read_text())["average_trials"]
    }
    items = []
    for cell_type, file, stimulus, uid in expected["order"]:
        recording = torch.load(folder / "ca" / cell_type.upper() / file, weights_only=True)[stimulus]
        movie = torch.load(folder / "mov" / f"{stimulus}.pt", weights_only=True)[stimulus]["rect_mov"]
        neuron, n_frames = indices[cell_type, uid]
        items.append(_item(recording, recording["neuron"][uid], movie, expected, (cell_type, neuron, n_frames), dtype))
    return items


def _item(
    recording: dict[str, Any],
    recorded: dict[str, Tensor],
    movie: Tensor,
    expected: dict[str, Any],
    identity: tuple[str, int, int],
    dtype: torch.dtype,
) -> Item:
    cell_type, neuron, n_frames = identity
    start, time_s, half_frame_s = expected["prepad"], recording["t_axis"], 0.5 / expected["sampling_rate"]
    measured = recorded["traces"].mean(0)
    stop = start + len(measured)
    trace = torch.cat(
        [
            measured[:18].mean().expand(start),
            measured,
            measured[-18:-1].mean().expand(n_frames - stop),
        ]
    )
    shift_px = round(float(recorded["ele_shift"])), -round(float(recorded["azi_shift"]))
    onset = start + int((time_s < -half_frame_s).sum())
    contrast = torch.zeros(n_frames, *movie.shape[1:])
    contrast[onset : onset + len(movie)] = torch.roll(movie - expected["background"], shift_px, (1, 2))
    first = start + int((time_s < expected["loss_t_start"] - half_frame_s).sum())
    return Item(cell_type, neuron, contrast.to(dtype), trace.to(dtype), slice(first, stop - 1))
