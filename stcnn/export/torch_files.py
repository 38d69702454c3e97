"""``step.pt2`` and ``clip.pt2``: a network as ``torch.export`` writes it, for PyTorch without this package.

``torch.export.load(path).module()`` is a function of ``luminance`` and ``state``, as of
:mod:`stcnn.export.onnx_files`; the first state is in ``start.safetensors``, and the facts are in ``facts.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stcnn.export.probes import Answer, difference, probes
from stcnn.export.request import Request
from stcnn.export.source_networks import SourceNetworks
from stcnn.export.step_network import Clip
from stcnn.reading import load_weights
from stcnn.writing import atomic_folder


def export(request: Request) -> Iterator[str]:
    """Write the files into a folder; yield how far their answers are from ours.

    Raises:
        ConfigError: the network has no form outside this program.
        FileError: the folder is there already, or cannot be written.
    """
    folder = request.folder("torch")
    networks = SourceNetworks.of(request)
    step = networks.step
    clip = Clip(networks.step)
    frames = torch.zeros(3, *networks.movie_px)
    with atomic_folder(folder) as draft, torch.no_grad():
        draft.mkdir()
        torch.export.save(torch.export.export(step, (frames[0], step.start)), draft / "step.pt2")
        any_length = ({0: torch.export.Dim("frames", min=1)}, None)
        program = torch.export.export(clip, (frames, step.start), dynamic_shapes=any_length)
        torch.export.save(program, draft / "clip.pt2")
        safetensors.torch.save_file({"state": step.start}, draft / "start.safetensors")
        clips = list(probes(networks.movie_px, networks.models[0].deg_per_px, networks.rate_hz))
        found = difference(clip_answer(draft / "clip.pt2", step.start), networks.our_answer(), clips)
        facts = networks.facts() | {
            "torch": torch.__version__,
            "difference_voltage": found.voltage,
            "difference_calcium": found.calcium,
        }
        (draft / "facts.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")
    yield f"clip.pt2 differs from our answers by {found.largest:.1e} of the largest at most ({len(clips)} stimuli)"
    yield f"torch form at {networks.rate_hz:g} Hz in {folder}"


def first_state(folder: Path) -> Tensor:
    """Return the state with which a clip begins."""
    return load_weights(folder / "start.safetensors", "the first state of an export")["state"]


def clip_answer(path: Path, start: Tensor) -> Answer:
    """Return what ``clip.pt2`` answers from a state on."""
    module: nn.Module = torch.export.load(path).module()

    def answer(clip: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        with torch.no_grad():
            voltage, calcium, _ = module(torch.from_numpy(clip), start)
        return voltage.numpy(), calcium.numpy()

    return answer
