"""Writes recordings in the published folder layout, which :mod:`stcnn.data.published` reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stcnn.data.clocks import sampled_at_frames
from stcnn.data.dataset import Dataset
from stcnn.data.recordings import rows_by
from stcnn.errors import DataError, FileError
from stcnn.writing import whole_folder


def export_published(
    data: Dataset,
    folder: str | Path,
    *,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Path:
    """Write ``ca/TYPE/ANIMAL.pt`` and ``mov/NAME.pt``; reading them gives the same recordings.

    Args:
        data: single trials, sampled at the movie frames.
        folder: folder to make.
        progress: told what is done, how far, and of how much.

    Raises:
        FileError: the folder exists already, or cannot be written.
        DataError: the recordings are sampled on another clock than the movies, which the layout cannot hold.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileError(f"{folder} exists already", remedy="choose another name")
    if not sampled_at_frames(data.table).all():
        raise DataError(
            "recordings are sampled on another clock than their movies",
            expected="samples at the movie frames, the only ones that the published layout can hold",
            remedy="export to NWB",
        )
    with whole_folder(folder) as draft:
        _write(data, draft, progress)
    return folder


def _write(data: Dataset, folder: Path, progress: Callable[[str, int, int], None]) -> None:
    files = rows_by(data.table, "cell_type", "animal")
    for done, ((cell_type, animal), rows) in enumerate(files.items(), 1):
        path = folder / "ca" / cell_type.upper() / f"{animal or 'animal'}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        _save(_stimuli(data, rows), path)
        progress("files", done, len(files))
    (folder / "mov").mkdir()
    for done, name in enumerate(data.movies, 1):
        movie = data.movies[name]
        entry = {"rect_mov": torch.from_numpy(movie.luminance()), "t_axis": torch.from_numpy(movie.time_s)}
        stem = name if name.startswith("vstim_") else f"vstim_{name}"
        _save({name: entry}, folder / "mov" / f"{stem}.pt")
        progress("movies", done, len(data.movies))


def _save(content: dict[str, Any], path: Path) -> None:
    with path.open("wb") as stream:  # torch does not say why it cannot write to a path
        torch.save(content, stream)


def _stimuli(data: Dataset, rows: list[int]) -> dict[str, Any]:
    """Content of one file: stimuli, their neurons, and the trials of each."""
    content: dict[str, Any] = {}
    for recording in (data.recordings[i] for i in rows):
        entry = content.setdefault(
            recording.stimulus, {"t_axis": torch.from_numpy(recording.time_s), "Hz": recording.rate_hz, "neuron": {}}
        )
        azi, ele = recording.shift_px
        neuron = {"traces": [], "azi_shift": torch.tensor(float(azi)), "ele_shift": torch.tensor(float(ele))}
        entry["neuron"].setdefault(recording.neuron, neuron)["traces"].append(recording.trace)
    for entry in content.values():
        for neuron in entry["neuron"].values():
            neuron["traces"] = torch.from_numpy(np.stack(neuron["traces"]))
    return content
